import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Pipeline } from '../index.js'
import { messageOf, PipelineError } from '../pipeline/base/errors.js'
import type { Result } from '../pipeline/run/contract.js'
import type { Prepared } from '../pipeline/run/prepared.js'
import { isDone, type ResumeOptions, resume } from '../pipeline/run/resume.js'
import { run } from '../pipeline/run/run.js'
import { now } from '../pipeline/run/timed-kernels.js'
import type { Outcome, PointSettings } from './executor.js'
import { definitionDigest } from './identity.js'
import type { Point } from './point.js'

/**
 * Executes a point in this thread. It is an ordinary run, with the same bytes as `millrace run` with the same
 * overrides. If an earlier run of the point was interrupted, it resumes from the last checkpoint. Never rejects: an
 * error becomes part of the outcome.
 *
 * @param prepared the data of the point, if it was prepared already
 */
export async function executePoint(
  point: Point,
  { directory, threads, checkpoint, trust }: PointSettings,
  signal: AbortSignal,
  prepared?: Prepared,
): Promise<Outcome> {
  const start = now()
  const outcome = (rest: Omit<Outcome, 'key' | 'seconds'>): Outcome => ({
    key: point.key,
    ...rest,
    seconds: Math.round(now() - start) / 1000,
  })
  try {
    const load = (set: readonly string[]) => Pipeline.load(point.pipeline, { set, seed: point.seed, ...trust })
    const pipeline = await load(point.set)
    if (definitionDigest(pipeline) !== point.definition)
      throw new PipelineError('DEFINITION', `${point.pipeline} has changed since the sweep was planned; start it again`)
    const set = point.length && [`${point.length.name}=${point.length.epochs}`]
    const options = { kernel: point.kernel, threads, checkpoint, signal, prepared }
    const { history } =
      (await resumeIfPossible(directory, { ...options, ...trust, set }, point)) ??
      (await run(set ? await load([...point.set, ...set]) : pipeline, { out: directory, force: true, ...options }))
    return outcome({ status: 'done', final: history.at(-1) })
  } catch (error) {
    const code = error instanceof PipelineError ? error.code : undefined
    return outcome({ status: code === 'ABORTED' ? 'interrupted' : 'failed', error: messageOf(error), code })
  }
}

/**
 * Resumes a run that was interrupted or, with `set`, that is to become longer. Returns undefined if there is no such
 * run, if it cannot be resumed, or if a point from elsewhere finds the run of another definition.
 */
async function resumeIfPossible(directory: string, options: ResumeOptions, point: Point): Promise<Result | undefined> {
  const file = join(directory, 'pipeline.yaml')
  if (!existsSync(file) || (isDone(directory) && !options.set)) return undefined
  try {
    const isOther = async () =>
      definitionDigest(await Pipeline.load(file, { ...options, set: options.set ?? [] })) !== point.definition
    if (options.isDetached && (await isOther())) return undefined
    return await resume(directory, options).result
  } catch (error) {
    const cannotResume = error instanceof PipelineError && ['ARGUMENTS', 'DEFINITION'].includes(error.code)
    if (cannotResume) return undefined
    throw error
  }
}

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
 * Executes a point in this thread: an ordinary run, with the same bytes as `millrace run` with the same overrides. A
 * run of it that was cut off goes on from its last checkpoint. Never rejects: whatever goes wrong is part of the outcome.
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
    const whole = { kernel: point.kernel, threads, checkpoint, signal, prepared }
    const { history } =
      (await continued(directory, { ...whole, ...trust, set })) ??
      (await run(set ? await load([...point.set, ...set]) : pipeline, { out: directory, force: true, ...whole }))
    return outcome({ status: 'done', final: history.at(-1) })
  } catch (error) {
    const isAborted = error instanceof PipelineError && error.code === 'ABORTED'
    return outcome({ status: isAborted ? 'interrupted' : 'failed', error: messageOf(error) })
  }
}

/**
 * Goes on with a run that was cut off or, with `set`, that is to become longer; nothing where there is none, or where it
 * is not fit to go on.
 */
async function continued(directory: string, conditions: ResumeOptions): Promise<Result | undefined> {
  if (!existsSync(join(directory, 'pipeline.yaml')) || (isDone(directory) && !conditions.set)) return undefined
  try {
    return await resume(directory, conditions).result
  } catch (error) {
    const isUnfit = error instanceof PipelineError && ['ARGUMENTS', 'DEFINITION'].includes(error.code)
    if (isUnfit) return undefined
    throw error
  }
}

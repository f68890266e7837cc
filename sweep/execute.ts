import { existsSync, realpathSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Pipeline } from '../index.js'
import { messageOf, PipelineError } from '../pipeline/base/errors.js'
import { type Definition, readDefinition } from '../pipeline/definition/read.js'
import { builtInStages, isFile, splitPick } from '../pipeline/graph/registry.js'
import type { Result } from '../pipeline/run/contract.js'
import { isDone } from '../pipeline/run/past-record.js'
import type { Prepared } from '../pipeline/run/prepared.js'
import { type ResumeOptions, resume, storedTrust } from '../pipeline/run/resume.js'
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
    const wanted = set ? await load([...point.set, ...set]) : pipeline
    const { history } =
      (await resumeIfPossible(directory, { ...options, ...trust, set }, wanted)) ??
      (await run(wanted, { out: directory, force: true, ...options }))
    return outcome({ status: 'done', final: history.at(-1) })
  } catch (error) {
    const code = error instanceof PipelineError ? error.code : undefined
    return outcome({ status: code === 'ABORTED' ? 'interrupted' : 'failed', error: messageOf(error), code })
  }
}

/**
 * Resumes a run that was interrupted or, with `set`, that is to become longer. Returns undefined if there is no such
 * run, if it cannot be resumed, or if it is the run of another definition than `wanted`.
 */
async function resumeIfPossible(
  directory: string,
  options: ResumeOptions,
  wanted: Pipeline,
): Promise<Result | undefined> {
  const file = join(directory, 'pipeline.yaml')
  if (!existsSync(file) || (isDone(directory) && !options.set)) return undefined
  try {
    const { set = [] } = options
    const trust = storedTrust(directory, options)
    // The directory may be a stranger's: what it names is not loaded before it is known to be the user's own code.
    if (!(await namesOnlyCodeOf(wanted, readDefinition(file, { ...trust, set })))) return undefined
    const stored = await Pipeline.load(file, { ...trust, set })
    if (definitionDigest(stored) !== definitionDigest(wanted)) return undefined
    return await resume(directory, options).result
  } catch (error) {
    const cannotResume = error instanceof PipelineError && ['ARGUMENTS', 'DEFINITION'].includes(error.code)
    if (cannotResume) return undefined
    throw error
  }
}

/** Whether a definition names no stage files and packages but those of a pipeline that was loaded. Loads no code. */
async function namesOnlyCodeOf({ definition }: Pipeline, stored: Definition): Promise<boolean> {
  const builtIn = await builtInStages()
  const own = new Set(definition.stages.map(codeOf))
  return stored.stages.every((entry) => builtIn.has(entry.use) || own.has(codeOf(entry)))
}

/** The file of a stage with links followed, or its name if it is no file. */
function codeOf({ use, folder }: Definition['stages'][number]): string {
  const [path] = splitPick(use)
  const file = resolve(folder, path)
  if (!isFile(path)) return use
  return existsSync(file) ? realpathSync(file) : file
}

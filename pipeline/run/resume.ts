import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { KernelChoice } from '../../kernels/contract.js'
import type { DataSource } from '../base/data-source.js'
import { asPipelineError, PipelineError } from '../base/errors.js'
import { listed, shortPath } from '../base/words.js'
import type { Trust } from '../definition/trust.js'
import { type Checkpoint, soundCheckpoints } from '../directory/checkpoint.js'
import type { Configuration } from '../directory/configuration.js'
import { openRunDirectory } from '../directory/run-directory.js'
import { attempt } from '../files/files.js'
import { readInside } from '../files/inside.js'
import { MAX_DEFINITION } from '../files/limits.js'
import { Pipeline } from '../graph/pipeline.js'
import {
  changesFrom,
  checkDifferences,
  configurationOf,
  differencesBetween,
  type OptionDifference,
} from './configuration.js'
import type { Run, RunSettings } from './contract.js'
import { refusalOf } from './first-step.js'
import { hasAll, type PastRecord, readPast } from './past-record.js'
import { formatMaker, LEFT_OUT } from './record.js'
import { rowsKey } from './result.js'
import { startWith } from './run.js'
import type { RunStart } from './start.js'

/**
 * How a run is resumed. By default a run goes on with the stage files it had, wherever they lie, but loads no code from
 * the directory of a run or sweep; give `plugins: false` for a run directory that you do not trust.
 */
export interface ResumeOptions extends RunSettings, Trust {
  /** Changes to the definition, as `--set` takes them: `epochs=80` makes a finished run longer. */
  readonly set?: readonly string[] | undefined
  /**
   * Goes on even if the definition or the data are not those of the run. Options of stages that have stored something
   * stay all the same, except those that their stages let change.
   */
  readonly force?: boolean | undefined
}

/**
 * Goes on with a run that was interrupted or killed, from its last sound checkpoint. The result has the same bytes as
 * without the interruption. Without a checkpoint the run begins anew. A finished run can be made longer,
 * and is then what a longer run would have been. A figure that failed is drawn again.
 *
 * Rejects with code `ARGUMENTS` if there is nothing to go on with or no further step to make, and `DEFINITION` or `DATA`
 * if options or data are not those of the run. Nothing is written before the first new step.
 */
export function resume(directory: string, options: ResumeOptions = {}): Run {
  const path = resolve(directory)
  const past = readPast(path)
  const read = definitionReader(path, options)
  return startWith(
    { ...withoutUndefined(options), kernel: kernelFor(options.kernel, past) },
    {
      pipeline: async () => {
        try {
          return (await read()).pipeline
        } catch (error) {
          // A run that is done needs no definition: say that first.
          checkNotDone(past, path, options)
          throw error
        }
      },
      open: () => reopen(path, options, read),
    },
  )
}

/** The kernel that a run goes on with: its own, unless another is named. */
function kernelFor(asked: KernelChoice | undefined, { kernel }: PastRecord): KernelChoice | undefined {
  return (asked === 'auto' ? kernel?.name : undefined) ?? asked ?? kernel?.name
}

/** The definition of a run as it goes on. */
export interface StoredDefinition {
  /** SHA-256 of `pipeline.yaml`. */
  readonly sha256: string
  /** The pipeline that it says. */
  readonly pipeline: Pipeline
}

/** What the stored definition of a run may do. */
export function storedTrust(directory: string, { plugins, allowAbsolutePaths, isDetached }: Trust) {
  return { plugins: plugins ?? !isDetached, allowAbsolutePaths, isDetached, runDirectory: directory }
}

/**
 * Returns a function that reads `pipeline.yaml`; called again, it loads the stages again only if the file has changed.
 */
export function definitionReader(path: string, options: ResumeOptions): () => Promise<StoredDefinition> {
  const { set = [] } = options
  const file = join(path, 'pipeline.yaml')
  const trust = storedTrust(path, options)
  let stored: StoredDefinition | undefined
  return async () => {
    const sha256 = createHash('sha256').update(readDefinitionFile(path)).digest('hex')
    if (stored?.sha256 === sha256) return stored
    // The data is where the run has found it before, wherever it goes on.
    const folders = [...new Set([...readPast(path).folders, process.cwd()])]
    stored = { sha256, pipeline: await Pipeline.load(file, { set, folders, ...trust }) }
    return stored
  }
}

function readDefinitionFile(directory: string): Buffer {
  const name = 'pipeline.yaml'
  const read = (): Buffer => readInside(directory, name, MAX_DEFINITION)
  return attempt('read the definition', join(directory, name), read, 'DEFINITION')
}

/**
 * Claims the directory of a run and finds the checkpoint to go on from. Writes nothing but the lock.
 *
 * @param read returns the definition to go on with
 */
export async function reopen(
  path: string,
  options: ResumeOptions,
  read: () => Promise<StoredDefinition>,
): Promise<RunStart> {
  const { force = false, allowAbsolutePaths } = options
  const known = readPast(path).files.filter((name) => existsSync(join(path, name)))
  const directory = openRunDirectory(path, { allowAbsolutePaths, known })
  try {
    // Read again: until the directory was claimed, another process could change the record.
    const past = readPast(path)
    checkNotDone(past, path, options)
    const { sha256, pipeline } = await read()
    const isTriedAgain = (note: string): boolean => past.undrawn.some((id) => note.startsWith(`${id}: ${LEFT_OUT}`))
    const notes = new Set(past.notes.filter((note) => !isTriedAgain(note)))
    const { checkpoint, differences } = await pastState(path, options, { sha256, pipeline }, past, notes)
    if (!force) checkDefinition(sha256, past, checkpoint, path)
    // To begin anew what is done would cost all of its training.
    if (past.status === 'done' && !checkpoint && !asksForChange(options))
      throw new PipelineError(
        'ARGUMENTS',
        `the run in ${shortPath(path)} is done; ${listed(past.undrawn, 'and')} failed, and there is no checkpoint to try again from`,
      )
    checkDifferences(differences, keepsState(checkpoint), force)
    return {
      pipeline,
      directory,
      resumed: {
        checkpoint,
        notes: [...notes],
        maker: makerOf(past),
        metrics: past.metrics,
        git: past.git,
        checkSource: sourceCheck([...past.data, ...(checkpoint?.data ?? [])], checkpoint?.isAllRead === true, force),
        changes: checkpoint ? [...(checkpoint.changes ?? []), ...changesFrom(differences, checkpoint.step)] : [],
        lastStep: hasAll(past) ? (past.step ?? checkpoint?.step) : undefined,
        abandoned: abandonedFiles(past, checkpoint),
      },
    }
  } catch (error) {
    directory.release()
    throw refusalOf(asPipelineError(error))
  }
}

/** Whether another result is asked for. That of a run does not depend on its memory. */
function asksForChange({ set = [] }: ResumeOptions): boolean {
  return set.some((each) => !each.startsWith('memory='))
}

function checkNotDone(past: PastRecord, path: string, options: ResumeOptions): void {
  if (hasAll(past) && !asksForChange(options))
    throw new PipelineError(
      'ARGUMENTS',
      `the run in ${shortPath(path)} is done; change something to make it longer, such as --set epochs=80`,
    )
}

/** The checkpoint that a run goes on from, and what is different since then. */
interface PastState {
  readonly checkpoint: Checkpoint | undefined
  readonly differences: readonly OptionDifference[]
}

/**
 * Returns the newest checkpoint that the run can go on from. That at the end of training is only for a run whose further
 * steps are made in another way. All others go on from before the last step, so that the stages behind the training see
 * that step as a longer run would. The checkpoints of version 0.1.0 say less, so the one at the end is better than none.
 */
async function pastState(
  path: string,
  options: ResumeOptions,
  { sha256, pipeline }: StoredDefinition,
  past: PastRecord,
  notes: Set<string>,
): Promise<PastState> {
  let atEnd: PastState | undefined
  let original: Promise<Configuration | undefined> | undefined
  for (const checkpoint of soundCheckpoints(path, (message) => notes.add(message))) {
    const { configuration } = checkpoint
    const isKnown = [past.definition, checkpoint.definition].includes(sha256)
    original ??= isKnown && !configuration ? originalConfiguration(path, options) : undefined
    const before = configuration ?? (await original)
    const differences = before ? differencesBetween(before, pipeline) : []
    const found = { checkpoint, differences }
    if (!checkpoint.isLast || differences.some(({ counts }) => counts !== 'whole')) return found
    if (!configuration && !(before && differences.length === 0)) atEnd ??= found
  }
  if (atEnd) return atEnd
  // The run begins anew, over its old files: it must be asked for what it was.
  const before = await originalConfiguration(path, options)
  return { checkpoint: undefined, differences: before ? differencesBetween(before, pipeline) : [] }
}

/** The configuration of the run without the changes that are asked for now; undefined if it cannot be loaded. */
async function originalConfiguration(path: string, options: ResumeOptions): Promise<Configuration | undefined> {
  try {
    return configurationOf((await definitionReader(path, { ...options, set: [] })()).pipeline)
  } catch {
    return undefined
  }
}

/** Returns a function that says if a checkpoint has states or rows of a stage. */
function keepsState(checkpoint: Checkpoint | undefined): (stage: string) => boolean {
  return (stage) =>
    checkpoint !== undefined && [stage, rowsKey(stage)].some((key) => Object.hasOwn(checkpoint.states, key))
}

/** The output files from after the checkpoint. A checkpoint of version 0.1.0 does not tell. */
function abandonedFiles({ files }: PastRecord, checkpoint: Checkpoint | undefined): string[] {
  if (!checkpoint) return files
  const { files: kept } = checkpoint
  return kept ? files.filter((file) => !kept.includes(file)) : []
}

function checkDefinition(definition: string, past: PastRecord, checkpoint: Checkpoint | undefined, path: string): void {
  const known = [past.definition, checkpoint?.definition].filter((each) => each !== undefined)
  if (known.length === 0 || known.includes(definition)) return
  throw new PipelineError(
    'DEFINITION',
    `${shortPath(join(path, 'pipeline.yaml'))} was changed since the run was started; put it back, use --set for changes, or --force to go on with it`,
  )
}

function makerOf({ kernel, versions }: PastRecord): string | undefined {
  return kernel && versions && formatMaker({ kernel, versions })
}

/**
 * Returns a function that throws a PipelineError `DATA` if a file is not one that the run had read: neither that of its
 * path in `data`, nor, if `data` is complete, one with the same content elsewhere.
 */
function sourceCheck(data: readonly DataSource[], isComplete: boolean, force: boolean): (source: DataSource) => void {
  const before = new Map(data.map((source) => [source.path, source]))
  const contents = new Set(data.map(({ sha256 }) => sha256))
  return ({ path, bytes, sha256 }) => {
    const known = before.get(path)
    if (force || known?.sha256 === sha256 || (!known && (!isComplete || contents.has(sha256)))) return
    const problem = known
      ? `${path} was changed since the run was started: it had ${known.bytes} bytes with the SHA-256 ${known.sha256}, now ${bytes} with ${sha256}; put it back`
      : `${path} is no file that the run has read (${bytes} bytes with the SHA-256 ${sha256}); give it the data that it was started with`
    throw new PipelineError('DATA', `${problem}, or --force to go on with it`)
  }
}

function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}

import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { isAbsolute, join, parse, resolve } from 'node:path'
import { z } from 'zod'
import { kernelNames } from '../../kernels/contract.js'
import { type DataSource, dataSource } from '../base/data-source.js'
import { fileProblem, PipelineError } from '../base/errors.js'
import { shortPath } from '../base/words.js'
import type { Trust } from '../definition/trust.js'
import { type Checkpoint, newestCheckpoint, pruneCheckpoints } from '../directory/checkpoint.js'
import { openRunDirectory } from '../directory/run-directory.js'
import { readRegularFile } from '../files/regular-file.js'
import { Pipeline } from '../graph/pipeline.js'
import { storedMetricInfos } from '../wires/metric-info.js'
import type { Run, RunSettings } from './contract.js'
import type { RunStart } from './execution.js'
import { formatMaker } from './record.js'
import { startWith } from './run.js'

/**
 * How a run is resumed. By default a run goes on with the stage files it had, wherever they lie; give `plugins: false`
 * for a run directory that you do not trust.
 */
export interface ResumeOptions extends RunSettings, Trust {
  /** Changes to the definition, as `--set` takes them: `epochs=80` makes a finished run longer. */
  readonly set?: readonly string[] | undefined
  /** Goes on even if the definition or the data are not those of the run. */
  readonly force?: boolean | undefined
}

/** The largest `run.json` and `pipeline.yaml` that are read, in bytes. A run writes far smaller ones. */
const MAX_TEXT = 64 << 20

/** The part of `run.json` that resuming needs. Damaged entries count as missing. */
const pastRecord = z.object({
  status: z.string().catch('running'),
  kernel: z
    .object({ name: z.enum(kernelNames), detail: z.string() })
    .optional()
    .catch(undefined),
  versions: z.object({ millrace: z.string() }).optional().catch(undefined),
  definition: z.string().optional().catch(undefined),
  folders: z.array(z.string().refine(isAbsolute)).catch([]),
  data: z.array(dataSource).catch([]),
  notes: z.array(z.string()).catch([]),
  files: z.array(z.string()).catch([]),
  metrics: storedMetricInfos.catch({}),
})

type PastRecord = z.output<typeof pastRecord>

/**
 * Goes on with a run that was interrupted or killed, from its last sound checkpoint. The result has the same bytes as
 * without the interruption. Without a checkpoint the run begins anew. A finished run can be made longer.
 *
 * Rejects with code `ARGUMENTS` if there is nothing to go on with, and `DEFINITION` or `DATA` if definition or data are
 * not those of the run.
 */
export function resume(directory: string, options: ResumeOptions = {}): Run {
  const path = resolve(directory)
  const past = readPast(path)
  const read = definitionReader(path, options)
  return startWith(
    { kernel: past.kernel?.name, ...withoutUndefined(options) },
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

/** True if a run is done: it can only be made longer. Throws a PipelineError `ARGUMENTS` if it is no run directory. */
export function isDone(directory: string): boolean {
  return readPast(resolve(directory)).status === 'done'
}

/** The definition of a run as it goes on. */
interface StoredDefinition {
  /** SHA-256 of `pipeline.yaml`. */
  readonly sha256: string
  readonly pipeline: Pipeline
}

/**
 * Returns a function that reads `pipeline.yaml`; called again, it loads the stages again only if the file has changed.
 */
function definitionReader(
  path: string,
  { set = [], plugins, allowAbsolutePaths }: ResumeOptions,
): () => Promise<StoredDefinition> {
  const file = join(path, 'pipeline.yaml')
  const trust = { plugins: plugins ?? parse(path).root, allowAbsolutePaths }
  let stored: StoredDefinition | undefined
  return async () => {
    const sha256 = createHash('sha256').update(readDefinitionFile(file)).digest('hex')
    // The data is where the run has found it before, wherever it goes on.
    const folders = [...new Set([...readPast(path).folders, process.cwd()])]
    if (stored?.sha256 !== sha256) stored = { sha256, pipeline: await Pipeline.load(file, { set, folders, ...trust }) }
    return stored
  }
}

function readDefinitionFile(file: string): Buffer {
  try {
    return readRegularFile(file, MAX_TEXT)
  } catch (error) {
    throw new PipelineError('DEFINITION', fileProblem('read the definition', shortPath(file), error), { cause: error })
  }
}

/** Claims the directory of a run and finds the checkpoint to go on from. */
async function reopen(path: string, options: ResumeOptions, read: () => Promise<StoredDefinition>): Promise<RunStart> {
  const { set = [], force = false, allowAbsolutePaths } = options
  const known = readPast(path).files.filter((name) => existsSync(join(path, name)))
  const directory = openRunDirectory(path, allowAbsolutePaths, known)
  try {
    // Read again: until the directory was claimed, another process could change the record.
    const past = readPast(path)
    checkNotDone(past, path, options)
    const { sha256, pipeline } = await read()
    const notes = [...past.notes]
    const checkpoint = newestCheckpoint(path, (message) => notes.push(message), isUsable(sha256, set))
    if (!force) checkDefinition(sha256, past, checkpoint, path)
    pruneCheckpoints(path, Number.POSITIVE_INFINITY)
    return {
      pipeline,
      directory,
      resumed: {
        checkpoint,
        notes,
        maker: makerOf(past),
        metrics: past.metrics,
        checkSource: sourceCheck([...past.data, ...(checkpoint?.data ?? [])], force),
      },
    }
  } catch (error) {
    directory.release()
    throw error
  }
}

function checkNotDone({ status }: PastRecord, path: string, { set = [] }: ResumeOptions): void {
  if (status === 'done' && set.length === 0)
    throw new PipelineError(
      'ARGUMENTS',
      `the run in ${shortPath(path)} is done; change something to make it longer, such as --set epochs=80`,
    )
}

/**
 * Returns a function that says if a checkpoint can be resumed from. The checkpoint at the end of training cannot,
 * because the stages behind the training would see no step. It can if the definition has changed: there may be more to
 * train then.
 */
function isUsable(definition: string, set: readonly string[]): (checkpoint: Checkpoint) => boolean {
  return (checkpoint) => !checkpoint.isLast || set.length > 0 || checkpoint.definition !== definition
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

/** Returns a function that throws a PipelineError `DATA` if a file is not the one in `data`. */
function sourceCheck(data: readonly DataSource[], force: boolean): (source: DataSource) => void {
  const before = new Map(data.map((source) => [source.path, source]))
  return ({ path, bytes, sha256 }) => {
    const known = before.get(path)
    if (force || !known || known.sha256 === sha256) return
    throw new PipelineError(
      'DATA',
      `${path} was changed since the run was started: it had ${known.bytes} bytes with the SHA-256 ${known.sha256}, now ${bytes} with ${sha256}; put it back, or --force to go on with it`,
    )
  }
}

function readPast(path: string): PastRecord {
  if (!existsSync(join(path, 'pipeline.yaml')))
    throw new PipelineError('ARGUMENTS', `${shortPath(path)} is not the directory of a run: it has no pipeline.yaml`)
  try {
    return pastRecord.parse(JSON.parse(String(readRegularFile(join(path, 'run.json'), MAX_TEXT))))
  } catch {
    // A process that was killed early has written no record.
    return pastRecord.parse({})
  }
}

function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}

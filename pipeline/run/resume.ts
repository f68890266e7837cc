import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join, parse, resolve } from 'node:path'
import { z } from 'zod'
import { kernelNames } from '../../kernels/contract.js'
import { type DataSource, dataSource } from '../base/data-source.js'
import { PipelineError } from '../base/errors.js'
import { shortPath } from '../base/words.js'
import type { Trust } from '../definition/trust.js'
import { type Checkpoint, newestCheckpoint, pruneCheckpoints } from '../directory/checkpoint.js'
import { openRunDirectory } from '../directory/run-directory.js'
import { readRegularFile } from '../files/regular-file.js'
import { Pipeline } from '../graph/pipeline.js'
import { metricInfos } from '../wires/metrics.js'
import type { Run, RunSettings } from './contract.js'
import { formatMaker, type RunStart } from './execution.js'
import { begin } from './run.js'

/**
 * `plugins`: by default a run goes on with the stage files it had, wherever they lie. For a run directory of somebody
 * else: false.
 */
export interface ResumeOptions extends RunSettings, Trust {
  /** Changes to the definition, as `--set` takes them: `epochs=80` makes a finished run longer. */
  readonly set?: readonly string[] | undefined
  /** Goes on although the definition or the data are not those of the run. */
  readonly force?: boolean | undefined
}

/** What is larger was not written by a run. */
const MAX_TEXT = 64 << 20

/** What is read of `run.json`; the rest may be damaged. */
const past = z.object({
  status: z.string().catch('running'),
  kernel: z
    .object({ name: z.enum(kernelNames), detail: z.string() })
    .optional()
    .catch(undefined),
  versions: z.object({ millrace: z.string() }).optional().catch(undefined),
  definition: z.string().optional().catch(undefined),
  data: z.array(dataSource).catch([]),
  notes: z.array(z.string()).catch([]),
  files: z.array(z.string()).catch([]),
  metrics: metricInfos.catch({}),
})

type Past = z.output<typeof past>

/**
 * Goes on with a run that was interrupted or killed, from its last sound checkpoint: what comes out is what would have
 * come out without the interruption, byte by byte. Without a checkpoint it begins anew. A finished run can be made longer.
 *
 * Rejects with code `ARGUMENTS` where there is nothing to go on with, `DEFINITION` or `DATA` where definition or data
 * are not those of the run.
 */
export function resume(directory: string, options: ResumeOptions = {}): Run {
  const path = resolve(directory)
  const record = readPast(path)
  const read = definitionReader(path, options)
  return begin(
    { kernel: record.kernel?.name, ...defined(options) },
    { pipeline: async () => (await read()).pipeline, open: () => reopen(path, options, read) },
  )
}

/** The definition of a run as it will go on, and the SHA-256 of its file. */
interface Stored {
  readonly definition: string
  readonly pipeline: Pipeline
}

/** Reads the definition of a run: once, unless the file has changed when it is asked for again. */
function definitionReader(
  path: string,
  { set = [], plugins, allowAbsolutePaths }: ResumeOptions,
): () => Promise<Stored> {
  const file = join(path, 'pipeline.yaml')
  const trust = { plugins: plugins ?? parse(path).root, allowAbsolutePaths }
  let stored: Stored | undefined
  return async () => {
    const definition = createHash('sha256').update(readRegularFile(file, MAX_TEXT)).digest('hex')
    if (stored?.definition !== definition)
      stored = { definition, pipeline: await Pipeline.load(file, { set, ...trust }) }
    return stored
  }
}

/** True where a run came to its end: it can only be made longer. */
export function isDone(directory: string): boolean {
  return readPast(resolve(directory)).status === 'done'
}

async function reopen(
  path: string,
  { set = [], force = false, allowAbsolutePaths }: ResumeOptions,
  read: () => Promise<Stored>,
): Promise<RunStart> {
  const known = readPast(path).files.filter((name) => existsSync(join(path, name)))
  const directory = openRunDirectory(path, allowAbsolutePaths, known)
  try {
    // Only now can no other process change it.
    const record = readPast(path)
    if (record.status === 'done' && set.length === 0)
      throw new PipelineError(
        'ARGUMENTS',
        `the run in ${shortPath(path)} is done; change something to make it longer, such as --set epochs=80`,
      )
    const { definition, pipeline } = await read()
    const notes = [...record.notes]
    const checkpoint = newestCheckpoint(path, (message) => notes.push(message), isUsable(definition, set))
    if (!force) checkDefinition(definition, record, checkpoint, path)
    pruneCheckpoints(path, Number.POSITIVE_INFINITY)
    return {
      pipeline,
      directory,
      resumed: {
        checkpoint,
        notes,
        maker: makerOf(record),
        metrics: record.metrics,
        checkSource: sourceCheck([...record.data, ...(checkpoint?.data ?? [])], force),
      },
    }
  } catch (error) {
    directory.release()
    throw error
  }
}

/**
 * What training ended with is no place to go on from: what comes after training would see nothing. It is one where the
 * definition has changed meanwhile, so that there is more to train.
 */
function isUsable(definition: string, set: readonly string[]): (checkpoint: Checkpoint) => boolean {
  return (checkpoint) => !checkpoint.isLast || set.length > 0 || checkpoint.definition !== definition
}

function checkDefinition(definition: string, record: Past, checkpoint: Checkpoint | undefined, path: string): void {
  const known = [record.definition, checkpoint?.definition].filter((each) => each !== undefined)
  if (known.length === 0 || known.includes(definition)) return
  throw new PipelineError(
    'DEFINITION',
    `${shortPath(join(path, 'pipeline.yaml'))} was changed since the run was started; put it back, use --set for changes, or --force to go on with it`,
  )
}

function makerOf({ kernel, versions }: Past): string | undefined {
  return kernel && versions && formatMaker({ kernel, versions })
}

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

function readPast(path: string): Past {
  if (!existsSync(join(path, 'pipeline.yaml')))
    throw new PipelineError('ARGUMENTS', `${shortPath(path)} is not the directory of a run: it has no pipeline.yaml`)
  try {
    return past.parse(JSON.parse(String(readRegularFile(join(path, 'run.json'), MAX_TEXT))))
  } catch {
    // A process that is killed early leaves none.
    return past.parse({})
  }
}

function defined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}

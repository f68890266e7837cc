import { createReadStream, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline as piped } from 'node:stream/promises'
import { Pipeline } from '../index.js'
import type { KernelChoice } from '../kernels/index.js'
import { learnerOf } from '../model.js'
import { fileProblem, PipelineError } from '../pipeline/base/errors.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import { listed } from '../pipeline/base/words.js'
import { valueFrom } from '../pipeline/definition/value.js'
import { type GrowingFile, growingFile } from '../pipeline/files/growing-file.js'
import { readStoredModel, storedModelFile } from '../pipeline/formats/model-inputs.js'
import { builtInStages, isFile, resolveStage } from '../pipeline/graph/registry.js'
import type { AnyLearner } from '../pipeline/stage/learner.js'
import type { AnyStage } from '../pipeline/stage/stage.js'
import { type Model, modelOf } from '../pipeline/wires/parameters.js'
import { type Position, positionOf } from '../pipeline/wires/position.js'
import { readRunText } from '../report/index.js'
import { parametersOf } from '../stages/index.js'

/** The options of every command that applies a trained model to data. */
export interface ModelFlags {
  /** The parameters of the run: `last`, `best`, or an Arrow file in its directory. */
  readonly which: string
  /** The load stage. Default: by the ending of the data, or as the run loaded its own. */
  readonly load?: string
  /** Options of the load stage: `delimiter=;`. */
  readonly set: readonly string[]
  /** The folder of the stage file with the learner of the run. */
  readonly plugins?: string | boolean
  /** The kernel to use. */
  readonly kernel?: KernelChoice
  /** Number of threads of the kernel. */
  readonly threads?: number
}

/** A trained model, and the pipeline that reads rows for it: its stages have the ids `data` and `model`. */
export interface AppliedModel {
  /** The load stage, and the stage with the parameters. */
  readonly pipeline: Pipeline
  /** The file of the parameters. */
  readonly file: string
  /** The parameters. */
  readonly model: Model
  /** The learner that made them, as their options make it. */
  readonly learner: AnyLearner
  /** The epoch and the step that the parameters are of. */
  readonly position: Position
  /** Removes temporary files. */
  dispose(): void
}

/** The load stage of files by their ending. `.gz` does not count. */
export const byEnding: Readonly<Record<string, string>> = {
  csv: 'load/csv',
  tsv: 'load/csv',
  txt: 'load/csv',
  data: 'load/csv',
  jsonl: 'load/jsonl',
  ndjson: 'load/jsonl',
  parquet: 'load/parquet',
  arrow: 'load/arrow',
  arrows: 'load/arrow',
  feather: 'load/arrow',
  ipc: 'load/arrow',
  npy: 'load/numpy',
  npz: 'load/numpy',
  arff: 'load/arff',
}

/** What messages call standard input. */
const STDIN = 'standard input'

/** Options that say which rows are read for which split, or what is found in them: a trained model knows better. */
const ofTraining = new Set([
  ...['path', 'files', 'directory', 'train', 'validation', 'test', 'holdOut', 'fractions', 'seed', 'stratify'],
  ...['assign', 'folds', 'fold', 'to'],
  ...['counts', 'last', 'by', 'key', 'group', 'classes', 'shape', 'type', 'weight', 'model'],
  ...['types', 'missing', 'text', 'unseen', 'maxCategories'],
])

/**
 * Makes the pipeline that reads rows for a trained model. Rejects with a PipelineError: `DATA` if there is no such model,
 * `ARGUMENTS` or `DEFINITION` if it is not clear how the data is to be read.
 *
 * @param data files or folders; `-` is standard input
 * @param signal ends the wait for standard input
 */
export async function applyModel(
  run: string,
  data: readonly string[],
  flags: ModelFlags,
  signal: AbortSignal,
): Promise<AppliedModel> {
  const file = storedModelFile(run, flags.which)
  const { table } = readStoredModel(file)
  const model = modelOf(table)
  const learner = await learnerOf(model, run, { plugins: flags.plugins ?? false })
  const own = loadStageOf(run)
  const use = flags.load ?? loaderFor(data, own?.use)
  const stage = await stageNamed(use, flags)
  const kept = own?.use === use ? keptOptions(own.with, stage, model) : {}
  const spooled = await withoutPipe(data, !inOneGo.has(use), signal)
  try {
    const options = { ...kept, ...filesFor(use, stage, spooled.paths), model: file }
    const stages = [{ id: 'data', use, with: escaped(options) }]
    const loading = await Pipeline.load(
      {
        path: resolve('predict'),
        values: new Map([
          ['name', valueFrom('predict', { kind: 'code' })],
          ['stages', valueFrom(stages, { kind: 'code' })],
        ]),
        problems: [],
      },
      { set: flags.set.map((each) => (each.startsWith('data.') ? each : `data.${each}`)) },
    )
    const pipeline = loading.insertAfter('data', {
      id: 'model',
      use: parametersOf('load/parameters', learner),
      with: { path: file },
    }) as Pipeline
    return { pipeline, file, model, learner, position: positionOf(table), dispose: spooled.remove }
  } catch (error) {
    spooled.remove()
    throw inPlainWords(error)
  }
}

/** The load stage; undefined if its file is not loaded yet and may not be, which the check of the pipeline says. */
async function stageNamed(use: string, { plugins }: ModelFlags): Promise<AnyStage | undefined> {
  const builtIn = (await builtInStages()).get(use)
  if (builtIn || !isFile(use) || plugins === false) return builtIn
  return resolveStage(use, process.cwd())
}

/** How a run loaded its data, from its definition, of which no code is run. */
function loadStageOf(
  run: string,
): { readonly use: string; readonly with: Readonly<Record<string, unknown>> } | undefined {
  if (!statSync(run, { throwIfNoEntry: false })?.isDirectory()) return undefined
  const remarks: string[] = []
  const { stages } = readRunText(resolve(run), [], remarks)
  return stages.find(({ use }) => use.startsWith('load/') && use !== 'load/parameters' && use !== 'load/wire')
}

function loaderFor(data: readonly string[], own: string | undefined): string {
  const endings = new Set(data.map((path) => byEnding[endingOf(path)]))
  const found = [...endings].filter((use) => use !== undefined)
  if (found.length > 1)
    throw new PipelineError(
      'ARGUMENTS',
      `the files are of different kinds (${listed(found, 'and')}); give them one by one`,
    )
  // A run that loaded files of this very kind knows best.
  const use = found[0] ?? own
  if (use !== undefined) return use
  throw new PipelineError(
    'ARGUMENTS',
    `it is not clear how ${data[0] ?? 'the data'} is to be read: name the load stage, such as --load load/csv`,
  )
}

/** The ending of a file in small letters, without the dot; `.gz` does not count. */
export function endingOf(path: string): string {
  return /\.([^./\\]+)(\.gz)?$/i.exec(path)?.[1]?.toLowerCase() ?? ''
}

/** Options that choose columns. A model that knows the names of its columns and of its label needs none. */
const ofColumns = ['label', 'drop', 'select']

/** The options of the run's own load stage that say how files are read. */
function keptOptions(
  given: Readonly<Record<string, unknown>>,
  stage: AnyStage | undefined,
  { names, label }: Model,
): Record<string, unknown> {
  const known = optionNames(stage)
  const isNamed = names !== undefined && label !== undefined
  const kept = Object.entries(given).filter(
    ([name]) => !ofTraining.has(name) && known.has(name) && !(isNamed && ofColumns.includes(name)),
  )
  const { weight, group, drop = [], select } = given
  // Weights and groups are no features. Without names, they would be taken for some.
  const others = [weight, typeof group === 'object' ? undefined : group].filter((column) => column !== undefined)
  if (!isNamed && !select && others.length > 0 && known.has('drop') && Array.isArray(drop))
    kept.push(['drop', [...drop, ...others]])
  return Object.fromEntries(kept)
}

function optionNames(stage: AnyStage | undefined): ReadonlySet<string> {
  return new Set(Object.keys((stage?.options as { shape?: object } | undefined)?.shape ?? {}))
}

/** The options of a load stage that name the files. */
function filesFor(use: string, stage: AnyStage | undefined, paths: readonly string[]): Record<string, unknown> {
  const known = optionNames(stage)
  if (stage && !known.has('path') && !known.has('directory')) {
    if (paths.length === 0) return {}
    throw new PipelineError('ARGUMENTS', `${use} reads data of its own; give no files, or another stage with --load`)
  }
  const [first, ...others] = paths
  if (first === undefined)
    throw new PipelineError(
      'ARGUMENTS',
      `expected files with rows for the model, such as new.csv; the files that ${use} read for the run are not taken by themselves`,
    )
  if (stage?.optionsFor) return stage.optionsFor(paths)
  if (known.has('path') || !known.has('directory')) return { path: others.length > 0 ? paths : first }
  return others.length > 0 ? { files: { data: paths } } : { directory: first }
}

/** The load stages that read a file once, from its beginning to its end: they may begin before it is whole. */
const inOneGo = new Set(['load/csv', 'load/jsonl', 'load/arff'])

/**
 * Copies standard input, or a pipe, to a temporary file: load stages read files, some of them twice.
 *
 * @param isAwaited whether the file has to be whole before it is read
 */
async function withoutPipe(
  data: readonly string[],
  isAwaited: boolean,
  signal: AbortSignal,
): Promise<{ paths: readonly string[]; remove: () => void }> {
  const pipe = data.find((path) => path === '-' || isPipe(path))
  if (pipe === undefined) return { paths: data, remove: () => {} }
  if (data.length > 1) throw new PipelineError('ARGUMENTS', `expected nothing beside "${pipe}", which is a pipe`)
  const folder = mkdtempSync(join(tmpdir(), 'millrace-stdin-'))
  const source: Readable = pipe === '-' ? process.stdin : createReadStream(pipe)
  const path = join(folder, STDIN)
  const growing = growingFile(path)
  const remove = (): void => {
    process.off('exit', remove)
    source.destroy()
    growing.removed()
    rmSync(folder, { recursive: true, force: true })
  }
  process.on('exit', remove)
  writeFileSync(path, '', { flag: 'wx', mode: 0o600 })
  const copying = piped(source, appended(path, growing), { signal }).then(
    () => growing.end(),
    (error: unknown) => {
      const failure = signal.aborted
        ? new PipelineError('ABORTED', 'interrupted', { cause: error })
        : new PipelineError('DATA', fileProblem('read', pipe === '-' ? STDIN : pipe, error), { cause: error })
      growing.end(failure)
      if (!isAwaited) return
      remove()
      throw failure
    },
  )
  if (isAwaited) await copying
  return { paths: [path], remove }
}

/** Appends what it gets to a file, and tells how it grows. */
function appended(path: string, growing: GrowingFile) {
  return async (chunks: AsyncIterable<Buffer>): Promise<void> => {
    const file = await open(path, 'a')
    try {
      for await (const chunk of chunks) {
        await file.writeFile(chunk)
        growing.grew(chunk.length)
      }
    } finally {
      await file.close()
    }
  }
}

function isPipe(path: string): boolean {
  const status = statSync(path, { throwIfNoEntry: false })
  return status !== undefined && (status.isFIFO() || status.isSocket())
}

/** Options in which no text is taken for a reference to a var. */
export function escaped<T>(value: T): T {
  return withoutVars(value) as T
}

function withoutVars(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('${', () => '$${')
  if (Array.isArray(value)) return value.map(withoutVars)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutVars(inner)]))
}

/** A message that names standard input, and not the temporary file that holds it. */
function withoutFolder(message: string): string {
  return message.replace(/\/\S*\/millrace-stdin-\w+\/(?=standard input)/g, '')
}

/** A note of such a pipeline, as a line. */
export function noteLine({ stage, message }: { readonly stage: string; readonly message: string }): string {
  return `note: ${stage}: ${oneLine(withoutFolder(message))}\n`
}

/**
 * Returns an error of such a pipeline in the words of the command: the user has written no stage, only files and options.
 */
export function inPlainWords(error: unknown): unknown {
  if (!(error instanceof PipelineError)) return error
  const problems = error.problems.map(({ where, message }) => {
    const set = where?.startsWith('--set ') ? where.replace('--set data.', '--set ') : undefined
    return {
      ...(set !== undefined && { where: set }),
      message: withoutFolder(message).replace(/^stages\[\d+\] (evaluate\/labelled: )?/, ''),
    }
  })
  return new PipelineError(error.code, problems, { cause: error })
}

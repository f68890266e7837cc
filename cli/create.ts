// Gives the built-in stages to the registry.
import '../index.js'
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { parse } from 'yaml'
import { Pipeline } from '../index.js'
import { PipelineError } from '../pipeline/base/errors.js'
import { packagePath } from '../pipeline/base/package.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import { slugOf } from '../pipeline/base/slug.js'
import { counted, shortPath } from '../pipeline/base/words.js'
import { decideTrust } from '../pipeline/definition/trust.js'
import { escaped } from './applied-model.js'
import { FEW_ROWS } from './create/array-files.js'
import { commentedPipeline } from './create/commented.js'
import { bufferSize, largeRemarks, memoryForRows, withCache } from './create/large.js'
import { type Found, lookAt } from './create/look.js'
import { type Options, wired } from './create/wiring.js'
import { interruption, type Output } from './terminal.js'
import { writeOut } from './written-file.js'

/** The flags of `millrace create`. */
export interface CreateFlags {
  /** A file or a folder with data to look at. */
  readonly from?: string
  /** The file to write; by default the pipeline is printed. */
  readonly out?: string
  /** Replaces the file of `out`. */
  readonly force?: boolean
  /** The most memory for rows. */
  readonly memory?: string
  /** Prints the pipeline and what was found as JSON. */
  readonly json?: boolean
  /** False after `--no-plugins`. */
  readonly plugins?: boolean
}

/** The stages of a pipeline for data, if the user names none. */
const usual = [
  'normalize/standardize',
  'batch/rows',
  'shuffle/rows',
  'gradient-step/softmax',
  'evaluate/classification',
  'sink/terminal',
  'sink/csv',
  'sink/curves',
  'sink/confusion',
  'sink/parameters',
]

/** `millrace create`: prints or writes a commented pipeline of stages, or one for data. */
export async function createCommand(names: string | undefined, flags: CreateFlags, output: Output): Promise<void> {
  const { from, out } = flags
  if (names === undefined && from === undefined)
    throw new PipelineError(
      'ARGUMENTS',
      'expected stages (load/digits,gradient-step/softmax,sink/csv), or --from FILE; millrace stages lists the stages',
    )
  const memory = memoryForRows(flags.memory, from)
  const found = from === undefined ? undefined : await lookedAt(from, out, output)
  const named = usesOf(names, found)
  const uses =
    memory !== undefined
      ? withCache(named).map((use) => (names === undefined && use === 'shuffle/rows' ? 'shuffle/buffer' : use))
      : named
  const remarks = [...(found?.remarks ?? []), ...(memory === undefined ? [] : largeRemarks(uses))]
  const size = memory === undefined ? undefined : bufferSize(memory, found?.features ?? 100)
  const given = {
    ...(found && { [found.use]: found.options, ...settingsFor(found) }),
    ...(size !== undefined && { 'shuffle/buffer': { size } }),
  }
  const { plugins } = decideTrust({ plugins: flags.plugins })
  const entries = await wired(uses, given, plugins === false ? { plugins } : undefined)
  const name = nameFor(out, from)
  const head = {
    name,
    schema: schemaFor(out),
    memory,
    remarks: [
      found ? `A pipeline for ${found.summary}.` : `A pipeline of ${uses.join(', ')}.`,
      ...remarks,
      `Run it with: millrace run ${out ?? 'FILE'}`,
    ],
  }
  const notes = Object.fromEntries(
    Object.entries(found?.notes ?? {}).map(([option, note]) => [`${found?.use}.${option}`, note]),
  )
  const text = commentedPipeline(head, entries, notes)
  const problems = await problemsOf(text)
  if (out !== undefined) writeOut(out, text, { force: flags.force })
  if (flags.json)
    output.write(
      `${JSON.stringify({ pipeline: text, stages: entries.map(({ use, id }) => ({ use, id })), problems, ...(found && { found: found.found }) })}\n`,
    )
  else if (out === undefined) output.write(text)
  else
    output.write(
      `${[`${shortPath(out)}: ${counted(entries.length, 'stage')}${found ? ` for ${found.summary}` : ''}`, ...remarks, `millrace run ${shortPath(out)} runs it`].map(oneLine).join('\n')}\n`,
    )
  for (const problem of problems) output.warn(`note: ${oneLine(problem)}\n`)
}

async function lookedAt(from: string, out: string | undefined, output: Output): Promise<Found> {
  const folder = out === undefined ? process.cwd() : dirname(resolve(out))
  // Relative paths are looked for in the current folder first.
  const here = folder === process.cwd() ? '' : '${here}/'
  const named = (path: string): string => {
    if (isAbsolute(path)) return escaped(path)
    const below = escaped(relative(folder, resolve(path)).replaceAll('\\', '/'))
    return below === '' ? '${here}' : `${here}${below}`
  }
  const stop = interruption(output)
  try {
    return await lookAt(from, named, stop.signal)
  } finally {
    stop.release()
  }
}

function usesOf(names: string | undefined, found: Found | undefined): string[] {
  const isSmall = found !== undefined && found.rows < FEW_ROWS
  const named =
    names?.split(',').map((name) => name.trim()) ?? usual.filter((use) => !isSmall || use !== 'sink/confusion')
  if (named.some((name) => name === ''))
    throw new PipelineError('ARGUMENTS', `expected names of stages with commas between them, got ${show(names)}`)
  const load = named.find((name) => name.startsWith('load/'))
  if (!found || load === found.use) return named
  if (load !== undefined)
    throw new PipelineError('ARGUMENTS', `--from reads this data with ${found.use}, not ${load}; leave ${load} out`)
  return [found.use, ...named]
}

/** Settings of the training for data of this size: some 50 steps an epoch, as far as batches of 8 to 100 rows give them. */
function settingsFor({ rows, isUnbalanced = false }: Found): Readonly<Record<string, Options>> {
  const size = Math.min(100, Math.max(8, Math.round((0.7 * rows) / 50)))
  const epochs = Math.min(100, Math.max(10, Math.round((3000 * size) / (0.7 * rows))))
  return {
    'batch/rows': { size, epochs },
    'gradient-step/softmax': { eta: 0.05 },
    ...(isUnbalanced && { 'evaluate/classification': { metrics: ['balanced_accuracy', 'majority_accuracy'] } }),
  }
}

function nameFor(out: string | undefined, from: string | undefined): string {
  const file = out ?? from ?? 'pipeline'
  return slugOf(
    basename(file).replace(
      /(\.(ya?ml|csv|tsv|txt|data|jsonl|ndjson|parquet|arrows?|feather|ipc|arff|np[yz]|gz))+$/i,
      '',
    ) || 'pipeline',
  )
}

/** The path of the JSON Schema from the folder of a file, if it lies below the current folder, so that it is there for others. */
function schemaFor(out: string | undefined): string | undefined {
  const schema = join(packagePath('configs'), 'pipeline.schema.json')
  if (out === undefined || relative(process.cwd(), schema).startsWith('..')) return undefined
  const path = relative(dirname(resolve(out)), schema).replaceAll('\\', '/')
  return path.startsWith('.') ? path : `./${path}`
}

/** What is wrong with a new pipeline: the stages may not fit together. */
async function problemsOf(text: string): Promise<string[]> {
  try {
    // The parser's check for duplicate keys takes quadratic time.
    await Pipeline.define(parse(text, { uniqueKeys: false }))
    return []
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error
    return error.problems.map(({ message }) => message)
  }
}

function show(value: unknown): string {
  return JSON.stringify(value)
}

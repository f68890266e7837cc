// Gives the built-in stages to the registry.
import '../index.js'
import { statSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { parse } from 'yaml'
import { Pipeline } from '../index.js'
import { PipelineError } from '../pipeline/base/errors.js'
import { packagePath } from '../pipeline/base/package.js'
import { slugOf } from '../pipeline/base/slug.js'
import { shortPath } from '../pipeline/base/words.js'
import { optionSchema } from '../pipeline/definition/option-schema.js'
import { decideTrust } from '../pipeline/definition/trust.js'
import { builtInStages } from '../pipeline/graph/registry.js'
import { byEnding, endingOf } from './applied-model.js'
import { commentedPipeline } from './create/commented.js'
import { type FoundTable, lookAtTable } from './create/table-file.js'
import { type TableOptions, tableOptions } from './create/table-options.js'
import { type Options, wired } from './create/wiring.js'
import type { Output } from './terminal.js'
import { writeOut } from './written-file.js'

/** The flags of `millrace create`. */
export interface CreateFlags {
  /** A data file to look at. */
  readonly from?: string
  /** The file to write; by default the pipeline is printed. */
  readonly out?: string
  /** Replaces the file of `out`. */
  readonly force?: boolean
  /** Prints the pipeline and what was found as JSON. */
  readonly json?: boolean
  /** False after `--no-plugins`. */
  readonly plugins?: boolean
}

/** The stages of a pipeline for a table, if the user names none. */
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

/** `millrace create`: prints or writes a commented pipeline of stages, or one for a data file. */
export async function createCommand(names: string | undefined, flags: CreateFlags, output: Output): Promise<void> {
  const { from, out } = flags
  if (names === undefined && from === undefined)
    throw new PipelineError(
      'ARGUMENTS',
      'expected stages (load/digits,gradient-step/softmax,sink/csv), or --from FILE; millrace stages lists the stages',
    )
  const found = from === undefined ? undefined : await lookAt(from, out)
  const uses = usesOf(names, found?.table)
  const given = { ...(found && { 'load/csv': found.options, ...settingsFor(found.table) }) }
  const { plugins } = decideTrust({ plugins: flags.plugins })
  const entries = await wired(uses, given, plugins === false ? { plugins } : undefined)
  const name = nameFor(out, from)
  const summary = found && summaryOf(from!, found)
  const head = {
    name,
    schema: schemaFor(out),
    remarks: [
      found ? `A pipeline for ${summary}.` : `A pipeline of ${uses.join(', ')}.`,
      ...(found?.remarks ?? []),
      `Run it with: millrace run ${out ?? 'FILE'}`,
    ],
  }
  const notes = Object.fromEntries(
    Object.entries(found?.notes ?? {}).map(([option, note]) => [`load/csv.${option}`, note]),
  )
  const text = commentedPipeline(head, entries, notes)
  const problems = await problemsOf(text)
  if (out !== undefined) writeOut(out, text, { force: flags.force })
  if (flags.json)
    output.write(
      `${JSON.stringify({ pipeline: text, stages: entries.map(({ use, id }) => ({ use, id })), problems, ...(found && { found: found.table }) })}\n`,
    )
  else if (out === undefined) output.write(text)
  else
    output.write(
      `${[`${shortPath(out)}: ${entries.length} stages${found ? ` for ${summary}` : ''}`, ...(found?.remarks ?? []), `millrace run ${shortPath(out)} runs it`].join('\n')}\n`,
    )
  for (const problem of problems) output.warn(`note: ${problem}\n`)
}

type Found = TableOptions & { readonly table: FoundTable }

function summaryOf(from: string, { table, options, classes }: Found): string {
  const rows = `${table.isWhole ? '' : 'at least '}${table.rows} ${table.rows === 1 ? 'row' : 'rows'}`
  return `${basename(from)}: ${rows} of ${table.columns.length} columns, label ${show(options.label)} (${classes} ${classes === 1 ? 'value' : 'values'})`
}

async function lookAt(from: string, out: string | undefined): Promise<Found> {
  refuseOthers(from)
  const { properties = {} } = optionSchema((await builtInStages()).get('load/csv')!.options)
  const texts = (properties.missingTexts?.default ?? ['', '?', 'NA', 'NaN', 'nan', 'null', 'NULL']) as readonly string[]
  const table = await lookAtTable(from, new Set(texts))
  const folder = out === undefined ? process.cwd() : dirname(resolve(out))
  const path = isAbsolute(from) ? from : relative(folder, resolve(from)).replaceAll('\\', '/')
  const found = tableOptions(path, table, (option) => Object.hasOwn(properties, option))
  if (!isSmall(table)) return { ...found, table }
  const remark = 'With so few rows, all of them train and nothing is left for a test.'
  return {
    ...found,
    options: { ...found.options, fractions: { train: 1 } },
    remarks: [...found.remarks, remark],
    table,
  }
}

/** Throws a PipelineError `ARGUMENTS` if the data is plainly of another kind than CSV. */
function refuseOthers(from: string): void {
  const isFolder = statSync(from, { throwIfNoEntry: false })?.isDirectory()
  const use = isFolder ? 'load/images' : byEnding[endingOf(from)]
  if (use === undefined || use === 'load/csv') return
  const what = isFolder ? 'a directory; if it has a folder of images per class' : `read by ${use}`
  throw new PipelineError(
    'ARGUMENTS',
    `--from is for CSV files, and ${shortPath(from)} is ${what}: millrace create ${use},${usual.slice(0, 4).join(',')},sink/terminal,sink/parameters makes a pipeline; set ${use === 'load/numpy' ? 'files' : 'path'} in it`,
  )
}

function usesOf(names: string | undefined, table: FoundTable | undefined): string[] {
  const named =
    names?.split(',').map((name) => name.trim()) ?? usual.filter((use) => !isSmall(table) || use !== 'sink/confusion')
  if (named.some((name) => name === ''))
    throw new PipelineError('ARGUMENTS', `expected names of stages with commas between them, got ${show(names)}`)
  const load = named.find((name) => name.startsWith('load/'))
  if (!table || load === 'load/csv') return named
  if (load !== undefined) throw new PipelineError('ARGUMENTS', `--from is for load/csv, not ${load}; leave ${load} out`)
  return ['load/csv', ...named]
}

/** Whether a table has too few rows to keep some of them for a test. */
function isSmall(table: FoundTable | undefined): boolean {
  return table !== undefined && table.rows < 20
}

/** Settings of the training for a table of this size: some 50 steps an epoch, as far as batches of 8 to 100 rows give them. */
function settingsFor({ rows }: FoundTable): Readonly<Record<string, Options>> {
  const size = Math.min(100, Math.max(8, Math.round((0.7 * rows) / 50)))
  const epochs = Math.min(100, Math.max(10, Math.round((3000 * size) / (0.7 * rows))))
  return { 'batch/rows': { size, epochs }, 'gradient-step/softmax': { eta: 0.05 } }
}

function nameFor(out: string | undefined, from: string | undefined): string {
  const file = out ?? from ?? 'pipeline'
  return slugOf(basename(file).replace(/(\.(ya?ml|csv|tsv|txt|data|gz))+$/i, '') || 'pipeline')
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
    await Pipeline.define(parse(text))
    return []
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error
    return error.problems.map(({ message }) => message)
  }
}

function show(value: unknown): string {
  return JSON.stringify(value)
}

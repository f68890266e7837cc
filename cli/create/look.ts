import { basename, resolve } from 'node:path'
import { widthOf } from '../../kernels/network-shape.js'
import { PipelineError } from '../../pipeline/base/errors.js'
import { counted, shortPath } from '../../pipeline/base/words.js'
import { optionSchema } from '../../pipeline/definition/option-schema.js'
import { builtInStages } from '../../pipeline/graph/registry.js'
import { type DataSummary, formatSummary } from '../../pipeline/run/data-summary.js'
import { byEnding, endingOf, escaped } from '../applied-model.js'
import { type ArrayFiles, arrayFiles, FEW_ROWS } from './array-files.js'
import { firstRows, hasColumns, summaryOf } from './loaded.js'
import { type FoundTable, foundColumns, lookAtTable } from './table-file.js'
import { tableOptions } from './table-options.js'
import type { Options } from './wiring.js'

/** What a look at data found: how it is loaded. */
export interface Found {
  /** The load stage. */
  readonly use: string
  /** Its options. */
  readonly options: Options
  /** What was found out about each option. */
  readonly notes: Readonly<Record<string, string>>
  /** What the user should look at. */
  readonly remarks: readonly string[]
  /** The data in a few words. */
  readonly summary: string
  /** The number of rows; of a large file, about as many as it seems to have. */
  readonly rows: number
  /** True if most rows are of one class. */
  readonly isUnbalanced?: boolean
  /** Numbers of a row, as far as they are known. */
  readonly features: number
  /** What was found, for programs. */
  readonly found: FoundTable | DataSummary
}

/** More features than this are many for a first model: images are made smaller. */
const MOST_FEATURES = 3 * 64 * 64

/** The shape to which images are resized. */
const SMALL = [3, 32, 32]

/**
 * Looks at a file or a folder with data. Rejects with a PipelineError: `DATA` if it cannot be read, `ARGUMENTS` if it is not
 * clear how.
 *
 * @param named the path of a file as the pipeline names it, in which nothing else is taken for a var
 */
export async function lookAt(from: string, named: (path: string) => string, signal: AbortSignal): Promise<Found> {
  const arrays = await arrayFiles(from)
  if (arrays) return lookAtArrays(from, arrays, named, signal)
  return lookAtColumns(from, byEnding[endingOf(from)] ?? 'load/csv', named, signal)
}

async function lookAtColumns(
  from: string,
  use: string,
  named: (path: string) => string,
  signal: AbortSignal,
): Promise<Found> {
  const { properties = {} } = optionSchema((await builtInStages()).get(use)!.options)
  const missing = new Set((properties.missingTexts?.default ?? ['']) as readonly string[])
  const rows = hasColumns(use) ? await firstRows(use, from, signal) : undefined
  if (rows?.labelOfWhole !== undefined) return lookAtWhole(from, use, rows.labelOfWhole, named, signal)
  if (rows?.records.length === 0) throw new PipelineError('DATA', `${shortPath(from)} has no rows`)
  const table: FoundTable = rows
    ? {
        ...{ delimiter: ',', skip: 0, skipped: undefined, header: true, decimal: '.', encoding: undefined },
        columns: foundColumns(rows.names, rows.records[0]!.length, rows.records, missing, '.'),
        rows: rows.records.length,
        isWhole: rows.isAll,
        share: 1,
      }
    : await lookAtTable(from, missing)
  const found = tableOptions(from, table, (option) => Object.hasOwn(properties, option))
  const isSmall = table.rows < FEW_ROWS
  const { notes, remarks, classes, isUnbalanced } = found
  const options = { ...escaped(found.options), path: named(from) }
  const count = `${table.isWhole ? '' : 'at least '}${counted(table.rows, 'row')}`
  return {
    use,
    options: isSmall ? { ...options, fractions: { train: 1 } } : options,
    notes,
    remarks: isSmall ? [...remarks, 'With so few rows, all of them train and nothing is left for a test.'] : remarks,
    summary: `${basename(from)}: ${count} of ${counted(table.columns.length, 'column')}, label ${JSON.stringify(found.options.label)} (${counted(classes, 'value')})`,
    rows: Math.round(table.rows / table.share),
    isUnbalanced,
    features: table.columns.length,
    found: table,
  }
}

/** A file in which one column has all features of a row. */
async function lookAtWhole(
  from: string,
  use: string,
  label: string,
  named: (path: string) => string,
  signal: AbortSignal,
): Promise<Found> {
  const options = (name: (path: string) => string) => ({ path: name(from), label })
  const found = await lookAtArrays(from, { use, options, division: () => ({}) }, named, signal)
  return { ...found, options: { ...found.options, label: escaped(label) } }
}

async function lookAtArrays(
  from: string,
  { use, options, division }: ArrayFiles,
  named: (path: string) => string,
  signal: AbortSignal,
): Promise<Found> {
  const given = options((path) => resolve(path))
  const loaded = await resized(use, given, signal)
  const { summary } = loaded
  const rows = summary.splits.reduce((sum, split) => sum + split.rows, 0)
  const divided = division(rows)
  // The splits of the files are not those of the pipeline if it divides them.
  const text = formatSummary(summary, { splits: Object.keys(divided).length === 0 })
  return {
    use,
    options: { ...options(named), ...loaded.options, ...divided },
    notes: loaded.options.shape ? { shape: 'Found: large images, or images of several sizes.' } : {},
    remarks: loaded.options.shape ? [`Images are resized to ${SMALL[1]} × ${SMALL[2]} pixels.`] : [],
    summary: `${basename(resolve(from))}: ${text}`,
    rows,
    features: widthOf(summary.shape),
    found: summary,
  }
}

/** Loads data; of images that are large, or of several sizes, with a small shape. */
async function resized(
  use: string,
  options: Options,
  signal: AbortSignal,
): Promise<{ readonly summary: DataSummary; readonly options: Options }> {
  const small = { shape: SMALL }
  try {
    const summary = await summaryOf(use, options, signal)
    const features = widthOf(summary.shape)
    if (use !== 'load/images' || features <= MOST_FEATURES) return { summary, options: {} }
  } catch (error) {
    if (use !== 'load/images' || signal.aborted) throw error
  }
  return { summary: await summaryOf(use, { ...options, ...small }, signal), options: small }
}

import { fstatSync, readSync } from 'node:fs'
import { Readable } from 'node:stream'
import { constants, createGunzip } from 'node:zlib'
import { parse } from 'csv-parse/sync'
import { messageOf, PipelineError } from '../../pipeline/base/errors.js'
import { shortPath } from '../../pipeline/base/words.js'
import { attempt } from '../../pipeline/files/files.js'
import { withRegularFile } from '../../pipeline/files/regular-file.js'
import { isCountsLine } from '../../stages/load/csv/counts-line.js'

/** The bytes at the start of a file that are looked at, unpacked. */
const SAMPLE = 4 << 20

/** A file that begins like this is packed by gzip. */
const GZIP = [0x1f, 0x8b]

/** The most lines before a table. */
const MOST_SKIPPED = 20

/** A date, such as 2024-05-31, 31.5.2024 or 5/31/2024, with or without a time. */
const DATE = /^(\d{4}([-/.])\d{1,2}\2\d{1,2}|\d{1,2}([-/.])\d{1,2}\3\d{4})([T ]\d{1,2}:\d\d\S*( ?[AP]M)?)?$/i

const DELIMITERS = [',', ';', '\t', '|']

/** A column of a table, as far as it was looked at. */
export interface FoundColumn {
  /** Its place, from 0. */
  readonly index: number
  /** Its name; undefined if the file names no columns. */
  readonly name: string | undefined
  /** True if all cells that have a value are numbers. */
  readonly isNumeric: boolean
  /** True if all of these are whole numbers. */
  readonly isWhole: boolean
  /** True if all are dates, with or without a time. */
  readonly isDate: boolean
  /** How many cells have no value. */
  readonly missing: number
  /** How many different values there are. */
  readonly distinct: number
  /** How many rows have the rarest value. */
  readonly rarest: number
  /** The value that most rows have; the first of several. */
  readonly commonest: string | undefined
  /** How many rows have it. */
  readonly most: number
}

/** What a look at a file with a table found. */
export interface FoundTable {
  /** The character between two cells. */
  readonly delimiter: string
  /** How many lines at the start belong to no table. */
  readonly skip: number
  /** The last of these lines. */
  readonly skipped: string | undefined
  /** Whether the first line of the table names the columns. */
  readonly header: boolean
  /** The character before the fraction of a number. */
  readonly decimal: '.' | ','
  /** The encoding, if it is none that is found by itself. */
  readonly encoding: string | undefined
  /** The columns, in order. */
  readonly columns: readonly FoundColumn[]
  /** The rows that were looked at, without the header. */
  readonly rows: number
  /** True if these are all rows. */
  readonly isWhole: boolean
  /** About which share of the file they are, as far as that is known. */
  readonly share: number
}

/**
 * Looks at the beginning of a file with lines of cells: the delimiter, whether the first line names the columns, and what is in
 * them. Rejects with a PipelineError `DATA` if it has no such lines.
 *
 * @param missing the texts that mean that a cell has no value
 */
export async function lookAtTable(path: string, missing: ReadonlySet<string>): Promise<FoundTable> {
  const { bytes, isWhole, share } = await beginningOf(path)
  const { text, encoding } = decoded(bytes)
  const lines = isWhole ? text : text.slice(0, text.lastIndexOf('\n') + 1)
  const fail = (problem: string): PipelineError => new PipelineError('DATA', `${shortPath(path)} ${problem}`)
  if (lines.trim() === '') throw fail(isWhole ? 'has no rows' : 'has no line that ends in its first 4 MiB')
  if (lines.includes('\0')) throw fail('is no text: it has zero bytes')
  const [best] = DELIMITERS.map((delimiter) => tableIn(lines, delimiter))
    .filter(({ records }) => records.length > 0 && records[0]!.length > 1)
    .sort((a, b) => evenness(b.records) - evenness(a.records))
  if (!best) throw fail('has no columns: no line has a comma, a semicolon, a tab or a bar between cells')
  const { delimiter, records, skip } = best
  const width = records[0]!.length
  const even = records.filter((record) => record.length === width)
  const decimal = delimiter !== ',' && count(even, /^[+-]?\d+,\d+$/) > count(even, /^[+-]?\d+\.\d+$/) ? ',' : '.'
  const isNumber = (cell: string): boolean => numberOf(cell, decimal) !== undefined
  const header = hasHeader(even, isNumber, missing)
  const rows = header ? even.slice(1) : even
  if (rows.length === 0) throw fail('has no rows below its header')
  const columns = foundColumns(header ? even[0] : undefined, width, rows, missing, decimal)
  const skipped = skip === 0 ? undefined : lines.split('\n')[skip - 1]!.trim()
  return { delimiter, skip, skipped, header, decimal, encoding, columns, rows: rows.length, isWhole, share }
}

/** What is in the columns of a table. */
export function foundColumns(
  names: readonly string[] | undefined,
  width: number,
  rows: readonly (readonly string[])[],
  missing: ReadonlySet<string>,
  decimal: string,
): FoundColumn[] {
  return Array.from({ length: width }, (_, index) => {
    const cells = rows.map((row) => row[index]!)
    const values = cells.filter((cell) => !missing.has(cell))
    return {
      index,
      name: names?.[index],
      isNumeric: values.length > 0 && values.every((cell) => numberOf(cell, decimal) !== undefined),
      isWhole: values.every((cell) => Number.isInteger(numberOf(cell, decimal))),
      isDate: values.length > 0 && values.every((cell) => DATE.test(cell)),
      missing: cells.length - values.length,
      ...valuesOf(values),
    }
  })
}

function valuesOf(values: readonly string[]): Pick<FoundColumn, 'distinct' | 'rarest' | 'commonest' | 'most'> {
  const counts = new Map<string, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  const all = [...counts].sort(([, a], [, b]) => b - a)
  const [commonest, most = 0] = all[0] ?? []
  return { distinct: counts.size, rarest: all.at(-1)?.[1] ?? 0, commonest, most }
}

/** The beginning of a file, unpacked, and about which share of the file it is. */
async function beginningOf(path: string): Promise<Pick<FoundTable, 'isWhole' | 'share'> & { readonly bytes: Buffer }> {
  const { raw, size } = attempt('open', shortPath(path), () => withRegularFile(path, beginning), 'DATA')
  if (!GZIP.every((byte, i) => raw[i] === byte))
    return { bytes: raw, isWhole: size <= SAMPLE, share: raw.length / Math.max(1, size) }
  const parts: Buffer[] = []
  let unpacked = 0
  // The beginning of a packed file ends anywhere.
  const gunzip = createGunzip({ finishFlush: constants.Z_SYNC_FLUSH })
  try {
    for await (const part of Readable.from([raw]).pipe(gunzip)) {
      parts.push(part as Buffer)
      unpacked += (part as Buffer).length
      if (unpacked > SAMPLE) break
    }
  } catch (error) {
    throw new PipelineError('DATA', `cannot unpack ${shortPath(path)}: ${messageOf(error)}`, { cause: error })
  }
  const isWhole = size <= SAMPLE && unpacked <= SAMPLE
  return { bytes: Buffer.concat(parts).subarray(0, SAMPLE), isWhole, share: isWhole ? 1 : gunzip.bytesWritten / size }
}

function beginning(file: number): { readonly raw: Buffer; readonly size: number } {
  const { size } = fstatSync(file)
  const buffer = Buffer.alloc(Math.min(size, SAMPLE))
  return { raw: buffer.subarray(0, readSync(file, buffer, 0, buffer.length, 0)), size }
}

function decoded(bytes: Buffer): { readonly text: string; readonly encoding: string | undefined } {
  const marked =
    bytes[0] === 0xff && bytes[1] === 0xfe
      ? 'utf-16le'
      : bytes[0] === 0xfe && bytes[1] === 0xff
        ? 'utf-16be'
        : undefined
  if (marked !== undefined) return { text: new TextDecoder(marked).decode(bytes), encoding: undefined }
  try {
    // The sample may end in the middle of a character.
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true }), encoding: undefined }
  } catch {
    return { text: new TextDecoder('windows-1252').decode(bytes), encoding: 'windows-1252' }
  }
}

const reading = { bom: true, trim: true, relax_column_count: true, skip_empty_lines: true } as const

/** The records of a text; none if they cannot be read with this delimiter. */
function recordsOf(text: string, delimiter: string): string[][] {
  try {
    return parse(text, { delimiter, ...reading })
  } catch {
    return []
  }
}

/** The records of the table in a text, and how many lines stand before it: those whose number of cells is another one. */
function tableIn(text: string, delimiter: string): { delimiter: string; records: string[][]; skip: number } {
  const records = recordsOf(text, delimiter)
  const width = usualWidth(records)
  const first = isCountsLine(records[0] ?? [], records[1]?.length ?? 0)
    ? 1
    : records.findIndex((r) => r.length === width)
  if (first <= 0 || first > MOST_SKIPPED) return { delimiter, records, skip: 0 }
  const before = parse(text, { delimiter, ...reading, info: true, to: first }) as unknown as {
    info: { lines: number }
  }[]
  return { delimiter, records: records.slice(first), skip: before.at(-1)!.info.lines }
}

/** The number of cells that nearly all records have, or else the first. */
function usualWidth(records: readonly string[][]): number | undefined {
  const counts = new Map<number, number>()
  for (const { length } of records) counts.set(length, (counts.get(length) ?? 0) + 1)
  const [[width, times] = [0, 0]] = [...counts].sort(([, a], [, b]) => b - a)
  return width > 1 && times >= 0.9 * (records.length - MOST_SKIPPED) && times > 1 ? width : records[0]?.length
}

/** How well a delimiter divides: the share of records with as many cells as the first, then the number of cells. */
function evenness(records: readonly string[][]): number {
  const width = records[0]!.length
  return records.filter((record) => record.length === width).length / records.length + Math.min(width, 1000) / 1e4
}

function count(records: readonly string[][], pattern: RegExp): number {
  return records.reduce((sum, record) => sum + record.filter((cell) => pattern.test(cell)).length, 0)
}

/** The number that a cell is; undefined if it is none. */
function numberOf(cell: string, decimal: string): number | undefined {
  const text = decimal === ',' ? cell.replace(',', '.') : cell
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined
}

/**
 * Whether the first record names the columns: it has names alone, and stands above numbers, or its names all differ and occur
 * nowhere below.
 */
function hasHeader(
  [first, ...rest]: readonly string[][],
  isNumber: (cell: string) => boolean,
  missing: ReadonlySet<string>,
): boolean {
  const names = first!.filter((cell) => cell !== '')
  if (names.some((cell) => isNumber(cell) || missing.has(cell))) return false
  const isAboveNumbers = first!.some((_, i) => rest.some((row) => isNumber(row[i]!)))
  const areNew = new Set(names).size === names.length && !first!.some((cell, i) => rest.some((row) => row[i] === cell))
  return isAboveNumbers || areNew
}

import { resolve } from 'node:path'
import { Field, Float64, makeData, RecordBatch, Schema, Struct, Table, Utf8, vectorFromArray } from 'apache-arrow'
import { parse as parseCsv } from 'csv-parse/sync'
import { z } from 'zod'
import { fileProblem, PipelineError } from '../pipeline/base/errors.js'
import { shortPath, show } from '../pipeline/base/words.js'
import type { ExpectedCell, Insert } from '../pipeline/definition/tests.js'
import { readRegularFile } from '../pipeline/files/regular-file.js'
import type { Facts } from '../pipeline/stage/facts.js'
import type { WireType } from '../pipeline/stage/port.js'
import { type AnyStage, defineStage } from '../pipeline/stage/stage.js'
import { inClassOrder } from '../pipeline/wires/labels.js'
import { metricsTable } from '../pipeline/wires/metrics.js'
import { batches, examples, type PlainRows } from '../pipeline/wires/plain-rows.js'

/** A row as a test writes it. */
type Written = Readonly<Record<string, ExpectedCell>>

/** More bytes than this are no rows of a test. */
const MAX_BYTES = 16 << 20

/** The columns of a row of examples that are no features. */
const OTHERS = ['label', 'weight', 'row', 'split']

/** Reads the rows of a test from a CSV file (with a header) or a file with a JSON object per line. Throws `DATA`. */
export function readRows(path: string, folder: string): Written[] {
  const file = resolve(folder, path)
  try {
    const text = String(readRegularFile(file, MAX_BYTES))
    if (/\.jsonl$/i.test(path))
      return text.split('\n').flatMap((line) => (line.trim() === '' ? [] : [JSON.parse(line)]))
    return parseCsv(text, { columns: true, bom: true, cast: (cell) => csvValue(cell), skip_empty_lines: true })
  } catch (error) {
    throw new PipelineError('DATA', fileProblem('read the rows in', shortPath(file), error), { cause: error })
  }
}

function csvValue(cell: string): string | number {
  return cell.trim() !== '' && Number.isFinite(Number(cell)) ? Number(cell) : cell
}

/**
 * Returns a stage without inputs that emits rows on a wire of this type. Throws a PipelineError `DATA` if the rows do not
 * fit such a wire.
 */
export function insertedStage(rows: readonly Written[], insert: Insert, type: WireType): AnyStage {
  const { tables, facts } =
    type === 'examples' || type === 'batch'
      ? exampleTables(rows, insert, type)
      : { tables: plainTables(rows, type), facts: type === 'metrics' ? { metrics: Object.keys(rows[0]!) } : {} }
  return defineStage({
    name: 'inserted',
    summary: 'Emits the rows of a test.',
    options: z.strictObject({}),
    inputs: {},
    outputs: { tables: { type } },
    example: '',
    facts: () => ({ tables: facts }),
    run: (_, context) => context.flow.pull(tables),
  }) as AnyStage
}

function wrong(message: string): PipelineError {
  return new PipelineError('DATA', message)
}

function exampleTables(rows: readonly Written[], insert: Insert, type: WireType) {
  const { split: usual = 'train', classes: named, shape: given, size, epochs = 1 } = insert
  const labels = rows.map(({ label }) => (label === undefined || label === null ? undefined : String(label)))
  const classes = named ?? inClassOrder(labels.filter((label) => label !== undefined))
  const names = 'features' in rows[0]! ? undefined : Object.keys(rows[0]!).filter((name) => !OTHERS.includes(name))
  const values = rows.map((row, i) => featuresOf(row, names, i))
  const shape = given ?? [values[0]!.length]
  const plain = (from: number, to: number): PlainRows => {
    const part = rows.slice(from, to)
    const ofAll = (name: string) => part.map((row) => Number(row[name] ?? Number.NaN))
    return {
      values: values.slice(from, to),
      ...(classes.length > 0 && {
        labels: labels.slice(from, to).map((label, i) => indexOf(classes, label, from + i)),
        classes,
      }),
      shape,
      names,
      type: insert.type ?? 'float32',
      split: String(part[0]!.split ?? usual),
      ...('weight' in part[0]! && { weights: ofAll('weight') }),
      ...('row' in part[0]! && { rows: ofAll('row') }),
    }
  }
  try {
    const parts = partsOf(rows.map(({ split }) => String(split ?? usual)))
    const tables = parts.flatMap(([from, to]) =>
      type === 'examples' ? [examples(plain(from, to))] : batches(plain(from, to), { size: size ?? to - from, epochs }),
    )
    const splits = [...new Set(rows.map(({ split }) => String(split ?? usual)))]
    const facts: Facts = {
      splits,
      shape,
      classes: classes.length > 0 ? classes : ['0'],
      ...('weight' in rows[0]! && { weighted: true }),
    }
    return { tables, facts }
  } catch (error) {
    if (error instanceof RangeError) throw wrong(error.message)
    throw error
  }
}

function indexOf(classes: readonly string[], label: string | undefined, row: number): number {
  if (label === undefined) throw wrong(`rows[${row}]: label is required, because other rows have one`)
  const index = classes.indexOf(label)
  if (index < 0) throw wrong(`rows[${row}]: label: expected one of ${classes.join(', ')}, got ${show(label)}`)
  return index
}

/** The runs of rows of one split: from, to. */
function partsOf(splits: readonly string[]): [number, number][] {
  const parts: [number, number][] = []
  for (const [i, split] of splits.entries()) {
    const last = parts.at(-1)
    if (last && splits[last[0]] === split) last[1] = i + 1
    else parts.push([i, i + 1])
  }
  return parts
}

function featuresOf(row: Written, names: readonly string[] | undefined, i: number): number[] {
  if (names && names.length === 0) throw wrong(`rows[${i}]: expected features: [1, 2], or a column for each feature`)
  const given = names ? names.map((name) => row[name]) : [row.features].flat(9)
  const strange = given.find((value) => typeof value !== 'number')
  if (strange !== undefined || given.includes(undefined))
    throw wrong(`rows[${i}]: features: expected numbers, got ${show(strange ?? null)}`)
  return given as number[]
}

/** Tables of numbers and texts: one for each row of metrics, one for all rows of another wire. */
function plainTables(rows: readonly Written[], type: WireType): Table[] {
  if (type === 'parameters')
    throw wrong('rows of parameters come from a file that sink/arrow wrote: rows: model.arrows')
  if (type === 'metrics')
    return rows.map(({ epoch = 1, step = 1, ...metrics }) =>
      metricsTable(
        { epoch: Number(epoch), step: Number(step), epochs: Number(rows.at(-1)!.epoch ?? 1), steps: 1 },
        Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, Number(value)])),
      ),
    )
  const names = Object.keys(rows[0]!)
  const columns = names.map((name) => {
    const cells = rows.map((row) => row[name])
    if (cells.every((cell) => typeof cell === 'number'))
      return {
        field: new Field(name, new Float64(), false),
        data: makeData({ type: new Float64(), data: Float64Array.from(cells as number[]), nullCount: 0 }),
      }
    const texts = vectorFromArray(
      cells.map((cell) => (cell === null || cell === undefined ? null : String(cell))),
      new Utf8(),
    )
    return { field: new Field(name, new Utf8(), true), data: texts.data[0]! }
  })
  const fields = columns.map(({ field }) => field)
  const schema = new Schema(
    fields,
    new Map([
      ['wire', type],
      ['split', 'test'],
    ]),
  )
  const children = columns.map(({ data }) => data)
  return [
    new Table(schema, [
      new RecordBatch(schema, makeData({ type: new Struct(fields), length: rows.length, nullCount: 0, children })),
    ]),
  ]
}

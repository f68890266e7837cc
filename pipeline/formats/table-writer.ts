import { type Data, DataType, type RecordBatch, type Schema, Table } from 'apache-arrow'
import { nonFiniteAsText } from '../base/json.js'
import { ArrowFileBytes, ArrowStreamWriter } from '../wires/arrow-internals.js'
import { csvOf } from './csv-text.js'
import { openParquet, type ParquetRows } from './parquet.js'
import type { TableFormat } from './table-format.js'

/** Writes tables of one schema in one format. */
export interface TableWriter {
  /** Writes the rows of a table. The table must have the schema of the first one. */
  write(table: Table): Promise<void>
  /** Writes what is left. Call it once, as the last; the schema is needed if no table came. */
  finish(schema: Schema): Promise<void>
}

/**
 * Opens a writer of tables whose columns are numbers, texts and truth values. CSV and JSON lines have numbers in the
 * shortest form that reads back to the same value (of the type of the column); in CSV a missing value is an empty cell, in
 * JSON null, and NaN and infinities are texts.
 *
 * @param append takes each piece of the output; it must copy or write it at once
 */
export function tableWriter(format: TableFormat, append: (bytes: Uint8Array) => void): TableWriter {
  if (format === 'parquet') return parquetTables(append)
  if (format === 'arrow' || format === 'arrows') return arrowTables(format, append)
  return textTables(format, append)
}

function parquetTables(append: (bytes: Uint8Array) => void): TableWriter {
  let rows: ParquetRows | undefined
  return {
    async write(table) {
      rows ??= await openParquet(append, table.schema)
      for (const batch of table.batches) for (const _ of rows.add(batch)) await turnOfLoop()
    },
    async finish(schema) {
      rows ??= await openParquet(append, schema)
      rows.finish()
    },
  }
}

function arrowTables(format: 'arrow' | 'arrows', append: (bytes: Uint8Array) => void): TableWriter {
  const writer = format === 'arrow' ? new ArrowFileBytes(append) : new ArrowStreamWriter(append, false)
  let isBegun = false
  return {
    async write({ batches }) {
      for (const batch of batches) writer.write(batch)
      isBegun ||= batches.length > 0
    },
    async finish(schema) {
      if (!isBegun) writer.write(new Table(schema))
      writer.finish()
    },
  }
}

function textTables(format: 'csv' | 'jsonl', append: (bytes: Uint8Array) => void): TableWriter {
  let isBegun = false
  const begin = ({ names }: Schema): void => {
    if (!isBegun && format === 'csv') append(Buffer.from(csvOf([names.map(String)])))
    isBegun = true
  }
  return {
    async write(table) {
      begin(table.schema)
      for (const batch of table.batches)
        for (let row = 0; row < batch.numRows; row += ROWS) {
          append(Buffer.from(textOf(format, batch.slice(row, Math.min(row + ROWS, batch.numRows)))))
          await turnOfLoop()
        }
    },
    async finish(schema) {
      begin(schema)
    },
  }
}

/** Rows that become text at once. */
const ROWS = 1000

function textOf(format: 'csv' | 'jsonl', batch: RecordBatch): string {
  const names = batch.schema.names.map(String)
  const columns = batch.data.children.map((data, i) => cellsOf(data, batch.getChildAt(i)!))
  const rows = Array.from({ length: batch.numRows }, (_, row) => columns.map((cells) => cells[row]))
  if (format === 'csv') return csvOf(rows.map((cells) => cells.map((cell) => cell ?? '').map(cellText)))
  return rows
    .map(
      (cells) => `${JSON.stringify(Object.fromEntries(names.map((name, i) => [name, cells[i]])), nonFiniteAsText)}\n`,
    )
    .join('')
}

type Cell = number | string | boolean | null

function cellText(cell: number | string | boolean): number | string {
  return typeof cell === 'boolean' ? String(cell) : cell
}

function cellsOf({ type }: Data, values: Iterable<unknown>): Cell[] {
  const isSingle = DataType.isFloat(type) && type.precision < 2
  return Array.from(values, (value) => {
    if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
    return isSingle && typeof value === 'number' ? shortest(value) : (value as Cell)
  })
}

/** The double with the fewest digits that rounds to the same float32. */
function shortest(value: number): number {
  if (!Number.isFinite(value)) return value
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return short
  }
  return Number(value.toPrecision(9))
}

/** Lets timers and signals have their turn. */
function turnOfLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

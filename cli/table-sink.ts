import { resolve } from 'node:path'
import type { RecordBatch } from 'apache-arrow'
import { cellsOf, cutToCells, padToCells } from '../pipeline/base/cells.js'
import { PipelineError } from '../pipeline/base/errors.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import { counted } from '../pipeline/base/words.js'
import { ArrowStreamWriter } from '../pipeline/wires/arrow-internals.js'
import { openOutputFile } from './output-file.js'
import type { Output } from './terminal.js'

/** Which table is shown. */
export interface TablePlace {
  /** Its wire. */
  readonly wire: string
  /** Number of tables shown before. */
  readonly index: number
  /** Number of tables left out since the one before. */
  readonly skipped: number
}

/** Takes tables one by one and shows or writes them. */
export interface TableSink {
  /** Shows a table, and waits until the output has taken it. */
  add(batches: readonly RecordBatch[], place: TablePlace): Promise<void>
  /** Tells that all tables were added. */
  end(): void
  /** Removes an unfinished file. */
  close(): void
}

/** Rows of a table that the format `table` shows, and values of a list. */
const MOST = { rows: 10, values: 6 }
/** Columns of the text where the output is no terminal. */
const USUAL_WIDTH = 100
/** The widest cell in the format `table`. */
const WIDEST_CELL = 40

/** Opens the output of `millrace tap`. Throws a PipelineError `ARGUMENTS` if a file must not be replaced, or for binary data on a terminal. */
export function tableSink(
  {
    format,
    out,
    force = false,
  }: { readonly format: 'table' | 'json' | 'arrow'; readonly out?: string; readonly force?: boolean },
  output: Output,
): TableSink {
  if (format === 'arrow' && out === undefined && output.interactive)
    throw new PipelineError('ARGUMENTS', '--format arrow: its bytes are not for a terminal; give a file with --out')
  const file = out === undefined ? undefined : openOutputFile(resolve(out), force)
  const append = (bytes: Uint8Array): void => (file ? file.append(bytes) : output.data(bytes))
  const print = (text: string): void => (file ? file.append(Buffer.from(text)) : output.write(text))
  const writer = format === 'arrow' ? new ArrowStreamWriter(append, false) : undefined
  return {
    add: async (batches, place) => {
      if (writer) for (const batch of batches) writer.write(batch)
      else if (format === 'json') print(`${JSON.stringify({ ...place, rows: rowsOf(batches) })}\n`)
      else print(asText(batches, place, file ? USUAL_WIDTH : (output.width ?? USUAL_WIDTH)))
      if (!file) await output.drained()
    },
    end: () => {
      writer?.finish()
      file?.commit()
    },
    close: () => file?.abandon(),
  }
}

function rowsOf(batches: readonly RecordBatch[], most = Number.POSITIVE_INFINITY): Record<string, unknown>[] {
  const rows: Record<string, unknown>[] = []
  for (const batch of batches)
    for (let i = 0; i < batch.numRows && rows.length < most; i++)
      rows.push(Object.fromEntries(batch.schema.names.map((name, c) => [name, plain(batch.getChildAt(c)!.get(i))])))
  return rows
}

/** A value as JSON has it: lists are arrays, numbers that are not finite are texts. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  if (typeof value === 'object' && value !== null && Symbol.iterator in value)
    return Array.from(value as Iterable<unknown>, plain)
  return value
}

function asText(batches: readonly RecordBatch[], { wire, index, skipped }: TablePlace, width: number): string {
  const count = batches.reduce((sum, { numRows }) => sum + numRows, 0)
  const names = batches[0]?.schema.names.map(String) ?? []
  const shown = rowsOf(batches, MOST.rows).map((row) => names.map((name) => cellText(row[name])))
  const cells = [names.map((name) => oneLine(name)), ...shown]
  const widths = names.map((_, c) => Math.min(WIDEST_CELL, Math.max(...cells.map((row) => cellsOf(row[c]!)))))
  const lines = [
    `${oneLine(wire)}, table ${index + 1}: ${counted(count, 'row')}${skipped > 0 ? `; ${counted(skipped, 'table')} passed meanwhile` : ''}`,
    ...cells.map((row) => `  ${row.map((cell, c) => padToCells(cutToCells(cell, widths[c]!), widths[c]!)).join('  ')}`),
    ...(count > shown.length ? [`  … and ${counted(count - shown.length, 'more row')}`] : []),
  ]
  return lines.map((line) => `${cutToCells(line, width - 1).trimEnd()}\n`).join('')
}

function cellText(value: unknown): string {
  if (Array.isArray(value)) {
    const some = value.slice(0, MOST.values).map(cellText).join(' ')
    return value.length > MOST.values ? `[${some} … ${value.length}]` : `[${some}]`
  }
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : value.toPrecision(4)
  return oneLine(String(value ?? '–'))
}

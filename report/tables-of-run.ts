import { extname, join } from 'node:path'
import type { Table } from 'apache-arrow'
import { readRegularFile } from '../pipeline/files/regular-file.js'
import { tableFromFile } from '../pipeline/formats/ipc.js'
import { modelOf } from '../pipeline/wires/parameters.js'
import { readSheet, readText, type Sheet } from './sheets.js'

/** What is larger was not written by a run. */
const MAX_BYTES = 1 << 30

const readers = new Map<string, (file: string) => Sheet | undefined>([
  ['.csv', (file) => readSheet(file, [])],
  ['.jsonl', sheetOfLines],
  ['.arrows', sheetOfArrow],
  ['.arrow', sheetOfArrow],
])

/** True where `sheetOf` can look into the file. */
export function isTable(name: string): boolean {
  return readers.has(extname(name))
}

/**
 * A table of a run with its cells as text, whatever sink wrote it: a row per line or record, for parameters one per
 * number. A last row that was cut off is left out; undefined where nothing can be read.
 */
export function sheetOf(directory: string, name: string): Sheet | undefined {
  try {
    return readers.get(extname(name))?.(join(directory, name))
  } catch {
    return undefined
  }
}

function sheetOfLines(file: string): Sheet {
  const rows = readText(file)
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as object)
  const columns = Object.keys(rows[0] ?? {})
  return { columns, rows: rows.map((row) => columns.map((name) => String((row as { [key: string]: unknown })[name]))) }
}

function sheetOfArrow(file: string): Sheet {
  const bytes = readRegularFile(file, MAX_BYTES)
  // A run that failed before its first table has opened the file and no more.
  if (bytes.length === 0) return { columns: [], rows: [] }
  const table = tableFromFile(bytes)
  return table.schema.metadata.get('wire') === 'parameters' && !table.schema.names.includes('epoch')
    ? sheetOfParameters(table)
    : sheetOfTable(table)
}

function sheetOfTable(table: Table): Sheet {
  const columns = table.schema.names.map(String)
  const vectors = columns.map((name) => table.getChild(name)!)
  return {
    columns,
    rows: Array.from({ length: table.numRows }, (_, i) => vectors.map((vector) => String(vector.get(i)))),
  }
}

function sheetOfParameters(table: Table): Sheet {
  const rows = modelOf(table).arrays.flatMap(({ name, values }) =>
    Array.from(values, (value, i) => [name, String(i), String(value)]),
  )
  return { columns: ['array', 'index', 'value'], rows }
}

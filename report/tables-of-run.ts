import { extname } from 'node:path'
import type { Table } from 'apache-arrow'
import { readInside } from '../pipeline/files/inside.js'
import { tableFromFile } from '../pipeline/formats/ipc.js'
import { modelOf } from '../pipeline/wires/parameters.js'
import { readLines, readSheet, type Sheet } from './sheets.js'

/** The largest Arrow file that is read, in bytes. It may hold parameters. */
const MAX_BYTES = 1 << 30

const readers = new Map<string, (directory: string, name: string) => Sheet | undefined>([
  ['.csv', (directory, name) => readSheet(directory, name, [])],
  ['.jsonl', sheetOfLines],
  ['.arrows', sheetOfArrow],
  ['.arrow', sheetOfArrow],
])

/** Whether `sheetOf` can read the file, by its ending. */
export function isTable(name: string): boolean {
  return readers.has(extname(name))
}

/**
 * Reads a table file of a run, with its cells as text: a row for each line or record, and for each number of
 * parameters. An incomplete last row is left out. Returns undefined if the file cannot be read.
 */
export function sheetOf(directory: string, name: string): Sheet | undefined {
  try {
    return readers.get(extname(name))?.(directory, name)
  } catch {
    return undefined
  }
}

function sheetOfLines(directory: string, name: string): Sheet {
  const rows = readLines(directory, name)
  const columns = Object.keys(rows[0] ?? {})
  return { columns, rows: rows.map((row) => columns.map((name) => String(row[name]))) }
}

function sheetOfArrow(directory: string, name: string): Sheet {
  const bytes = readInside(directory, name, MAX_BYTES)
  // A run that failed before its first table leaves an empty file.
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

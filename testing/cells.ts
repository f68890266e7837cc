import { DataType, type Table, Vector } from 'apache-arrow'
import { standardisedRows, storedRows } from '../pipeline/wires/example-rows.js'
import { layoutOf, splitOf } from '../pipeline/wires/examples.js'
import { positionOf } from '../pipeline/wires/position.js'

/** The content of a cell. Lists are flat. */
export type Cell = string | number | boolean | null | readonly number[]

/** A row by column. */
export type CellRow = Readonly<Record<string, Cell>>

/** Returns the columns of a table as tests name them, each as a function from the number of a row to its cell. */
export function columnsOf(table: Table): Map<string, (row: number) => Cell> {
  const names = table.schema.names.map(String)
  const columns = new Map<string, (row: number) => Cell>()
  const split = splitOf(table)
  if (split !== '') columns.set('split', () => split)
  const position = positionOf(table)
  if (position.epochs > 0 || position.step > 0)
    for (const name of ['epoch', 'step'] as const) columns.set(name, () => position[name])
  const isExamples = names.includes('features') && names.includes('label')
  for (const name of names) columns.set(name, (row) => cellOf(table, name, row))
  if (isExamples) addExampleColumns(table, columns)
  return columns
}

/**
 * `features` as a learner sees them, `stored` as they are stored, the name of the class, and a column per named feature. The
 * rows are standardised when the first cell is asked for: a test that only counts does not need them.
 */
function addExampleColumns(table: Table, columns: Map<string, (row: number) => Cell>): void {
  const { classes, names } = layoutOf(table)
  const rows = once(() => standardisedRows(table))
  const stored = once(() => storedRows(table).stored)
  const part = (numbers: Uint8Array | Float32Array, row: number) => {
    const width = numbers.length / table.numRows
    return [...numbers.slice(row * width, (row + 1) * width)]
  }
  columns.set('features', (row) => part(rows().values, row))
  columns.set('stored', (row) => part(stored(), row))
  columns.set('label', (row) => classes[rows().labels[row]!] ?? null)
  for (const [i, name] of names?.entries() ?? [])
    if (!columns.has(name)) columns.set(name, (row) => rows().values[(row * rows().values.length) / table.numRows + i]!)
}

/** Returns a function that calls `make` the first time and keeps what it returns. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

function cellOf(table: Table, name: string, row: number): Cell {
  const value: unknown = table.getChild(name)?.get(row)
  if (value === null || value === undefined) return null
  if (typeof value === 'bigint') return Number(value)
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  if (value instanceof Vector && !DataType.isUtf8(value.type)) return [...value].flat().map(Number)
  return String(value)
}

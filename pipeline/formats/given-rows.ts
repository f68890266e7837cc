import { DataType, type Table } from 'apache-arrow'
import { widthOf } from '../../kernels/network-shape.js'
import { messageOf, PipelineError } from '../base/errors.js'
import { didYouMean } from '../base/nearest.js'
import { cutName, someOf } from '../base/words.js'
import { type Cell, type Column, encodeCell, featuresOfColumn, isMissing } from '../wires/columns.js'
import type { ModelInputs } from './model-inputs.js'

/** One row as a program gives it: a cell for each column in their order, or by the names of the columns. */
export type GivenRow = readonly Cell[] | TypedNumbers | { readonly [column: string]: Cell }

/** Typed arrays that can hold features. */
export type TypedNumbers =
  | Float32Array
  | Float64Array
  | Uint8Array
  | Uint8ClampedArray
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array

/**
 * Rows as a program gives them: a list of rows; one row as an object; the features of all rows as one list or typed array of
 * numbers, row after row; or an Arrow table, with a column `features` or with the columns by name.
 */
export type GivenRows = readonly GivenRow[] | readonly number[] | TypedNumbers | GivenRow | Table

/** The features of rows, row-major, as they are before any standardisation. */
export type Features = Uint8Array | Float32Array

/** A column, and where its features begin. */
interface Place {
  readonly column: Column
  readonly at: number
  readonly title: string
}

/**
 * Returns the function that reads rows for a model. It throws a PipelineError `DATA` that names row and column if a row has
 * another width, if a column is missing or unknown, or if a cell is not what the column takes. A column of the labels is
 * left out.
 */
export function givenRowReader({ shape, columns, label }: ModelInputs): (rows: GivenRows) => Features {
  const width = widthOf(shape)
  const places = placesOf(columns, width)
  const isPlain = places.length === width
  const offsets = offsetsOf(places, width)
  const isNumeric = !offsets && places.every(({ column }) => column.kind === 'number')
  const byName = new Map(places.map((place, i) => [place.column.name, i]))

  function read(rows: GivenRows): Features {
    if (isTable(rows)) return tableRows(rows)
    if (ArrayBuffer.isView(rows)) return flatNumbers(rows as TypedNumbers, offsets)
    if (!Array.isArray(rows)) {
      if (typeof rows === 'object' && rows !== null) return listOfRows([rows as GivenRow])
      throw new PipelineError('DATA', `expected rows, got ${typeof rows === 'object' ? 'null' : typeof rows}`)
    }
    const list = rows as readonly (GivenRow | number)[]
    return typeof list[0] === 'number' || typeof list[0] === 'bigint'
      ? flatNumbers(list as readonly number[], offsets)
      : listOfRows(list as readonly GivenRow[])
  }

  /** @param offsets what is subtracted from each feature; undefined: nothing */
  function flatNumbers(values: TypedNumbers | readonly number[], offsets: Float64Array | undefined): Features {
    if (values.length % width !== 0)
      throw new PipelineError(
        'DATA',
        `expected ${width} features for each row, got ${values.length} numbers; ` +
          'a row that is not all numbers is a list or an object of its own',
      )
    if (values instanceof Uint8Array && !offsets) return values
    const floats = values instanceof Float32Array && !offsets ? values : floatsOf(values, offsets)
    // A sum of zeros, unless a number is not finite.
    let zero = 0
    for (let i = 0; i < floats.length; i++) zero += floats[i]! * 0
    if (zero === 0 && ArrayBuffer.isView(values)) return floats
    let copy: Float32Array | undefined
    for (let i = 0; i < floats.length; i++) {
      if (Number.isFinite(floats[i]!) && typeof values[i] === 'number') continue
      const [row, feature] = [Math.floor(i / width), i % width]
      if (!isPlain) throw wrongFeature(row, feature, values[i])
      copy ??= floats.slice()
      encode(row, places[feature]!, values[i], copy, row * width)
    }
    return copy ?? floats
  }

  function listOfRows(rows: readonly GivenRow[]): Float32Array {
    const out = new Float32Array(rows.length * width)
    for (const [i, row] of rows.entries()) {
      if (Array.isArray(row) || ArrayBuffer.isView(row)) positional(row as readonly Cell[], i, out)
      else if (typeof row === 'object' && row !== null) named(row as { readonly [column: string]: Cell }, i, out)
      else throw new PipelineError('DATA', `row ${i}: expected a list or an object of cells, got ${shown(row)}`)
    }
    return out
  }

  function positional(row: readonly Cell[], i: number, out: Float32Array): void {
    if (row.length !== places.length)
      throw new PipelineError(
        'DATA',
        `row ${i}: expected ${places.length} ${columns ? `columns (${someOf(places.map(({ title }) => title))})` : 'features'}, ` +
          `got ${row.length}`,
      )
    const from = i * width
    // Numbers, which most cells are, need no more than to be written if they are finite.
    let j = 0
    for (; isNumeric && j < width; j++) {
      const cell = row[j]
      if (typeof cell !== 'number') break
      out[from + j] = cell
      if (out[from + j]! * 0 !== 0) break
    }
    for (; j < places.length; j++) encode(i, places[j]!, row[j], out, from)
  }

  function named(row: { readonly [column: string]: Cell }, i: number, out: Float32Array): void {
    checkNames(Object.keys(row), `row ${i}`)
    for (const place of places) encode(i, place, row[place.column.name], out, i * width)
  }

  /** Throws if columns of these names are not those of the model. */
  function checkNames(names: readonly string[], where: string): void {
    if (!columns)
      throw new PipelineError(
        'DATA',
        `${where}: the model knows no names of its ${width} features; give a list of numbers`,
      )
    if (byName.size < places.length)
      throw new PipelineError('DATA', `${where}: several columns of the model have one name; give lists of cells`)
    const given = new Set(names)
    const missing = [...byName.keys()].filter((name) => !given.has(name))
    const extra = names.filter((name) => !byName.has(name) && name !== label)
    if (missing.length > 0)
      throw new PipelineError(
        'DATA',
        `${where}: ${missing.length === 1 ? 'the column' : 'the columns'} ${someOf(missing)} of the model ${missing.length === 1 ? 'is' : 'are'} missing` +
          (extra.length > 0 ? `; got ${someOf(extra)} instead` : ''),
      )
    if (extra.length > 0)
      throw new PipelineError(
        'DATA',
        `${where}: the model has no column "${cutName(extra[0]!)}"${didYouMean(extra[0]!, [...byName.keys()]) || `; columns: ${someOf([...byName.keys()])}`}`,
      )
  }

  function tableRows(table: Table): Features {
    const list = table.getChild('features')
    if (list && DataType.isFixedSizeList(list.type)) {
      if (list.type.listSize !== width)
        throw new PipelineError('DATA', `expected ${width} features for each row, the table has ${list.type.listSize}`)
      // The values of a slice begin at the slice, and may be longer.
      const parts = list.data.map(({ length, children: [child] }) =>
        (child!.values as TypedNumbers).subarray(0, length * width),
      )
      // Recorded features are less the offsets already.
      if (parts.length === 1) return flatNumbers(parts[0]!, undefined)
      return flatNumbers(
        parts.flatMap((part) => [...part]),
        undefined,
      )
    }
    checkNames(table.schema.names.map(String), 'the table')
    const out = new Float32Array(table.numRows * width)
    for (const place of places) {
      const cells = table.getChild(place.column.name)!
      for (let i = 0; i < table.numRows; i++) encode(i, place, cells.get(i) as Cell, out, i * width)
    }
    return out
  }

  function encode(row: number, { column, at, title }: Place, cell: unknown, out: Float32Array, from: number): void {
    const isCell = ['number', 'bigint', 'string', 'undefined'].includes(typeof cell) || cell === null
    const isTruth = typeof cell === 'boolean' && column.kind === 'category'
    if (
      !(isCell || isTruth) ||
      (typeof cell === 'string' && cell.trim() === '' && column.kind === 'number' && cell !== '')
    )
      throw new PipelineError(
        'DATA',
        `row ${row}: ${title}: expected a ${column.kind === 'number' ? 'number' : 'text'}, got ${shown(cell)}`,
      )
    if (column.kind === 'number' && typeof cell === 'number') {
      const number = cell - (column.offset ?? 0)
      if (Number.isFinite(Math.fround(number))) {
        out[from + at] = number
        return
      }
    }
    try {
      encodeCell(column, cell as Cell, out, from + at)
    } catch (error) {
      const message = columns ? messageOf(error) : `${title}: expected a finite number, got ${shown(cell)}`
      throw new PipelineError('DATA', `row ${row}: ${message}`, { cause: error })
    }
  }

  return read
}

function placesOf(columns: readonly Column[] | undefined, width: number): Place[] {
  if (!columns)
    return Array.from({ length: width }, (_, at) => ({
      column: { kind: 'number', name: String(at) },
      at,
      title: `feature ${at}`,
    }))
  let at = 0
  return columns.map((column) => {
    const place = { column, at, title: `column ${cutName(column.name)}` }
    at += featuresOfColumn(column)
    return place
  })
}

/** What is subtracted from each feature; undefined if nothing is. */
function offsetsOf(places: readonly Place[], width: number): Float64Array | undefined {
  const offsets = new Float64Array(width)
  for (const { column, at } of places) if (column.kind === 'number') offsets[at] = column.offset ?? 0
  return offsets.some((offset) => offset !== 0) ? offsets : undefined
}

/** The numbers, less the offsets; NaN in the place of what is none, such as a BigInt. */
function floatsOf(values: TypedNumbers | readonly number[], offsets: Float64Array | undefined): Float32Array {
  const areNumbers = ArrayBuffer.isView(values) && typeof values[0] === 'number'
  if (areNumbers && !offsets) return Float32Array.from(values)
  if (offsets)
    return Float32Array.from(values, (value, i) =>
      typeof value === 'number' ? value - offsets[i % offsets.length]! : Number.NaN,
    )
  return Float32Array.from(values, (value) => (typeof value === 'number' ? value : Number.NaN))
}

function isTable(rows: GivenRows): rows is Table {
  return typeof rows === 'object' && rows !== null && 'schema' in rows && 'batches' in rows && 'getChild' in rows
}

function wrongFeature(row: number, feature: number, found: unknown): PipelineError {
  return new PipelineError('DATA', `row ${row}: feature ${feature}: expected a finite number, got ${shown(found)}`)
}

function shown(value: unknown): string {
  if (typeof value === 'string') return `"${cutName(value)}"`
  if (isMissing(value as Cell)) return typeof value === 'number' ? 'NaN' : String(value)
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : String(value)
}

import type { Field, Table } from 'apache-arrow'
import type { Affine } from '../../kernels/contract.js'
import { applyAffine } from './affine.js'
import { exampleFields, fieldsOf, inputMapOf, kernelRows, layoutOf } from './examples.js'
import { type PerRow, perRowOf } from './per-row.js'

/** The rows of a table as they are stored. They are not always what a learner sees. */
export interface StoredRows {
  /**
   * Row-major `[rows, features]`, a view. uint8: the bytes as they were loaded, also behind `normalize/*`, which then only
   * attaches `affine`. float32: the numbers that a learner sees.
   */
  readonly stored: Uint8Array | Float32Array
  /** The map to what a learner sees, `z = (x - mean) * scale`, if it is still to be applied to the bytes. */
  readonly affine: Affine | undefined
  /** Class of each row, an index into the class names. */
  readonly labels: Int32Array
  /** What else the table says of each row, for the last argument of `examplesTable`; left out if nothing. */
  readonly perRow?: PerRow
  /** The fields of a table whose features are stored in the same way. */
  readonly fields: [Field, Field]
}

/** The rows of a table as a learner sees them. */
export interface StandardisedRows {
  /** Row-major `[rows, features]`. New memory, or a view if the table holds floats. */
  readonly values: Float32Array
  /** Class of each row, an index into the class names. */
  readonly labels: Int32Array
  /** What else the table says of each row, for the last argument of `examplesTable`; left out if nothing. */
  readonly perRow?: PerRow
  /** The fields of a table of such values, which names the standardisation that they have gone through. */
  readonly fields: [Field, Field]
}

/** Returns the rows of an examples or batch table as they are stored: often bytes that are not standardised yet. */
export function storedRows(table: Table): StoredRows {
  const { values, labels, affine, ...rest } = kernelRows(table)
  const perRow = perRowOf(rest)
  return {
    stored: values,
    affine: values instanceof Uint8Array ? affine : undefined,
    labels,
    fields: fieldsOf(table),
    ...(perRow && { perRow }),
  }
}

/** The fields of standardised floats, by a field of the table that they come from. Their metadata can be long. */
const floatFields = new WeakMap<Field, [Field, Field]>()

/** Returns the rows of an examples or batch table as a learner sees them: standardised floats. Copies bytes. */
export function standardisedRows(table: Table): StandardisedRows {
  const { stored, affine, labels, fields, perRow } = storedRows(table)
  if (stored instanceof Float32Array) return { values: stored, labels, fields, ...(perRow && { perRow }) }
  const values = new Float32Array(stored.length)
  if (!affine) values.set(stored)
  else applyAffine(stored, affine, values)
  let made = floatFields.get(fields[0])
  if (!made) {
    const layout = layoutOf(table)
    made = exampleFields({ ...layout, affine: undefined, applied: inputMapOf(layout) }, values)
    floatFields.set(fields[0], made)
  }
  return { values, labels, fields: made, ...(perRow && { perRow }) }
}

let isWarned = false

/**
 * The rows of a table, as stages of version 0.1.0 read them. `values` may be bytes before their standardisation, and the
 * name does not say so; the first call on such a table prints a warning.
 *
 * @deprecated Take `storedRows` for the values as they are stored, `standardisedRows` for those that a learner sees.
 */
export function rowsOf(table: Table): ReturnType<typeof kernelRows> {
  const rows = kernelRows(table)
  if (rows.affine && !isWarned) {
    isWarned = true
    process.emitWarning(
      'rowsOf(table).values are bytes to which the standardisation is still to be applied; ' +
        'storedRows(table) names them so, standardisedRows(table) gives what a learner sees',
      'DeprecationWarning',
    )
  }
  return rows
}

import type { Table } from 'apache-arrow'
import {
  type Affine,
  applyAffine,
  composed,
  type ExampleRows,
  exampleFields,
  examplesTable,
  isFoldable,
  kernelRows,
  layoutOf,
  mappedSource,
  perRowOf,
  rowSourceOf,
  type StageContext,
  shareOf,
  someOf,
  splitOf,
  turn,
  unreadOf,
  withSource,
} from '../../pipeline/stage-kit.js'

/**
 * Applies `z = (x - mean) * scale` to the stored values. It replaces the map that the table carries. uint8 rows stay as
 * they are and get the map as metadata. float32 rows, and uint8 rows for which folding would lose digits, are written
 * as floats into new memory.
 */
export async function standardised(table: Table, affine: Affine, context: StageContext): Promise<Table> {
  const { applied, affine: _, ...layout } = layoutOf(table)
  const source = rowSourceOf(table)
  if (source) return standardisedLater(table, affine)
  const rows = kernelRows(table)
  const { values, labels } = rows
  const perRow = perRowOf(rows)
  const { mean, scale } = affine
  if (values instanceof Uint8Array && isFoldable(affine))
    return examplesTable(
      exampleFields({ ...layout, affine }, values),
      values,
      labels,
      splitOf(table),
      undefined,
      shareOf(table),
      perRow,
    )
  const bytes = context.kernels.allocate(values.length * 4)
  const floats = new Float32Array(bytes.buffer, bytes.byteOffset, values.length)
  // A feature that an earlier map made constant stays 0, as it does in the composed map.
  const factors = scale.map((factor, j) => (applied?.scale[j] === 0 ? 0 : factor))
  for (let from = 0; from < values.length; from += mean.length) {
    for (let j = 0; j < mean.length; j++) floats[from + j] = (values[from + j]! - mean[j]!) * factors[j]!
    const pause = turn(context)
    if (pause) await pause
  }
  return examplesTable(
    exampleFields({ ...layout, applied: applied ? composed(applied, affine) : affine }, floats),
    floats,
    labels,
    splitOf(table),
    undefined,
    shareOf(table),
    perRow,
  )
}

/** Does the same with rows that lie in a file: they are standardised at each reading. */
function standardisedLater(table: Table, affine: Affine): Table {
  const { applied, affine: _, ...layout } = layoutOf(table)
  const { source } = unreadOf(table)!
  const { values } = source.readNow(0, 0)
  if (values instanceof Uint8Array && isFoldable(affine))
    return withSource(table, exampleFields({ ...layout, affine }, values), source)
  const { mean, scale } = affine
  const factors = scale.map((factor, j) => (applied?.scale[j] === 0 ? 0 : factor))
  const map = (rows: ExampleRows): ExampleRows => {
    const floats = rows.values instanceof Float32Array ? rows.values : new Float32Array(rows.values.length)
    applyAffine(rows.values, { mean, scale: factors }, floats)
    return { ...rows, values: floats }
  }
  const fields = exampleFields(
    { ...layout, applied: applied ? composed(applied, affine) : affine },
    new Float32Array(0),
  )
  const rowBytes = source.rowBytes + (values instanceof Uint8Array ? 3 * source.width : 0)
  return withSource(table, fields, mappedSource(source, map, rowBytes))
}

/**
 * Adds a note about the features that are constant on the fit split. They become 0.
 *
 * @param names of the features; without them, their numbers are told
 */
export function noteConstants(
  scale: Float64Array,
  split: string,
  context: StageContext,
  names?: readonly string[],
): void {
  const constant = [...scale.keys()].filter((j) => scale[j] === 0)
  if (constant.length === 0) return
  const list = someOf(constant.map((j) => names?.[j] ?? String(j)))
  const [are, become] = constant.length === 1 ? ['is', 'becomes'] : ['are', 'become']
  context.note(`${constant.length} of ${scale.length} features ${are} constant on ${split} and ${become} 0 (${list})`)
}

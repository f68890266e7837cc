import { type Data, Field, Float64, Int32, makeData, RecordBatch, Schema, Struct, Table, Utf8 } from 'apache-arrow'
import { int32Of, type Position, writePosition } from './position.js'

/** The predictions for some rows of one split. */
export interface Predictions {
  /** Names of the classes, in the order of `values`. */
  readonly classes: readonly string[]
  /** What `values` are: probabilities from 0 to 1, or scores of any size. */
  readonly kind: 'probability' | 'score'
  /** The number of each row in its source, from 0. */
  readonly rows: Int32Array
  /** The class of each row, -1 where it is not known. */
  readonly labels: Int32Array
  /** The class with the largest score of each row, the first of equals. */
  readonly predicted: Int32Array
  /** Row-major `[rows, classes]`. */
  readonly values: Float64Array
}

/**
 * Makes a `predictions` table: the columns `row` (int32), `label` (the name of the class; null where it is not known),
 * `predicted` (the name), and `probability_NAME` or `score_NAME` (float64) for each class.
 */
export function predictionsTable(predictions: Predictions, split: string, position: Position): Table {
  const { classes, kind, rows, labels, predicted, values } = predictions
  const length = rows.length
  const columns: [Field, Data][] = [
    [new Field('row', new Int32(), false), makeData({ type: new Int32(), data: rows, nullCount: 0 })],
    [new Field('label', new Utf8(), true), namesData(labels, classes)],
    [new Field('predicted', new Utf8(), false), namesData(predicted, classes)],
    ...classes.map((name, k): [Field, Data] => {
      const data = new Float64Array(length)
      for (let i = 0; i < length; i++) data[i] = values[i * classes.length + k]!
      return [new Field(`${kind}_${name}`, new Float64(), false), makeData({ type: new Float64(), data, nullCount: 0 })]
    }),
  ]
  const fields = columns.map(([field]) => field)
  const about = new Map([
    ['wire', 'predictions'],
    ['split', split],
    ['classes', JSON.stringify(classes)],
    ['kind', kind],
  ])
  const schema = new Schema(fields, writePosition(about, position))
  const children = columns.map(([, data]) => data)
  const struct = makeData({ type: new Struct(fields), length, nullCount: 0, children })
  return new Table(schema, [new RecordBatch(schema, struct)])
}

/** A column of texts: the name of each code, null for -1. */
function namesData(codes: Int32Array, names: readonly string[]): Data<Utf8> {
  const bytes = names.map((name) => Buffer.from(name))
  const valueOffsets = new Int32Array(codes.length + 1)
  let [size, nullCount] = [0, 0]
  for (const [i, code] of codes.entries()) {
    if (code < 0) nullCount++
    else size += bytes[code]!.length
    valueOffsets[i + 1] = int32Of('the length of a column of class names', size)
  }
  const data = new Uint8Array(size)
  const nullBitmap = nullCount > 0 ? new Uint8Array(Math.ceil(codes.length / 8)) : undefined
  for (const [i, code] of codes.entries()) {
    if (code < 0) continue
    data.set(bytes[code]!, valueOffsets[i]!)
    if (nullBitmap) nullBitmap[i >> 3]! |= 1 << (i & 7)
  }
  return makeData({ type: new Utf8(), length: codes.length, nullCount, nullBitmap, valueOffsets, data })
}

import { type Data, Field, Int32, makeData, RecordBatch, Schema, Struct, type Table, Utf8 } from 'apache-arrow'
import { splitOf } from './examples.js'
import { int32Of, positionOf } from './position.js'

/**
 * Returns the batches of the table with its position and split as columns, unless it has these columns. The position in
 * the metadata is left out: it would be that of the first table only.
 *
 * @param place whether epoch and step become columns, beside the split
 */
export function positioned(table: Table, { place = true } = {}): readonly RecordBatch[] {
  const added = table.schema.names.includes('epoch') ? [] : positionColumns(table, place)
  const names = new Set(['epoch', 'step', 'epochs', 'steps', ...added.map(({ field }) => field.name)])
  const metadata = new Map([...table.schema.metadata].filter(([key]) => !names.has(key)))
  const schema = new Schema([...added.map(({ field }) => field), ...table.schema.fields], metadata)
  return table.batches.map(
    (batch) =>
      new RecordBatch(
        schema,
        makeData({
          type: new Struct(schema.fields),
          length: batch.numRows,
          nullCount: 0,
          children: [...added.map(({ fill }) => fill(batch.numRows)), ...batch.data.children],
        }),
      ),
  )
}

interface Constant {
  readonly field: Field
  /** Makes the column: the same value in every row. */
  readonly fill: (rows: number) => Data
}

function positionColumns(table: Table, place: boolean): Constant[] {
  const integer = (name: string, value: number): Constant => ({
    field: new Field(name, new Int32(), false),
    fill: (rows) =>
      makeData({ type: new Int32(), data: new Int32Array(rows).fill(int32Of(name, value)), nullCount: 0 }),
  })
  const text = (name: string, value: string): Constant => ({
    field: new Field(name, new Utf8(), false),
    fill: (rows) => {
      const bytes = Buffer.from(value)
      int32Of(`the length of ${rows} times "${value}"`, rows * bytes.length)
      const data = Buffer.alloc(rows * bytes.length, bytes)
      const valueOffsets = Int32Array.from({ length: rows + 1 }, (_, i) => i * bytes.length)
      return makeData({ type: new Utf8(), length: rows, nullCount: 0, valueOffsets, data })
    },
  })
  const { epoch, step } = positionOf(table)
  const split = splitOf(table)
  return [...(place ? [integer('epoch', epoch), integer('step', step)] : []), ...(split ? [text('split', split)] : [])]
}

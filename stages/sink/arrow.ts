import { Field, Int32, makeData, RecordBatch, RecordBatchStreamWriter, Schema, Struct, type Table } from 'apache-arrow'
import { z } from 'zod'
import { defineStage, outputPath, positionOf, wire } from '../../pipeline/index.js'
import { type Appender, appended } from './append.js'

/**
 * Writes any wire as an Arrow IPC stream, each table on disk as soon as it passes; a stream cut off by a crash reads up
 * to its last whole batch. The position of a table becomes the columns `epoch` and `step` where it has none: the
 * schema, and with it the metadata, is written only once.
 */
export const arrow = defineStage({
  name: 'sink/arrow',
  summary: 'Writes the tables of any wire to an Arrow IPC stream.',
  options: z.strictObject({
    path: outputPath.default('metrics.arrows').describe('File inside the run directory.'),
  }),
  inputs: { tables: wire.any },
  outputs: {},
  parallel: 'first',
  example: '- use: sink/arrow\n  from: metrics\n  with: { path: metrics.arrows }',
  run: ({ path }, context) => {
    let writer: StreamWriter | undefined
    return appended(context, path, (table: Table, file) => {
      writer ??= new StreamWriter(file)
      for (const batch of positioned(table)) writer.write(batch)
    })
  },
})

/** Writes every message straight into the file, instead of into the unbounded queue of its base class. */
class StreamWriter extends RecordBatchStreamWriter {
  private readonly file: Appender

  constructor(file: Appender) {
    super({ autoDestroy: false })
    this.file = file
  }

  protected override _write(chunk: ArrayBufferLike | ArrayBufferView): this {
    const bytes = ArrayBuffer.isView(chunk)
      ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      : new Uint8Array(chunk)
    if (this._started && bytes.length > 0) {
      this.file.append(bytes)
      this._position += bytes.length
    }
    return this
  }
}

function positioned(table: Table): readonly RecordBatch[] {
  if (table.schema.names.includes('epoch'))
    return table.batches.map((batch) => new RecordBatch(table.schema, batch.data))
  const { epoch, step } = positionOf(table)
  const added = [new Field('epoch', new Int32(), false), new Field('step', new Int32(), false)]
  const metadata = new Map([...table.schema.metadata].filter(([key]) => key !== 'epoch' && key !== 'step'))
  const schema = new Schema([...added, ...table.schema.fields], metadata)
  return table.batches.map((batch) => {
    const columns = [epoch, step].map((value) =>
      makeData({ type: new Int32(), data: new Int32Array(batch.numRows).fill(value), nullCount: 0 }),
    )
    return new RecordBatch(
      schema,
      makeData({
        type: new Struct(schema.fields),
        length: batch.numRows,
        nullCount: 0,
        children: [...columns, ...batch.data.children],
      }),
    )
  })
}

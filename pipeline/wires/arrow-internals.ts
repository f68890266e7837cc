import { RecordBatchFileWriter, RecordBatchStreamWriter, RecordBatchWriter, type Schema, Table } from 'apache-arrow'

/*
 * All code that depends on private parts of apache-arrow. package.json pins its version, and the test of this file
 * fails if a new version changes one of these parts.
 */

/** All own properties of a Table. The last one is private: the number of rows in front of each batch. */
const tableProperties = ['schema', 'batches', '_offsets'] as const

type TableProperties = Readonly<Record<(typeof tableProperties)[number], unknown>>

/**
 * A Table that shares the batches of another Table, but has another schema, which it makes on first access. The
 * constructor of Table would need the schema, and would compare it with that of every batch.
 */
export abstract class LazySchemaTable {
  /** The batches of the other table. */
  declare readonly batches: Table['batches']
  declare private readonly _offsets: unknown

  constructor(base: Table) {
    this.batches = base.batches
    this._offsets = (base as unknown as TableProperties)._offsets
  }

  /** Makes the schema. Called once. */
  protected abstract makeSchema(): Schema

  /** The schema of this table. */
  get schema(): Schema {
    const schema = this.makeSchema()
    Object.defineProperty(this, 'schema', { value: schema, enumerable: true })
    return schema
  }
}

/** A Table that makes its rows and its schema on first access. */
export abstract class LazyTable {
  /** Makes a table with the same rows and the same schema. Called once. */
  protected abstract makeTable(): Table

  static {
    for (const property of tableProperties)
      Object.defineProperty(LazyTable.prototype, property, {
        get(this: LazyTable) {
          const made = this.makeTable() as unknown as TableProperties
          for (const each of tableProperties) Object.defineProperty(this, each, { value: made[each], enumerable: true })
          return made[property]
        },
      })
  }
}

// With `extends Table`, the constructor of Table would run and set all properties.
for (const { prototype } of [LazySchemaTable, LazyTable]) Object.setPrototypeOf(prototype, Table.prototype)

/**
 * Writes record batches as an Arrow IPC stream. Passes each part of a message to `append` at once; its base class would
 * collect them in a queue without a limit.
 */
export class ArrowStreamWriter extends RecordBatchStreamWriter {
  private readonly append: (bytes: Uint8Array) => void
  /** True until the base class has written a schema that the stream already has. */
  private skipsSchema: boolean

  /** `hasSchema`: the stream already begins with the schema, for example in the file of a resumed run. */
  constructor(append: (bytes: Uint8Array) => void, hasSchema: boolean) {
    super({ autoDestroy: false })
    this.append = append
    this.skipsSchema = hasSchema
  }

  /** Writes the schema, or skips it if the stream already has it. */
  protected override _writeSchema(schema: Schema): this {
    super._writeSchema(schema)
    this.skipsSchema = false
    return this
  }

  /** Passes bytes of the stream to `append`. */
  protected override _write(chunk: ArrayBufferLike | ArrayBufferView): this {
    const bytes = bytesOf(chunk)
    if (this._started && bytes.length > 0) {
      if (!this.skipsSchema) this.append(bytes)
      this._position += bytes.length
    }
    return this
  }
}

/**
 * Encodes a table as an Arrow IPC file. Between its magic bytes lies a whole stream with the schema first, as the format
 * demands, so that a reader of streams may skip the magic bytes. `tableToIPC(table, 'file')` of apache-arrow leaves the
 * schema to the footer.
 */
export function arrowFile(table: Table): Uint8Array {
  const writer = new ArrowFileWriter()
  writer.write(table)
  return writer.finish().toUint8Array(true)
}

class ArrowFileWriter extends RecordBatchFileWriter {
  /** Writes the magic bytes, as the base class does, and the schema, as the base class of that does. */
  protected override _writeSchema(schema: Schema): this {
    super._writeSchema(schema)
    return writeSchemaMessage.call(this, schema) as this
  }
}

/** Writes record batches as an Arrow IPC file, in the form of `arrowFile`. Passes each part to `append` at once. */
export class ArrowFileBytes extends ArrowFileWriter {
  private readonly append: (bytes: Uint8Array) => void

  constructor(append: (bytes: Uint8Array) => void) {
    super()
    this.append = append
  }

  /** Passes bytes of the file to `append`. */
  protected override _write(chunk: ArrayBufferLike | ArrayBufferView): this {
    const bytes = bytesOf(chunk)
    if (this._started && bytes.length > 0) {
      this.append(bytes)
      this._position += bytes.length
    }
    return this
  }
}

function bytesOf(chunk: ArrayBufferLike | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(chunk)
    ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    : new Uint8Array(chunk)
}

/** Writes a schema as a message of a stream. */
const writeSchemaMessage = Reflect.get(RecordBatchWriter.prototype, '_writeSchema') as (
  this: RecordBatchWriter,
  schema: Schema,
) => RecordBatchWriter

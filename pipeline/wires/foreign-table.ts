import * as arrow from 'apache-arrow'
import { Data, DataType, Field, RecordBatch, Schema, Table, Vector } from 'apache-arrow'

/**
 * Returns a table that a stage made with a copy of apache-arrow of its own as one of this copy, whose writers know only
 * their own classes. The rows are shared. What is of this copy, or no table, is returned as it is.
 *
 * @throws TypeError if a column has a type that this copy does not know
 */
export function ownTable(value: unknown): unknown {
  if (isOwn(value) || !isTable(value)) return value
  const schema = new Schema(value.schema.fields.map(ownField), value.schema.metadata)
  const rows = new arrow.Struct(schema.fields)
  return new Table(
    schema,
    value.batches.map(({ data }) => new RecordBatch(schema, ownData(data, rows) as Data<arrow.Struct>)),
  )
}

/** Not `instanceof`, to which apache-arrow says yes for tables of every copy, although it writes only its own. */
function isOwn(value: unknown): boolean {
  return Object.prototype.isPrototypeOf.call(Table.prototype, value as object)
}

function isTable(value: unknown): value is Table {
  const { schema, batches } = (value ?? {}) as Partial<Table>
  return Array.isArray(schema?.fields) && Array.isArray(batches)
}

function ownField({ name, type, nullable, metadata }: Field): Field {
  return new Field(name, ownType(type), nullable, metadata)
}

/** The name of a type begins with that of its class: `FixedSizeList[64]<Float32>`. */
function ownType(type: DataType): DataType {
  const name = /^\w+/.exec(String(type))?.[0] ?? ''
  const known: unknown = Reflect.get(arrow, name)
  if (typeof known !== 'function' || !(known.prototype instanceof DataType))
    throw new TypeError(
      `a column of type ${type} is of another copy of apache-arrow, which can only be read if it has the same types`,
    )
  const own = Object.create(known.prototype as object) as DataType
  for (const [key, value] of Object.entries(type)) Object.assign(own, { [key]: ownPart(value) })
  return own
}

function ownPart(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ownPart)
  if (typeof value !== 'object' || value === null) return value
  // A field has the number of its type, too.
  if ('nullable' in value && 'type' in value) return ownField(value as Field)
  return 'typeId' in value ? ownType(value as DataType) : value
}

function ownData(data: Data, type: DataType): Data {
  const children = data.children.map((child, i) => ownData(child, type.children[i]!.type))
  const dictionary = data.dictionary
    ? new Vector(data.dictionary.data.map((each) => ownData(each, (type as arrow.Dictionary).dictionary)))
    : undefined
  return new Data(type, data.offset, data.length, data.nullCount, data.buffers, children, dictionary)
}

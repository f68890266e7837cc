import type { FileMetaData, SchemaElement } from 'hyparquet'

/** A column of a Parquet file. */
export interface ParquetColumn {
  /** Name of the column. */
  readonly name: string
  /** `bytes`: all features of a row as fixed-length bytes; `list`: as a list of numbers; `nested`: neither. */
  readonly kind: 'number' | 'boolean' | 'text' | 'time' | 'bytes' | 'list' | 'nested'
  /** Bytes of a value of the kind `bytes`. */
  readonly length?: number | undefined
  /** Its part of the schema. */
  readonly elements: readonly SchemaElement[]
}

const TIMES = ['DATE', 'TIME_MILLIS', 'TIME_MICROS', 'TIMESTAMP_MILLIS', 'TIMESTAMP_MICROS']

/** The columns at the top of the schema. Throws an Error if the schema is damaged. */
export function columnsOf({ schema }: FileMetaData): ParquetColumn[] {
  const root = schema[0]
  if (!root?.num_children) throw new Error('parquet schema has no columns')
  const columns: ParquetColumn[] = []
  let at = 1
  for (let i = 0; i < root.num_children; i++) {
    const element = schema[at]
    if (!element) throw new Error('parquet schema is cut off')
    const end = endOf(schema, at, 0)
    columns.push({
      name: String(element.name),
      kind: kindOf(element, schema.slice(at + 1, end)),
      length: element.type_length,
      elements: schema.slice(at, end),
    })
    at = end
  }
  return columns
}

/** The schema of some columns of a file. */
export function schemaFor({ schema }: FileMetaData, columns: readonly ParquetColumn[]): SchemaElement[] {
  return [{ ...schema[0]!, num_children: columns.length }, ...columns.flatMap(({ elements }) => elements)]
}

/** The index behind an element and all that lies in it. */
function endOf(schema: readonly SchemaElement[], at: number, depth: number): number {
  if (depth > 100 || at >= schema.length) throw new Error('parquet schema is damaged')
  let end = at + 1
  for (let i = 0; i < (schema[at]!.num_children ?? 0); i++) end = endOf(schema, end, depth + 1)
  return end
}

function kindOf(element: SchemaElement, inside: readonly SchemaElement[]): ParquetColumn['kind'] {
  if (inside.length > 0) {
    const leaf = inside.at(-1)!
    const isList = element.converted_type === 'LIST' || element.logical_type?.type === 'LIST'
    return isList && inside.length === 2 && kindOf(leaf, []) === 'number' ? 'list' : 'nested'
  }
  if (element.repetition_type === 'REPEATED') return 'nested'
  const logical = element.logical_type?.type
  // Some writers fill columns that have nothing but missing cells with zeros.
  if (logical === 'NULL') return 'nested'
  if (
    TIMES.includes(element.converted_type ?? '') ||
    logical === 'DATE' ||
    logical === 'TIME' ||
    logical === 'TIMESTAMP'
  )
    return 'time'
  if (element.type === 'INT96') return 'time'
  if (element.type === 'BOOLEAN') return 'boolean'
  if (element.type === 'BYTE_ARRAY') return element.converted_type === 'DECIMAL' ? 'number' : 'text'
  if (element.type !== 'FIXED_LEN_BYTE_ARRAY') return 'number'
  if (element.converted_type === 'DECIMAL' || logical === 'FLOAT16' || logical === 'DECIMAL') return 'number'
  return element.converted_type === undefined && logical === undefined ? 'bytes' : 'nested'
}

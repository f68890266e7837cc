import { DataType, type Field, type Vector } from 'apache-arrow'
import type { ColumnSource, SchemaElement } from 'hyparquet-writer'
import { PipelineError } from '../base/errors.js'

type Data = ColumnSource['data']

/** One column of a Parquet file, and how it is read from the Arrow column that it is made of. */
export interface ParquetColumn {
  /** Its name in the file. */
  readonly name: string
  /** What the schema of the file says about it: one element, or three for a list. */
  readonly elements: readonly SchemaElement[]
  /** Numbers and images are written as they are; a dictionary is tried for the others. */
  readonly isPlain: boolean
  /** The values of a piece of the Arrow column, in the form that hyparquet-writer takes. */
  read(vector: Vector): Data
}

/**
 * The Parquet columns of an Arrow column. Numbers, texts and truth values become a column of that type; a fixed number of
 * bytes per row becomes one column of fixed length; other lists of numbers become a list. Throws a PipelineError `DATA` for
 * other types.
 *
 * @param spread names of the elements of a list of fixed length, which then become a column each
 */
export function parquetColumns(field: Field, spread?: readonly string[]): ParquetColumn[] {
  const { name, type, nullable } = field
  const repetition = nullable ? 'OPTIONAL' : 'REQUIRED'
  if (DataType.isFixedSizeList(type) && !nullable) {
    const { listSize, valueType } = type
    if (spread) return spread.map((each, i) => elementColumn(each, field, i))
    if (DataType.isInt(valueType) && valueType.bitWidth === 8 && !valueType.isSigned)
      return [
        {
          name,
          elements: [{ name, type: 'FIXED_LEN_BYTE_ARRAY', type_length: listSize, repetition_type: repetition }],
          isPlain: true,
          read: (vector) => rowsOfBytes(vector, listSize),
        },
      ]
  }
  if (DataType.isFixedSizeList(type) || DataType.isList(type)) {
    const inner = numberElement('element', type.children[0]!.type, 'REQUIRED')
    if (inner && !nullable)
      return [
        {
          name,
          elements: [
            { name, repetition_type: repetition, num_children: 1, converted_type: 'LIST' },
            { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
            inner,
          ],
          isPlain: true,
          read: (vector) => Array.from(vector, (list) => [...(list as Iterable<number>)]),
        },
      ]
    throw unfit(field)
  }
  const number = numberElement(name, type, repetition)
  if (number)
    return [{ name, elements: [number], isPlain: DataType.isFloat(type), read: nullable ? valuesOf : numbersOf }]
  const text = DataType.isDictionary(type) ? (type.dictionary as DataType) : type
  if (DataType.isUtf8(text))
    return [
      {
        name,
        elements: [{ name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: repetition }],
        isPlain: false,
        read: valuesOf,
      },
    ]
  if (DataType.isBool(type))
    return [
      { name, elements: [{ name, type: 'BOOLEAN', repetition_type: repetition }], isPlain: false, read: valuesOf },
    ]
  throw unfit(field)
}

/** What the schema says about a column of numbers; undefined if the type is no number that Parquet has. */
function numberElement(
  name: string,
  type: DataType,
  repetition_type: 'REQUIRED' | 'OPTIONAL',
): SchemaElement | undefined {
  if (DataType.isFloat(type)) {
    if (type.precision === 0) return undefined
    return { name, type: type.precision === 1 ? 'FLOAT' : 'DOUBLE', repetition_type }
  }
  if (!DataType.isInt(type)) return undefined
  const { bitWidth, isSigned } = type
  const plain = { name, type: bitWidth === 64 ? 'INT64' : 'INT32', repetition_type } as const
  return isSigned && bitWidth >= 32 ? plain : { ...plain, converted_type: `${isSigned ? '' : 'U'}INT_${bitWidth}` }
}

/** The column of element `i` of a list of fixed length. */
function elementColumn(name: string, field: Field, i: number): ParquetColumn {
  const { listSize, children } = field.type as DataType & { readonly listSize: number }
  const element = numberElement(name, children[0]!.type, 'REQUIRED')
  if (!element) throw unfit(field)
  const read = (vector: Vector): Data => {
    const column = new (children[0]!.type.ArrayType as Float32ArrayConstructor)(vector.length)
    let row = 0
    for (const { length, children } of vector.data) {
      const { values } = children[0]!
      for (let k = 0; k < length; k++) column[row++] = values[k * listSize + i]
    }
    return column
  }
  return { name, elements: [element], isPlain: true, read }
}

function rowsOfBytes(vector: Vector, width: number): Uint8Array[] {
  return vector.data.flatMap(({ length, children }) =>
    Array.from({ length }, (_, i) => (children[0]!.values as Uint8Array).subarray(i * width, (i + 1) * width)),
  )
}

function numbersOf(vector: Vector): Data {
  return vector.toArray() as Data
}

function valuesOf(vector: Vector): Data {
  return [...vector] as unknown[] as Data
}

function unfit({ name, type, nullable }: Field): PipelineError {
  return new PipelineError(
    'DATA',
    `the column "${name}" cannot be written to a Parquet file: expected numbers, texts, truth values, or lists of ` +
      `numbers without missing ones, found ${type}${nullable ? ' that may be missing' : ''}; record this wire with sink/arrow`,
  )
}

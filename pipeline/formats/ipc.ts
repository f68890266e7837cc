import {
  type Data,
  DataType,
  type RecordBatch,
  type RecordBatchFileReader,
  RecordBatchReader,
  Table,
} from 'apache-arrow'
import { checkMessages } from './ipc-check.js'

/**
 * Reads an Arrow IPC file or stream that may be damaged. In contrast to Arrow's `tableFromIPC`, it checks every length
 * and offset before it uses them. So no file can make the reader hang or fill memory, and every row of the table is
 * readable.
 *
 * A stream that was cut off ends with its last complete batch. Columns must contain numbers, texts or lists of them,
 * without nulls (but for the labels of predictions), uncompressed and without dictionaries. Throws an Error that says what is wrong.
 */
export function tableFromFile(bytes: Uint8Array): Table {
  return checkedTable(bytes, false)
}

/**
 * Does the same for files of other programs: columns may also have missing values and dictionaries, and hold truth
 * values, dates and times.
 */
export function foreignTable(bytes: Uint8Array): Table {
  return checkedTable(bytes, true)
}

function checkedTable(bytes: Uint8Array, isForeign: boolean): Table {
  const sound = checkMessages(bytes, isForeign)
  try {
    return read(sound, isForeign)
  } catch (error) {
    // The Arrow reader's own message for mismatched types does not help users, so we replace it.
    if (error instanceof TypeError || error instanceof RangeError) throw new Error('it is damaged', { cause: error })
    throw error
  }
}

function read(bytes: Uint8Array, isForeign: boolean): Table {
  const reader = RecordBatchReader.from(bytes).open()
  if (!reader.schema) throw new Error('it is no Arrow file')
  const lacking = reader.schema.metadata.get('wire') === 'predictions' ? 'label' : undefined
  const batches = reader.isFile()
    ? batchesOfFile(reader as RecordBatchFileReader)
    : [...(reader as Iterable<RecordBatch>)]
  for (const { data } of batches) checkData(data, isForeign, lacking)
  return new Table(reader.schema, batches)
}

function batchesOfFile(reader: RecordBatchFileReader): RecordBatch[] {
  return Array.from({ length: reader.numRecordBatches }, (_, i) => {
    const batch = reader.readRecordBatch(i)
    if (!batch) throw new Error(`record batch ${i} is not where the footer says`)
    return batch
  })
}

/**
 * Checks that a column is as long as it says, and that its offsets lie within its values.
 *
 * @param lacking the text column of a struct that may have missing values
 */
function checkData(data: Data, isForeign: boolean, lacking?: string, mayLack = isForeign): void {
  const { type, length, children } = data
  if (!Number.isSafeInteger(length) || length < 0) throw new Error(`a column claims ${length} rows`)
  // The offset of the column counts in bits.
  const isShort = (data.nullBitmap?.length ?? 0) * 8 < data.offset + length
  if (data.nullCount > 0 && !mayLack) throw new Error('it has missing values')
  if (data.nullCount > 0 && isShort && !DataType.isNull(type)) throw new Error('a column is shorter than its rows')
  if (isForeign && DataType.isDictionary(type)) checkDictionary(data)
  else if (DataType.isStruct(type)) {
    for (const [i, child] of children.entries()) {
      if (child.length !== length) throw new Error('its columns have different lengths')
      const { name } = type.children[i]!
      checkData(child, isForeign, undefined, isForeign || (name === lacking && DataType.isUtf8(child.type)))
    }
  } else if (DataType.isList(type)) {
    const [child] = children as [Data]
    checkData(child, isForeign)
    checkOffsets(data, child.length)
  } else if (DataType.isFixedSizeList(type)) {
    const [child] = children as [Data]
    checkData(child, isForeign)
    if (!(type.listSize >= 0 && child.length >= length * type.listSize))
      throw new Error('a column is shorter than its rows')
  } else if (DataType.isUtf8(type)) checkOffsets(data, data.values.length)
  else if (DataType.isInt(type) || DataType.isFloat(type)) {
    if (!(data.values?.length >= length)) throw new Error('a column is shorter than its rows')
  } else if (isForeign && DataType.isBool(type)) {
    if (!(data.values?.length * 8 >= data.offset + length)) throw new Error('a column is shorter than its rows')
  } else if (isForeign && DataType.isLargeUtf8(type)) checkOffsets(data, data.values.length)
  else if (isForeign && isTime(type)) {
    if (!(data.values?.length >= length * (data.stride ?? 1))) throw new Error('a column is shorter than its rows')
  } else if (!isForeign) throw new Error(`a column has the type ${type}, expected numbers, texts or lists of them`)
  // Columns of other types may be there, but nobody reads them.
}

function isTime(type: DataType): boolean {
  return DataType.isDate(type) || DataType.isTimestamp(type) || DataType.isTime(type)
}

/** Checks the values of a dictionary, and that each row that is not missing leads to one of them. */
function checkDictionary(data: Data): void {
  const { dictionary, length, values } = data
  if (!(values?.length >= length)) throw new Error('a column is shorter than its rows')
  for (const part of dictionary?.data ?? []) checkData(part, true)
  const size = dictionary?.length ?? 0
  for (let i = 0; i < length; i++)
    if (!(values[i] >= 0 && values[i] < size) && data.getValid(i))
      throw new Error('a dictionary has no value for a row')
}

/** Checks that the offsets of a list or text column grow, and end at most at `available`. */
function checkOffsets({ valueOffsets, length }: Data, available: number): void {
  if (length === 0) return
  if (!(valueOffsets?.length > length)) throw new Error('a column is shorter than its rows')
  for (let i = 0, last = valueOffsets[0]!; i <= length; last = valueOffsets[i++]!)
    if (valueOffsets[i]! < 0 || valueOffsets[i]! < last || valueOffsets[i]! > available)
      throw new Error('the offsets of a column are damaged')
}

import {
  inClassOrder,
  labelText,
  type ModelInputs,
  type NpyNumbers,
  PipelineError,
  type StageContext,
  someOf,
  turn,
} from '../../pipeline/stage-kit.js'
import type { NpyFile } from './npy-file.js'
import type { ColumnRemarks } from './tabular/column-remarks.js'
import { areFloats } from './tabular/number-tile.js'

/** The labels of an array: a code per row, and what each code stands for. */
export interface ArrayLabels {
  /** The file, for messages. */
  readonly place: string
  /** One per row: an index into `texts`, or -1 where the label is missing (NaN, or an empty text). */
  readonly codes: Int32Array
  /** The distinct labels. */
  readonly texts: readonly string[]
  /** Whether they are numbers. */
  readonly areNumbers: boolean
}

/** More classes than that are no classes. */
const MOST_CLASSES = 1 << 16

/**
 * Reads the labels in an array of whole numbers or texts, one per row. Throws a PipelineError `DATA` if it has another
 * shape, or labels that are no whole numbers.
 *
 * @param mayMiss whether labels may be missing
 */
export async function readArrayLabels(file: NpyFile, mayMiss: boolean, context: StageContext): Promise<ArrayLabels> {
  try {
    return await readAll(file, mayMiss, context)
  } finally {
    await file.close()
  }
}

async function readAll(file: NpyFile, mayMiss: boolean, context: StageContext): Promise<ArrayLabels> {
  const { place, header } = file
  const { shape, kind } = header
  const [count = 1, ...rest] = shape
  if (shape.length === 0 || rest.some((extent) => extent !== 1))
    throw new PipelineError(
      'DATA',
      `${place}: expected one label per row, found an array of ${shape.join(' × ') || 'no axis'}; ` +
        'save the numbers of the classes (`argmax(axis=1)` of one-hot labels)',
    )
  const codes = new Int32Array(count)
  const known = new Map<number | bigint | string, number>()
  const byText = new Map<string, number>()
  let row = 0
  for await (const block of file.blocks()) {
    for (const value of block as Iterable<number | bigint | string>) {
      const code = known.get(value) ?? addLabel(value, row)
      codes[row++] = code
    }
    await turn(context)
  }
  return { place, codes, texts: [...byText.keys()], areNumbers: kind !== 'U' && kind !== 'S' }

  function addLabel(value: number | bigint | string, row: number): number {
    const isMissing = Number.isNaN(value) || (typeof value === 'string' && value.trim() === '')
    if (isMissing && mayMiss) return -1
    if (isMissing) throw new PipelineError('DATA', `${place}: label ${row}: expected a label, found nothing`)
    if (typeof value === 'number' && !Number.isSafeInteger(value))
      throw new PipelineError('DATA', `${place}: label ${row}: expected a whole number or a text, found ${value}`)
    const text = labelText(String(value))
    const code = byText.get(text) ?? byText.size
    if (code >= MOST_CLASSES)
      throw new PipelineError('DATA', `${place}: more than ${MOST_CLASSES} different labels; is it the right array?`)
    byText.set(text, code)
    known.set(value, code)
    return code
  }
}

/** Returns the classes that occur in labels, in the order of their numbers or texts. */
export function classesIn(all: readonly ArrayLabels[]): string[] {
  return inClassOrder(all.flatMap(({ texts }) => texts))
}

/**
 * Replaces the codes by indices of classes. Texts are names of classes. Numbers are indices if `classes` was given or a
 * model has names that are no numbers, else names as well. Throws a PipelineError `DATA` if a label is no class.
 *
 * @param numbersAreNames whether a number is the name of a class, and not its index
 * @param of whose classes they are, for messages: `` of `classes` ``, ` of the model`
 */
export function classIndices(
  { place, codes, texts, areNumbers }: ArrayLabels,
  classes: readonly string[],
  numbersAreNames: boolean,
  of: string,
): Int32Array {
  const indices = new Map(classes.map((name, i) => [!areNumbers || numbersAreNames ? labelText(name) : String(i), i]))
  const indexOf = texts.map((text) => indices.get(text) ?? -1)
  const wrong = indexOf.indexOf(-1)
  if (wrong >= 0)
    throw new PipelineError(
      'DATA',
      `${place}: label ${codes.indexOf(wrong)}: expected ` +
        (areNumbers && !numbersAreNames
          ? `a number from 0 to ${classes.length - 1}, the index of a class${of}`
          : `a class${of} (${someOf(classes)})`) +
        `, found ${someOf([texts[wrong]!])}`,
    )
  return codes.map((code) => (code < 0 ? -1 : indexOf[code]!))
}

/** Whether numbers among the labels are names of the classes of a model: all of these names are whole numbers. */
export function hasNumberedClasses({ classes }: Pick<ModelInputs, 'classes'>): boolean {
  return classes.every((name) => /^-?\d+$/.test(name))
}

/**
 * Returns numbers as features: bytes and truth values as bytes, others as float32. Shows numbers that float32 may not hold to
 * `remarks`. Throws a PipelineError `DATA` if a number is not finite, or too large for float32.
 *
 * @param row number of the first row
 * @param width features of a row
 */
export function featuresOf(
  values: NpyNumbers,
  place: string,
  row: number,
  width: number,
  remarks: ColumnRemarks,
): Uint8Array | Float32Array {
  if (values instanceof Uint8Array || (values instanceof Float32Array && areFloats(values))) return values
  if (values instanceof Int8Array || values instanceof Int16Array || values instanceof Uint16Array)
    return new Float32Array(values)
  const numbers = values instanceof Float64Array ? values : new Float64Array(values.length)
  const features = new Float32Array(values.length)
  for (let i = 0; i < values.length; i++) {
    numbers[i] = Number(values[i])
    features[i] = numbers[i]!
    if (!Number.isFinite(features[i]))
      throw new PipelineError(
        'DATA',
        `${place}: row ${row + Math.floor(i / width)}, feature ${i % width}: expected a finite number` +
          `${Number.isFinite(numbers[i]) ? ' that float32 can hold' : ''}, found ${values[i]}`,
      )
  }
  remarks.seeRows(numbers, width)
  return features
}

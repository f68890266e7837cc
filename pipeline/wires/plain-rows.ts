import type { Field, Table } from 'apache-arrow'
import type { Affine } from '../../kernels/contract.js'
import { widthOf } from '../../kernels/network-shape.js'
import { counted } from '../base/words.js'
import { exampleFields, examplesTable } from './examples.js'
import { type PerRow, slicePerRow } from './per-row.js'
import type { Position } from './position.js'

/** Examples as plain lists of numbers. */
export interface PlainRows {
  /** The features of each row. */
  readonly values: readonly (readonly number[])[]
  /** The class of each row, an index into `classes`; default: 0 for every row. */
  readonly labels?: readonly number[]
  /** The weight of each row in training; default: none. */
  readonly weights?: readonly number[]
  /** The number of each row in its source; default: none. */
  readonly rows?: readonly number[]
  /** How features are stored; default `uint8`, which takes whole numbers from 0 to 255. */
  readonly type?: 'uint8' | 'float32'
  /** Default `train`. */
  readonly split?: string
  /** The shape of one example, slowest axis first; default: one axis. */
  readonly shape?: readonly number[]
  /** The names of the classes; default: the labels as texts, from "0" to the largest. */
  readonly classes?: readonly string[]
  /** The names of the features; default: they have none. */
  readonly names?: readonly string[] | undefined
  /** The standardisation still to be applied to uint8 features. */
  readonly affine?: Affine
}

/**
 * Makes a table of examples: one for an `examples` wire, or one for a `batch` wire if it has a position. Throws a
 * RangeError if values, labels and shape do not fit together.
 */
export function examples(rows: PlainRows, position?: Position): Table {
  const { fields, values, labels, split, perRow } = arraysOf(rows)
  return examplesTable(fields, values, labels, split, position, undefined, perRow)
}

/**
 * Cuts rows into batches, in order and the same in every epoch. The last batch of an epoch may be short. Throws as
 * `examples` does.
 *
 * @param size rows of a batch
 */
export function batches(rows: PlainRows, { size, epochs = 1 }: { size: number; epochs?: number }): Table[] {
  const { fields, values, labels, split, width, perRow } = arraysOf(rows)
  const steps = Math.ceil(labels.length / size)
  return Array.from({ length: epochs * steps }, (_, i) => {
    const start = (i % steps) * size
    const end = Math.min(start + size, labels.length)
    const position = { epoch: Math.floor(i / steps) + 1, step: i + 1, epochs, steps }
    return examplesTable(
      fields,
      values.subarray(start * width, end * width),
      labels.subarray(start, end),
      split,
      position,
      undefined,
      slicePerRow(perRow, start, end),
    )
  })
}

interface Arrays {
  readonly fields: [Field, Field]
  readonly values: Uint8Array | Float32Array
  readonly labels: Int32Array
  readonly split: string
  readonly width: number
  readonly perRow: PerRow
}

function arraysOf(rows: PlainRows): Arrays {
  const {
    values,
    labels = values.map(() => 0),
    type = 'uint8',
    split = 'train',
    affine,
    names,
    weights,
    rows: numbers,
  } = rows
  const { shape = [values[0]?.length ?? 0] } = rows
  const largest = labels.reduce((most, label) => Math.max(most, label), -1)
  const { classes = Array.from({ length: largest + 1 }, (_, i) => String(i)) } = rows
  const width = widthOf(shape)
  if (values.some((row) => row.length !== width))
    throw new RangeError(`values: expected ${width} in each row, because the shape is ${shape.join('x')}`)
  if (labels.length !== values.length)
    throw new RangeError(`labels: expected one for each of the ${counted(values.length, 'row')}, got ${labels.length}`)
  for (const [name, given] of Object.entries({ weights, rows: numbers }))
    if (given && given.length !== values.length)
      throw new RangeError(
        `${name}: expected one for each of the ${counted(values.length, 'row')}, got ${given.length}`,
      )
  const wrongLabel = labels.find((label) => !(label in classes))
  if (wrongLabel !== undefined)
    throw new RangeError(`labels: expected indices into the ${counted(classes.length, 'class')}, got ${wrongLabel}`)
  const flat = values.flat()
  const isByte = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= 255
  const wrong = type === 'uint8' ? flat.find((value) => !isByte(value)) : undefined
  if (wrong !== undefined)
    throw new RangeError(`values: expected whole numbers from 0 to 255, got ${wrong}; give type: 'float32'`)
  const stored = type === 'uint8' ? Uint8Array.from(flat) : Float32Array.from(flat)
  return {
    fields: exampleFields({ shape, classes, affine, names, ...(weights && { weighted: true }) }, stored),
    values: stored,
    labels: Int32Array.from(labels),
    split,
    width,
    perRow: {
      ...(numbers && { row: Int32Array.from(numbers) }),
      ...(weights && { weight: Float32Array.from(weights) }),
    },
  }
}

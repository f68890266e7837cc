import type { Table } from 'apache-arrow'
import {
  type Affine,
  exampleFields,
  examplesTable,
  kernelRows,
  type Position,
  parametersTables,
  positionOf,
} from '../../dist/pipeline/stage-kit.js'

export interface Layout {
  readonly split?: string
  readonly shape?: readonly number[]
  readonly classes?: readonly string[]
  readonly affine?: Affine
  readonly position?: Position
}

const letters = ['a', 'b', 'c']

/** A table of a few examples, uint8 unless told otherwise. */
export function examples(
  rows: readonly (readonly number[])[],
  labels: readonly number[],
  { split = 'train', shape = [rows[0]?.length ?? 2], classes = letters, affine, position }: Layout = {},
  Values: Uint8ArrayConstructor | Float32ArrayConstructor = Uint8Array,
): Table {
  const values = Values.from(rows.flat())
  return examplesTable(
    exampleFields({ shape, classes, affine }, values),
    values,
    Int32Array.from(labels),
    split,
    position,
  )
}

/** `count` rows `[10 i, 10 i + 1]` with the labels 0, 1, 2, 0, … : the values tell which row it is. */
export function countedExamples(count: number, layout: Layout = {}): Table {
  const index = Array.from({ length: count }, (_, i) => i)
  return examples(
    index.map((i) => [10 * i, 10 * i + 1]),
    index.map((i) => i % 3),
    { shape: [2], ...layout },
  )
}

/** Counted examples cut into batches of `sizes` rows, the same ones in every epoch. */
export function countedBatches(sizes: readonly number[], epochs: number): Table[] {
  const steps = sizes.length
  return Array.from({ length: epochs }, (_, e) => e + 1).flatMap((epoch) => {
    let row = 0
    return sizes.map((size, i) => {
      const index = Array.from({ length: size }, () => row++)
      const position = { epoch, step: (epoch - 1) * steps + i + 1, epochs, steps }
      return examples(
        index.map((i) => [10 * i, 10 * i + 1]),
        index.map((i) => i % 3),
        { position },
      )
    })
  })
}

/** Softmax parameters for as many classes as there are rows in `W`. */
export function parameters(
  W: readonly (readonly number[])[],
  b: readonly number[],
  position: Position = { epoch: 1, step: 1, epochs: 1, steps: 1 },
  lambda = 0,
): Table {
  const width = W[0]!.length
  const arrays = [
    { name: 'W', shape: [W.length, width], values: Float64Array.from(W.flat()) },
    { name: 'b', shape: [b.length], values: Float64Array.from(b) },
  ]
  const classes = letters.slice(0, W.length)
  return parametersTables({ learner: 'softmax', options: {}, shape: [width], classes, lambda, arrays })(position, 0.1)
}

/** The features of each row, with the affine map applied where there is one. */
export function featuresIn(table: Table): number[][] {
  const { values, labels, affine } = kernelRows(table)
  const width = values.length / labels.length
  return Array.from(labels, (_, i) =>
    Array.from(values.subarray(i * width, (i + 1) * width), (x, j) =>
      affine ? (x - affine.mean[j]!) * affine.scale[j]! : x,
    ),
  )
}

export function labelsIn(table: Table): number[] {
  return [...kernelRows(table).labels]
}

/** Epoch and step of each table. */
export function positionsOf(tables: readonly Table[]): [number, number][] {
  return tables.map((table) => [positionOf(table).epoch, positionOf(table).step])
}

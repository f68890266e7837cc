import type { Table } from 'apache-arrow'
import {
  type ExamplesLayout,
  exampleFields,
  examplesTable,
  MODEL_SPLIT,
  type ModelInputs,
  PipelineError,
  type StageContext,
  someOf,
} from '../../pipeline/stage-kit.js'

/** Rows that are read for a trained model. */
export interface ModelRows {
  /** Row-major. */
  readonly values: Uint8Array
  /** The class of each row, -1 where it is not known. */
  readonly labels: Int32Array
}

/**
 * Makes a table of the split `data` of each piece of rows, so that no more than a piece is in memory. Throws a PipelineError
 * `DATA` in a divided run, whose rows would have to be dealt.
 */
export async function* modelTables(
  { shape, classes }: Pick<ExamplesLayout, 'shape' | 'classes'>,
  pieces: AsyncIterable<ModelRows> | Iterable<ModelRows>,
  context: StageContext,
): AsyncGenerator<Table> {
  if (context.parallel.isDivided)
    throw new PipelineError('DATA', 'rows for a trained model are read by one process; leave `parallel` out')
  const fields = exampleFields({ shape, classes }, new Uint8Array(0))
  let first = 0
  for await (const { values, labels } of pieces) {
    const row = labels.map((_, i) => first + i)
    first += labels.length
    yield examplesTable(fields, values, labels, MODEL_SPLIT, undefined, undefined, { row })
  }
}

/** Reports options that a load stage cannot have together with `model`. */
export function checkWithoutModel(
  given: Readonly<Record<string, unknown>>,
  names: readonly string[],
  problem: (path: string, message: string) => void,
): void {
  for (const name of names)
    if (given[name] !== undefined)
      problem(name, 'with `model` all rows are read for that model, with its classes; leave out one of the two')
}

/** Throws a PipelineError `DATA` if examples of `path` have another shape than those that the model was trained on. */
export function checkModelShape(path: string, shape: readonly number[], model: ModelInputs): void {
  if (shape.join() === model.shape.join()) return
  throw new PipelineError(
    'DATA',
    `${path}: expected examples of ${model.shape.join(' × ')}, as the model was trained on, found ${shape.join(' × ')}`,
  )
}

/**
 * The classes of the model, by the bytes that label them in a file: the class of that name, or the class at that index if
 * the names are no numbers. Undefined for a byte that is no class.
 */
export function classesOfBytes({ classes }: ModelInputs): (byte: number) => number | undefined {
  const isNumbered = classes.every((name) => /^\d+$/.test(name))
  const codes = new Map(classes.map((name, i) => [isNumbered ? Number(name) : i, i]))
  return (byte) => codes.get(byte)
}

/** The error for a label that is no class of the model. */
export function noClassOfModel(place: string, found: string | number, { classes }: ModelInputs): PipelineError {
  return new PipelineError('DATA', `${place}: expected a class of the model (${someOf(classes)}), found ${found}`)
}

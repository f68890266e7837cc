import {
  counted,
  type Flow,
  isInFile,
  type OpenModel,
  PipelineError,
  type Rows,
  type RowsOrSource,
  slices,
  windowsOf,
} from '../pipeline/stage-kit.js'

/**
 * Cuts the rows of a split into pieces for one kernel call each. Throws a PipelineError `DATA` if the rows do not have
 * `features` features.
 */
export function piecesOf(rows: Rows, split: string, features: number, model: OpenModel): Iterable<Rows> {
  const { values, labels } = rows
  if (values.length !== labels.length * features)
    throw new PipelineError(
      'DATA',
      `the parameters are for ${counted(features, 'feature')}, the split "${split}" has ${values.length / labels.length}`,
    )
  return slices(rows, model.rowsPerCall)
}

/**
 * Cuts rows of which some lie in a file into the same pieces. Reads windows of whole pieces, the next one while kernels work on
 * this one.
 *
 * @param cut cuts the rows of a window into pieces
 * @param window the most bytes of a window, if a piece is not larger
 * @param areBorrowed whether the caller is done with a piece when it asks for the next one: its memory is then used again
 */
export async function* piecesInFile(
  parts: readonly RowsOrSource[],
  cut: (rows: Rows) => Iterable<Rows>,
  { rowsPerCall }: Pick<OpenModel, 'rowsPerCall'>,
  window: number,
  areBorrowed = false,
): AsyncGenerator<Rows> {
  for (const rows of parts) {
    if (!isInFile(rows)) {
      yield* cut(rows)
      continue
    }
    const step = rowsPerCall * Math.max(1, Math.floor(window / (rowsPerCall * rows.rowBytes)))
    for await (const window of windowsOf(rows, step, areBorrowed)) yield* cut(window)
  }
}

/** The most of these rows that one kernel call of a step should get. */
export function mostInStep(rows: Rows, model: OpenModel): number {
  return model.needsWholeBatch ? rows.labels.length : model.rowsPerCall
}

/** Adds rows to the sums of a step, with as many kernel calls as they need. */
export async function accumulate(rows: Rows, model: OpenModel, flow: Pick<Flow, 'yieldToEventLoop'>): Promise<void> {
  for (const piece of slices(rows, mostInStep(rows, model))) {
    model.accumulate(piece)
    await flow.yieldToEventLoop()
  }
}

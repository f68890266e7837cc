import { type Flow, type OpenModel, PipelineError, type Rows, slices } from '../pipeline/stage-kit.js'

/**
 * Cuts the rows of a split into pieces for one kernel call each. Throws a PipelineError `DATA` if the rows do not have
 * `features` features.
 */
export function piecesOf(rows: Rows, split: string, features: number, model: OpenModel): Iterable<Rows> {
  const { values, labels } = rows
  if (values.length !== labels.length * features)
    throw new PipelineError(
      'DATA',
      `the parameters are for ${features} features, the split "${split}" has ${values.length / labels.length}`,
    )
  return slices(rows, model.rowsPerCall)
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

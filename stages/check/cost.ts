import {
  type Arrays,
  type CostAround,
  type Later,
  type OpenModel,
  type Rows,
  slices,
} from '../../pipeline/stage-kit.js'
import type { Subject } from './analytic.js'

/** Like `CostAround`, but `moved` may return a promise. */
export interface SlowCostAround extends Omit<CostAround, 'moved'> {
  /** Returns loss and penalty with element `index` of `array` set to `value`. */
  moved(array: string, index: number, value: number): Later<ReturnType<CostAround['moved']>>
}

/**
 * Prepares the cost of a learner near some parameters. Uses the learner's own `costAround` if it has one; otherwise the
 * whole loss is computed again for each moved number.
 *
 * @param model opened with the reference kernels and loaded with `parameters`
 */
export async function costAround(
  { learner, data, own }: Subject,
  model: OpenModel,
  rows: Rows,
  parameters: Arrays,
  pause: () => Promise<void> | undefined,
): Promise<SlowCostAround> {
  if (learner.costAround) return learner.costAround(model, rows, parameters, pause, data, own)
  const pieces = [...slices(rows, model.rowsPerCall)]
  const here = copied(parameters)

  async function cost(): Promise<{ loss: number; penalty: number }> {
    let sum = 0
    for (const piece of pieces) {
      const [loss] = await model.evaluate(piece)
      sum += loss!
      if (pieces.length > 1) await pause()
    }
    return { loss: sum / rows.labels.length, penalty: await model.penalty() }
  }

  async function moved(array: string, index: number, value: number): Promise<{ loss: number; penalty: number }> {
    const values = here[array]!
    const before = values[index]!
    values[index] = value
    model.load(here)
    try {
      return await cost()
    } finally {
      values[index] = before
    }
  }

  model.load(here)
  return { ...(await cost()), moved }
}

/** Copies the arrays in float64. */
function copied(arrays: Arrays): Record<string, Float64Array> {
  return Object.fromEntries(Object.entries(arrays).map(([name, values]) => [name, Float64Array.from(values)]))
}

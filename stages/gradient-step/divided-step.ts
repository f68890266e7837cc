import type { Table } from 'apache-arrow'
import { type Rows, rowsPerCall, type Softmax, slices } from '../../kernels/index.js'
import { extentOf, type Parallel, type Position, partsOf, type StageContext } from '../../pipeline/stage-kit.js'

/** What stands behind the gradient in a vector: the loss, and whether a rank was asked to stop. */
const EXTRA = 2

/**
 * Makes the function that takes one step of a divided run: each shard's share of the mean gradient and loss of the
 * batch, added up over all shards, and then the same step on every rank. Returns the batch's mean loss.
 */
export function dividedStep(model: Softmax, parallel: Parallel, { kernels, flow }: StageContext) {
  const { W, b } = model.parameters
  const Numbers = kernels.precision === 'float64' ? Float64Array : Float32Array
  const length = W.length + b.length + EXTRA
  const vectors = Array.from({ length: parallel.mode === 'fast' ? 1 : parallel.own.length }, () => new Numbers(length))
  const most = rowsPerCall(kernels, model)

  function gradientIn(vector: Float32Array | Float64Array) {
    return { W: vector.subarray(0, W.length), b: vector.subarray(W.length, W.length + b.length) }
  }

  async function accumulate(rows: Rows): Promise<number> {
    for (const piece of slices(rows, most)) {
      model.accumulate(piece)
      await flow.yieldToEventLoop()
    }
    return rows.labels.length
  }

  /** Writes the share that `count` accumulated rows have in the mean over `rows`. */
  function share(vector: Float32Array | Float64Array, count: number, rows: number): void {
    if (count === 0) {
      vector.fill(0)
      return
    }
    const { loss } = model.gradient(0, gradientIn(vector))
    vector[length - 2] = loss
    const weight = count / rows
    for (let i = 0; i < length - 1; i++) vector[i]! *= weight
    vector[length - 1] = 0
  }

  return async (batch: Table, { step }: Position, eta: number, lambda: number): Promise<number> => {
    parallel.at(`step ${step}`)
    const { rows } = extentOf(batch)
    let count = 0
    for (const [i, part] of partsOf(batch).entries()) {
      count += await accumulate(part)
      if (parallel.mode === 'fast') continue
      share(vectors[i]!, count, rows)
      count = 0
    }
    if (parallel.mode === 'fast') share(vectors[0]!, count, rows)
    vectors[0]![length - 1] = Number(parallel.stopping)
    const sum = await parallel.sum<Float32Array | Float64Array>(vectors)
    model.descend(gradientIn(sum), eta, lambda)
    if (sum[length - 1]! > 0) parallel.stop()
    return sum[length - 2]!
  }
}

import type { Table } from 'apache-arrow'
import { accumulate, type StepRows } from '../../learners/index.js'
import {
  type ArraySpec,
  type Arrays,
  extentOf,
  type Numbers,
  type OpenModel,
  type Parallel,
  type Position,
  partsOf,
  type Rows,
  rowsBefore,
  type StageContext,
  trainedOf,
  widthOf,
} from '../../pipeline/stage-kit.js'
import type { Stepper } from './step.js'

/** Number of entries after the gradient in a vector: the loss, and whether a rank was asked to stop. */
const EXTRA = 2

/**
 * Returns a function that makes one step of a divided run. Each shard computes its share of the mean gradient and loss
 * of the batch, the shares are added up over all shards, and every rank makes the same step. The function returns the
 * mean loss of the batch.
 */
export function dividedStep(
  {
    model,
    specs,
    stepper,
    stepRows,
  }: {
    readonly model: OpenModel
    readonly specs: readonly ArraySpec[]
    readonly stepper: Stepper
    readonly stepRows: StepRows
  },
  parallel: Parallel,
  { kernels, flow }: StageContext,
) {
  const offsets = new Map<string, readonly [from: number, to: number]>()
  let size = 0
  for (const { name, shape } of trainedOf(specs)) {
    const from = size
    size += widthOf(shape)
    offsets.set(name, [from, size])
  }
  const vectorOf = kernels.precision === 'float64' ? Float64Array : Float32Array
  const length = size + EXTRA
  const count = parallel.mode === 'fast' ? 1 : parallel.own.length
  const vectors = Array.from({ length: count }, () => new vectorOf(length))

  /** The arrays of the gradient as views of a vector. */
  function gradientIn(vector: Numbers): Arrays {
    return Object.fromEntries([...offsets].map(([name, [from, to]]) => [name, vector.subarray(from, to)]))
  }

  /** Writes the share that `count` accumulated rows have in the mean over `rows`. */
  async function writeShare(vector: Numbers, count: number, rows: number): Promise<void> {
    if (count === 0) {
      vector.fill(0)
      return
    }
    const own = gradientIn(vector)
    const { arrays, loss } = await model.gradient(0, own)
    for (const [name, values] of Object.entries(own)) if (arrays[name] !== values) values.set(arrays[name]!)
    vector[length - 2] = loss
    const weight = count / rows
    for (let i = 0; i < length - 1; i++) vector[i]! *= weight
    vector[length - 1] = 0
  }

  /**
   * Numbers of the rows of a shard in their batch, others than those of all other shards: their places, if the batch has
   * its rows in the order of the split, of which row `i` belongs to shard `i % shards`.
   */
  function placesOf(shard: number, first: number, { labels }: Rows): Int32Array {
    const { shards } = parallel
    const start = shard + shards * rowsBefore(first, shard, shards) - first
    return Int32Array.from(labels, (_, i) => start + shards * i)
  }

  return async (batch: Table, { step }: Position, eta: number, draw: number): Promise<number> => {
    parallel.at(`step ${step}`)
    const { first, rows } = extentOf(batch)
    let own = 0
    for (const [i, part] of partsOf(batch).entries()) {
      const places = placesOf(parallel.own[i]!, first, part)
      await accumulate(stepRows.prepared(part, draw, places), model, flow)
      own += part.labels.length
      if (parallel.mode === 'fast') continue
      await writeShare(vectors[i]!, own, rows)
      own = 0
    }
    if (parallel.mode === 'fast') await writeShare(vectors[0]!, own, rows)
    vectors[0]![length - 1] = Number(parallel.stopping)
    const sum = await parallel.sum<Numbers>(vectors)
    await stepper.apply(gradientIn(sum), eta, step)
    if (sum[length - 1]! > 0) parallel.stop()
    return sum[length - 2]!
  }
}

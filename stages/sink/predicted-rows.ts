import {
  countRows,
  type ExampleRows,
  type Parallel,
  PipelineError,
  type Rows,
  rowsBefore,
} from '../../pipeline/stage-kit.js'

/** The predictions of the last parameters for each row of a split. */
export interface PredictedRows {
  /** The split. */
  readonly split: string
  /** Names of the classes; labels are indices into them. */
  readonly classes: readonly string[]
  /** Shape of one example, slowest axis first. */
  readonly shape: readonly number[]
  /** The number of each row in its source, from 0; in the split if the examples do not tell. */
  readonly row: Int32Array
  /** The true class of each row. */
  readonly labels: Int32Array
  /** The class with the largest score of each row, the first of equals. */
  readonly predicted: Int32Array
  /** The confidence in that class: a probability from 0 to 1, or a score; see `confidenceIs`. */
  readonly confidence: Float64Array
  /** The kind of numbers in `confidence`. */
  readonly confidenceIs: 'probability' | 'score'
  /**
   * Returns the stored features of these rows, one array per row. In a divided run they come from the ranks that hold
   * them, so all ranks must call this with the same rows.
   */
  features(rows: readonly number[]): Promise<(Uint8Array | Float32Array)[]>
}

/**
 * Joins the predictions of all ranks, on every rank, in the order of the split. Throws a PipelineError `DATA` if the
 * split has no rows.
 */
export async function ofAllRanks(
  own: Omit<PredictedRows, 'features' | 'row'>,
  held: readonly (readonly ExampleRows[])[],
  width: number,
  parallel: Parallel,
): Promise<PredictedRows> {
  const { shards } = parallel
  const ownCounts = held.map(countRows)
  const counts = await parallel.gather(ownCounts.map((count) => Float64Array.of(count)))
  const most = Math.max(...counts.map(([count]) => count!))
  const rows = counts.reduce((sum, [count]) => sum + count!, 0)
  if (rows === 0) throw new PipelineError('DATA', `the split "${own.split}" has no rows to classify`)
  let at = 0
  const vectors = held.map((parts) => {
    const vector = new Float64Array(4 * most)
    let i = 0
    for (const { labels, row } of parts)
      for (let j = 0; j < labels.length; j++, i++, at++)
        vector.set([own.labels[at]!, own.predicted[at]!, own.confidence[at]!, row?.[j] ?? -1], 4 * i)
    return vector
  })
  const all = await parallel.gather(vectors)
  const [labels, predicted, confidence] = [new Int32Array(rows), new Int32Array(rows), new Float64Array(rows)]
  const numbers = new Int32Array(rows)
  for (let row = 0; row < rows; row++) {
    const found = all[row % shards]!.subarray(4 * Math.floor(row / shards))
    ;[labels[row], predicted[row], confidence[row]] = [found[0]!, found[1]!, found[2]!]
    numbers[row] = found[3]! < 0 ? row : found[3]!
  }

  /** The vector of a shard has the features of its own rows, and zeros for all other rows. */
  async function features(asked: readonly number[]): Promise<(Uint8Array | Float32Array)[]> {
    const isBytes = held.flat()[0]?.values instanceof Uint8Array
    const own = parallel.own.map((shard, k) => {
      const vector = new Float64Array(asked.length * width)
      for (const [i, row] of asked.entries())
        if (row % shards === shard) vector.set(valuesOf(held[k]!, rowsBefore(row, shard, shards), width), i * width)
      return vector
    })
    const gathered = await parallel.gather(own)
    return asked.map((row, i) =>
      (isBytes ? Uint8Array : Float32Array).from(gathered[row % shards]!.subarray(i * width, (i + 1) * width)),
    )
  }

  return { ...own, row: numbers, labels, predicted, confidence, features }
}

/** Returns the features of row `row`, counted over all parts. */
function valuesOf(parts: readonly Rows[], row: number, width: number): Rows['values'] {
  let at = row
  for (const { values, labels } of parts) {
    if (at < labels.length) return values.subarray(at * width, (at + 1) * width)
    at -= labels.length
  }
  throw new RangeError(`there is no row ${row}`)
}

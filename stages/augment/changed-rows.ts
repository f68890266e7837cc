import type { Table } from 'apache-arrow'
import type { OperatorFunction } from 'rxjs'
import {
  type Affine,
  batchOfShards,
  type ExampleRows,
  extentOf,
  fieldsOf,
  kernelRows,
  layoutOf,
  partsOf,
  positionOf,
  type Random,
  type StageContext,
  splitOf,
  widthOf,
} from '../../pipeline/stage-kit.js'

/** The values of one example, in the unit in which they were loaded. */
export type Example = Uint8Array | Float32Array | Float64Array

/** Where the new values of one example are written. Bytes are rounded and clipped to 0 … 255 there. */
export type NewExample = Uint8ClampedArray | Float32Array | Float64Array

/** Writes the changed example `from` to `to`, every value of it. */
export type Change = (from: Example, to: NewExample, random: Random) => void

/**
 * Emits each batch with its rows changed, in new memory. Bytes stay bytes. Floats that are standardised already are
 * taken back to the unit in which they were loaded, changed, and standardised again.
 *
 * The random numbers of a batch are a stream of its step, drawn from in the order of its rows; in a divided run a stream
 * of its step and shard. So they depend neither on threads nor on the number of processes, and a resumed run draws the
 * same ones.
 *
 * @param changeOf makes the change for examples of a shape; it is called once for each batch
 */
export function changedRows(
  context: StageContext,
  changeOf: (shape: readonly number[]) => Change,
): OperatorFunction<Table, Table> {
  const { flow, parallel, random } = context
  return flow.concatMap(async (batch) => {
    const position = positionOf(batch)
    const layout = layoutOf(batch)
    const change = changeOf(layout.shape)
    const parts = parallel.isDivided ? partsOf(batch) : [kernelRows(batch)]
    const changed: ExampleRows[] = []
    for (const [i, { values, labels, ...rest }] of parts.entries()) {
      const stream = random(parallel.isDivided ? `shard ${parallel.own[i]}` : 'rows', position.step)
      const copy = values instanceof Uint8Array ? new Uint8Array(values.length) : new Float32Array(values.length)
      const write = rowWriter(values, copy, widthOf(layout.shape), layout.applied, change, stream)
      for (let row = 0; row < labels.length; row++) {
        write(row)
        const pause = flow.yieldToEventLoop()
        if (pause) await pause
      }
      changed.push({ values: copy, labels, ...rest })
    }
    return batchOfShards(fieldsOf(batch), changed, splitOf(batch), position, extentOf(batch), parallel)
  })
}

/** Returns a function that changes one row of `values` and writes it to `copy`. */
function rowWriter(
  values: Uint8Array | Float32Array,
  copy: Uint8Array | Float32Array,
  width: number,
  applied: Affine | undefined,
  change: Change,
  random: Random,
): (row: number) => void {
  const to = copy instanceof Uint8Array ? new Uint8ClampedArray(copy.buffer) : copy
  if (!applied || values instanceof Uint8Array)
    return (row) => {
      const [start, end] = [row * width, (row + 1) * width]
      change(values.subarray(start, end), to.subarray(start, end), random)
    }
  const { mean, scale } = applied
  const [loaded, next] = [new Float64Array(width), new Float64Array(width)]
  return (row) => {
    const start = row * width
    for (let j = 0; j < width; j++) loaded[j] = scale[j] === 0 ? mean[j]! : values[start + j]! / scale[j]! + mean[j]!
    change(loaded, next, random)
    for (let j = 0; j < width; j++) copy[start + j] = (next[j]! - mean[j]!) * scale[j]!
  }
}

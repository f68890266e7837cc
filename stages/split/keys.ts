import type { Table } from 'apache-arrow'
import {
  type ExamplesLayout,
  hashOfNumbers,
  kernelRows,
  layoutOf,
  PipelineError,
  type StageContext,
  someOf,
  turn,
  widthOf,
} from '../../pipeline/stage-kit.js'

/** The features that tell which rows belong together, by name or index; `all`: all of them. */
export type GroupOption = 'all' | readonly (string | number)[]

/**
 * Makes a key for each row: rows with equal values in these features have equal keys. It is a hash of 53 bits, so among
 * a million different rows, two have equal keys with a probability of 1 in 18,000.
 *
 * Rejects with a PipelineError `DATA` if there is no feature of a name or index.
 *
 * @param values row-major, as they are stored
 * @param keys gets the keys
 */
export async function keysIn(
  values: Uint8Array | Float32Array,
  keys: Float64Array,
  { shape, names }: ExamplesLayout,
  group: GroupOption,
  context: StageContext,
): Promise<void> {
  const width = widthOf(shape)
  const chosen = group === 'all' ? undefined : group.map((feature) => indexOf(feature, names, width))
  const own = values instanceof Uint8Array ? new Uint8Array(chosen?.length ?? 0) : new Float32Array(chosen?.length ?? 0)
  for (let row = 0; row < keys.length; row++) {
    const from = row * width
    if (!chosen) keys[row] = hashOfNumbers(values, from, from + width, 0)
    else {
      for (const [i, j] of chosen.entries()) own[i] = values[from + j]!
      keys[row] = hashOfNumbers(own, 0, own.length, 0)
    }
    if (row % 256 === 0) await turn(context)
  }
}

/** The keys of the rows of a table. */
export async function keysOf(table: Table, group: GroupOption, context: StageContext): Promise<Float64Array> {
  const { values, labels } = kernelRows(table)
  const keys = new Float64Array(labels.length)
  await keysIn(values, keys, layoutOf(table), group, context)
  return keys
}

function indexOf(feature: string | number, names: readonly string[] | undefined, width: number): number {
  if (typeof feature === 'string') {
    const at = names?.indexOf(feature) ?? -1
    if (at >= 0) return at
    throw new PipelineError(
      'DATA',
      names
        ? `group: there is no feature "${feature}"; features: ${someOf(names)}`
        : `group: the features have no names, expected indices from 0 to ${width - 1}, got "${feature}"`,
    )
  }
  if (feature < width) return feature
  throw new PipelineError('DATA', `group: expected an index from 0 to ${width - 1}, got ${feature}`)
}

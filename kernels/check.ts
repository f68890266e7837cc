import {
  type Affine,
  type Arrays,
  lossNames,
  type NetworkShape,
  type NetworkStep,
  type Numbers,
  type Rows,
  type SgdStep,
} from './contract.js'
import { type ArraySpec, arraysOfNetwork, widthOf } from './network-shape.js'

/* Checks of the arguments of kernels, with the same messages for every implementation. */

/**
 * The largest sizes. The native code computes products of them in 64 bits. The wasm code computes the working memory of
 * this many classes in 32 bits. The weights become one list in an Arrow table, whose offsets are int32.
 */
const MOST = { features: 2 ** 28, classes: 2 ** 20, weights: 2 ** 31 - 1 }

/** The two arrays of one dense layer. */
export interface LayerArrays {
  /** Weights, row-major `[classes, features]`. */
  readonly W: Numbers
  /** Biases, `[classes]`. */
  readonly b: Numbers
}

/** Throws a RangeError if a network has no layers, or sizes that are out of range. */
export function checkNetwork({ features, layers, loss, smoothing = 0 }: NetworkShape): void {
  if (layers.length === 0) throw new RangeError('expected at least one layer')
  if (!lossNames.includes(loss)) throw new RangeError(`expected a loss of ${lossNames.join(', ')}, got ${loss}`)
  if (!(smoothing >= 0 && smoothing < 1)) throw new RangeError(`expected a smoothing of 0 to 1, got ${smoothing}`)
  if (layers.every(({ frozen }) => frozen)) throw new RangeError('expected a layer that is not frozen')
  let inputs = features
  for (const { units, dropout = 0 } of layers) {
    checkShape(inputs, units)
    if (!(dropout >= 0 && dropout < 1)) throw new RangeError(`expected a dropout of 0 to below 1, got ${dropout}`)
    inputs = units
  }
}

/** Throws a RangeError if the number of features or classes, or their product, is out of range. */
function checkShape(features: number, classes: number): void {
  for (const [name, size] of Object.entries({ features, classes })) {
    const most = MOST[name as keyof typeof MOST]
    if (!Number.isInteger(size) || size < 1 || size > most)
      throw new RangeError(`expected 1 to ${most} ${name}, got ${size}`)
  }
  if (features * classes > MOST.weights)
    throw new RangeError(
      `${features} features and ${classes} classes make ${features * classes} weights, ` +
        `a classifier has ${MOST.weights} at most`,
    )
}

/** Throws a RangeError if rows have too few values, or an affine map of another width. */
export function checkRows(rows: Rows, features: number): void {
  const { values, labels } = rows
  const expected = labels.length * features
  if (values.length < expected)
    throw new RangeError(`${labels.length} rows of ${features} features need ${expected} values, got ${values.length}`)
  const affine = affineOf(rows)
  if (affine) {
    checkWidth(affine.mean, features)
    checkWidth(affine.scale, features)
  }
}

function checkWidth({ length }: Float64Array, features: number): void {
  if (length !== features) throw new RangeError(`an affine map of ${features} features cannot have ${length} entries`)
}

/**
 * Throws a RangeError if rows of a step have weights that the network would not use, too few of them, or lack a mask of a
 * layer with dropout.
 */
export function checkStepRows(
  { labels: { length }, weights, masks }: Rows,
  { layers, weighted }: Pick<NetworkShape, 'layers' | 'weighted'>,
): void {
  if (!weighted) checkUnweighted({ weights })
  if (weights && weights.length < length) throw new RangeError(`${length} rows cannot have ${weights.length} weights`)
  for (const [l, { units, dropout }] of layers.entries()) {
    const found = masks?.[l]?.length ?? 0
    if (dropout && found < length * units)
      throw new RangeError(`layer ${l + 1} needs a mask of ${length * units} for its dropout, got ${found}`)
  }
}

/** Throws a RangeError if rows have weights, for a network that would not use them. */
export function checkUnweighted({ weights }: Pick<Rows, 'weights'>): void {
  if (weights) throw new RangeError('the network is not weighted, so its rows cannot have weights')
}

/** Throws a RangeError if a label is not a class. */
export function checkLabels({ labels }: Rows, classes: number): void {
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!
    if (label < 0 || label >= classes) throw new RangeError(`label ${label} of row ${i} is not in 0 … ${classes - 1}`)
  }
}

/** Throws a RangeError unless `out` has room for a score per row and class. */
export function checkScores(rows: Rows, classes: number, out: ArrayLike<number>): void {
  const expected = rows.labels.length * classes
  if (out.length < expected)
    throw new RangeError(`${rows.labels.length} rows have ${expected} scores, there is room for ${out.length}`)
}

/** Returns the arrays `W` and `b`. Throws a RangeError if one is missing or has a wrong length. */
export function checkedArrays(given: Arrays, features: number, classes: number): LayerArrays {
  const { W, b } = checkedNetworkArrays(given, arraysOfNetwork({ features, layers: [{ units: classes }] }))
  return { W: W!, b: b! }
}

/** Returns the arrays of a network. Throws a RangeError if one is missing or has a wrong length. */
export function checkedNetworkArrays<A extends Numbers>(
  given: Arrays<A>,
  specs: readonly ArraySpec[],
): Readonly<Record<string, A>> {
  const sizes = specs.map(({ name, shape }) => ({ name, size: widthOf(shape) }))
  if (sizes.every(({ name, size }) => given[name]?.length === size)) return given
  const expected = sizes.map(({ name, size }) => `${name} of ${size}`)
  const got = sizes.map(({ name }) => String(given[name]?.length ?? 'none'))
  throw new RangeError(`expected ${inWords(expected)} numbers, got ${inWords(got)}`)
}

function inWords(parts: readonly string[]): string {
  return [parts.slice(0, -1).join(', '), parts.at(-1)].filter(Boolean).join(' and ')
}

/** Throws a RangeError unless values are whole rows. */
export function checkWhole(values: Uint8Array, features: number): void {
  if (values.length % features !== 0)
    throw new RangeError(`${values.length} values are not rows of ${features} features`)
}

/** Throws a RangeError if a step or a gradient has no row at all. */
export function checkAny(count: number): void {
  if (count === 0) throw new RangeError('expected at least one row to take a gradient of')
}

/** Returns a step of plain descent. Throws a RangeError for any other: this network does not perform its rule. */
export function checkedRule(update: NetworkStep): SgdStep {
  if (update.rule !== 'sgd') throw new RangeError(`expected a step of sgd, got one of ${update.rule}`)
  return update
}

/** Returns the affine map of rows, or undefined. It applies to uint8 values only. */
export function affineOf({ values, affine }: Rows): Affine | undefined {
  return values instanceof Uint8Array ? affine : undefined
}

/** Throws a RangeError unless `threads` is an integer of at least 1. */
export function checkThreads(threads: number): void {
  if (!Number.isInteger(threads) || threads < 1) throw new RangeError(`expected at least 1 thread, got ${threads}`)
}

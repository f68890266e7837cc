import type { Affine, Parameters, Rows } from './contract.js'

/* What the contract says of arguments: the same checks, with the same words, for every kernel. */

/** What a softmax classifier may have at most, far beyond what it is good for. Native code keeps sizes in 32 bits. */
const MOST = { features: 2 ** 28, classes: 2 ** 20, weights: 2 ** 31 }

/** Throws a RangeError where there is no classifier of that many features and classes. */
export function checkShape(features: number, classes: number): void {
  for (const [name, size] of Object.entries({ features, classes })) {
    const most = MOST[name as keyof typeof MOST]
    if (!Number.isInteger(size) || size < 1 || size > most)
      throw new RangeError(`expected 1 to ${most} ${name}, got ${size}`)
  }
  if (features * classes > MOST.weights)
    throw new RangeError(
      `${features} features and ${classes} classes make ${features * classes} weights, a classifier has ${MOST.weights} at most`,
    )
}

/** Throws a RangeError where rows have too few values, or an affine map of another width. */
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

/** Throws a RangeError where a label is not a class. */
export function checkLabels({ labels }: Rows, classes: number): void {
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!
    if (label < 0 || label >= classes) throw new RangeError(`label ${label} of row ${i} is not in 0 … ${classes - 1}`)
  }
}

/** Throws a RangeError unless `out` has room for a logit per row and class. */
export function checkLogits(rows: Rows, classes: number, out: ArrayLike<number>): void {
  const expected = rows.labels.length * classes
  if (out.length < expected)
    throw new RangeError(`${rows.labels.length} rows have ${expected} logits, there is room for ${out.length}`)
}

/** Throws a RangeError unless parameters have these lengths. */
export function checkParameters({ W, b }: Parameters, features: number, classes: number): void {
  if (W.length !== classes * features || b.length !== classes)
    throw new RangeError(
      `expected W of ${classes * features} and b of ${classes} numbers, got ${W.length} and ${b.length}`,
    )
}

/** Throws a RangeError unless values are whole rows. */
export function checkWhole(values: Uint8Array, features: number): void {
  if (values.length % features !== 0)
    throw new RangeError(`${values.length} values are not rows of ${features} features`)
}

/** Throws where a step or a gradient has no row at all. */
export function checkAny(count: number): void {
  if (count === 0) throw new RangeError('expected at least one row to take a gradient of')
}

/** The map that rows carry: float32 values have none. */
export function affineOf({ values, affine }: Rows): Affine | undefined {
  return values instanceof Uint8Array ? affine : undefined
}

/** Throws a RangeError unless `threads` is a number of threads. */
export function checkThreads(threads: number): void {
  if (!Number.isInteger(threads) || threads < 1) throw new RangeError(`expected at least 1 thread, got ${threads}`)
}

import type { Affine, Kernels, Network, Numbers, Rows, SgdStep } from '../../dist/kernels/index.js'

/* Rows and parameters to compare kernels on. */

/** Type of the values, and whether they have an affine map. */
export type Kind = 'uint8' | 'uint8 with affine' | 'float32'
/** All kinds of values. */
export const kinds: Kind[] = ['uint8', 'uint8 with affine', 'float32']

/** What is drawn: how many rows, of which kind, for a layer of which size. */
export interface Shape {
  readonly features: number
  readonly classes: number
  readonly rows: number
  readonly kind: Kind
  readonly seed: number
}

/** The parameters of one dense layer, or their gradient. */
export type Layer<A extends Numbers = Numbers> = { readonly W: A; readonly b: A }

type Immediate<F> = F extends (...args: infer A) => infer R ? (...args: A) => Exclude<R, Promise<unknown>> : F

/** A network of one dense layer whose kernel runs in this process: it returns results and never promises. */
export type HostNetwork = { [K in Exclude<keyof Network, 'read' | 'gradient'>]: Immediate<Network[K]> } & {
  read(): Layer
  gradient(lambda: number, into?: Layer): { readonly arrays: Layer; readonly loss: number }
}

/** Makes one dense layer with cross-entropy on top. */
export function network(kernels: Kernels, features: number, classes: number): HostNetwork {
  return kernels.network({ features, layers: [{ units: classes }], loss: 'cross-entropy' }) as HostNetwork
}

/** The step `W -= eta * (dW + 2 * lambda * W)`, `b -= eta * db`. */
export function sgd(eta: number, lambda: number): SgdStep {
  return { rule: 'sgd', eta, lambda }
}

/** Source text of `network` and `sgd`, for programs that tests run in another process or thread. */
export const helpersSource = `
  const network = (kernels, features, classes) =>
    kernels.network({ features, layers: [{ units: classes }], loss: 'cross-entropy' })
  const sgd = (eta, lambda) => ({ rule: 'sgd', eta, lambda })`

/** Parameters that give scores of about 1, in float32. */
export function randomParameters({ features, classes, kind, seed }: Shape): Layer<Float32Array> {
  const normal = gaussian(seed)
  const typical = Math.sqrt(features) * (kind === 'uint8' ? 128 : 1)
  return {
    W: new Float32Array(classes * features).map(() => normal() / typical),
    b: new Float32Array(classes).map(normal),
  }
}

/** Draws rows; `uint8` values have a typical magnitude of 128, `float32` values of 1. */
export function randomRows({ features, classes, rows, kind, seed }: Shape): Rows {
  const next = random(seed + 1)
  const byte = randomBytes(seed + 1)
  const normal = gaussian(seed + 2)
  const labels = new Int32Array(rows).map(() => next() % classes)
  if (kind === 'float32') return { values: new Float32Array(rows * features).map(normal), labels }
  const values = new Uint8Array(rows * features).map(byte)
  if (kind === 'uint8') return { values, labels }
  const affine: Affine = {
    mean: new Float64Array(features).map(() => 60 + byte() / 2),
    scale: new Float64Array(features).map(() => 1 / (20 + byte() / 4)),
  }
  return { values, labels, affine }
}

/** Rows `from` up to `to`. */
export function part(rows: Rows, features: number, from: number, to: number): Rows {
  const count = rows.labels.length
  return {
    ...rows,
    values: rows.values.subarray(from * features, to * features),
    labels: rows.labels.subarray(from, to),
    ...(rows.weights && { weights: rows.weights.subarray(from, to) }),
    ...(rows.masks && {
      masks: rows.masks.map((mask) => mask?.subarray((from * mask.length) / count, (to * mask.length) / count)),
    }),
  }
}

/** Copies rows into memory of the kernel, 4 bytes behind the start of a cache line. */
export function moved(rows: Rows, kernels: Kernels): Rows {
  const bytes = kernels.allocate(rows.values.byteLength + 4)
  const Values = rows.values.constructor as Uint8ArrayConstructor
  const values = new Values(bytes.buffer, bytes.byteOffset + 4, rows.values.length)
  values.set(rows.values)
  return { ...rows, values }
}

/** Integers uniform in 0 … 255. */
export function randomBytes(seed: number): () => number {
  const next = random(seed)
  return () => next() >>> 24
}

/** Integers uniform in [0, 2^32): mulberry32. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return (t ^ (t >>> 14)) >>> 0
  }
}

function gaussian(seed: number): () => number {
  const next = random(seed)
  return () => Math.sqrt(-2 * Math.log((next() + 1) / 2 ** 32)) * Math.cos((2 * Math.PI * next()) / 2 ** 32)
}

import {
  affineOf,
  checkedArrays,
  checkNetwork,
  checkRows,
  checkScores,
  checkThreads,
  checkUnweighted,
  checkWhole,
} from '../check.js'
import {
  type Affine,
  type Arrays,
  type Evaluation,
  type Gradient,
  type Kernels,
  type Moments,
  type Network,
  type NetworkStep,
  type Numbers,
  type Rows,
  ruleNames,
} from '../contract.js'
import { isSoftmax, type LayerProducts, type LayerStep, ruleNumbers, stateOf } from '../dense-layer.js'
import { layeredNetwork } from '../layered-network.js'
import { allocating, checkLength } from '../memory.js'
import { type Addon, type Handle, loadAddon, type RuleArguments } from './addon.js'

/**
 * `Kernels.slice` by instruction set. One call on one thread takes 50 ms at most; with ten classes or more it takes
 * 3 ms (AVX-512) to 20 ms. With AVX-512, an evaluation of the size of CIFAR-10 (10,000 × 3072 × 10) is one call.
 */
const slices: Record<string, number> = { avx512: 3.2e8, avx2: 1.6e8, portable: 1e8 }

const cacheLine = 64

/** Returns the reason why this machine has no native kernels, or undefined if it has them. */
export function nativeMissing(): string | undefined {
  const loaded = loadAddon()
  return 'missing' in loaded ? loaded.missing : undefined
}

/**
 * Opens the native kernels: float32, with AVX-512, AVX2 or portable instructions. If the addon is not available, throws
 * an Error with the reason (`nativeMissing`).
 *
 * The environment variable `MILLRACE_NATIVE_ISA` (`avx512`, `avx2`, `portable`) chooses the instructions.
 */
export function nativeKernels({ threads }: { threads: number }): Kernels {
  checkThreads(threads)
  const loaded = loadAddon()
  if ('missing' in loaded) throw new Error(loaded.missing)
  const { addon } = loaded
  const kernels = addon.open(threads, process.env.MILLRACE_NATIVE_ISA || undefined)
  const detail = addon.detail(kernels)
  return {
    name: 'native',
    detail,
    threads: addon.threads(kernels),
    precision: 'float32',
    slice: slices[detail]!,
    allocate: (bytes) => allocate(addon, bytes),
    memoryOutlivesClose: true,
    network: (shape) => {
      checkNetwork(shape)
      const { features, layers } = shape
      if (isSoftmax(shape)) return softmax(addon, kernels, features, layers[0]!.units, false)
      return layeredNetwork(shape, (inputs, units) => softmax(addon, kernels, inputs, units, true))
    },
    moments: (values, features) => moments(addon, kernels, values, features),
    close: () => addon.close(kernels),
  }
}

/** One dense layer, with the loss cross-entropy or inside a network. */
function softmax(
  addon: Addon,
  kernels: Handle,
  features: number,
  classes: number,
  isInNetwork: boolean,
): Network & LayerProducts {
  const classifier = allocating(addon.memory(kernels, features, classes, isInNetwork), () =>
    addon.create(kernels, features, classes, isInNetwork),
  )
  const W = floats(addon, classes * features)
  const b = floats(addon, classes)
  const db = new Float32Array(classes)
  const sums = new Float64Array(2)
  let affine: Affine | undefined

  /** Checks rows. Passes their affine map to the addon if it is not the map of the previous rows. */
  function begin(rows: Rows): void {
    checkRows(rows, features)
    const map = affineOf(rows)
    if (map === affine) return
    addon.standardise(classifier, map?.mean, map?.scale)
    affine = map
  }

  function load(parameters: Arrays): void {
    addon.loaded(classifier)
    const given = checkedArrays(parameters, features, classes)
    W.set(given.W)
    b.set(given.b)
  }

  function step(rows: Rows, update: NetworkStep): number {
    checkUnweighted(rows)
    begin(rows)
    const { eta, lambda } = update
    if (update.rule === 'sgd') return addon.step(classifier, W, b, rows.values, rows.labels, eta, lambda)
    const layer = { update, names: { W: 'W', b: 'b' } }
    const loss = addon.step(classifier, W, b, rows.values, rows.labels, eta, lambda, ...ruleOf(layer))
    changeBias(layer)
    return loss
  }

  function ruleOf(layer: LayerStep): RuleArguments {
    const { update } = layer
    return update.rule === 'sgd' ? [] : [ruleNumbers(update), ...stateOf(layer, update), db]
  }

  /** Makes the step of the biases, and folds them. */
  function changeBias({ update, names }: LayerStep): void {
    if (update.rule === 'sgd') return
    update.change(names.b, b, db)
    addon.loadedBias(classifier, W, b)
  }

  function room(rows: number): { output: Float32Array; slope: Float32Array } {
    return { output: floats(addon, rows * classes), slope: floats(addon, rows * classes) }
  }

  function accumulate(rows: Rows): void {
    checkUnweighted(rows)
    begin(rows)
    addon.accumulate(classifier, W, b, rows.values, rows.labels)
  }

  function gradient(lambda: number, into?: Arrays): Gradient {
    const target = into ? checkedArrays(into, features, classes) : undefined
    const dW = (target?.W as Float32Array | undefined) ?? allocating(W.byteLength, () => new Float32Array(W.length))
    const db = (target?.b as Float32Array | undefined) ?? new Float32Array(b.length)
    const loss = addon.gradient(classifier, W, b, lambda, dW, db)
    return { arrays: { W: dW, b: db }, loss }
  }

  function change(write: (parameters: Arrays) => void): void {
    addon.loaded(classifier)
    write({ W, b })
  }

  function evaluate(rows: Rows): Evaluation {
    begin(rows)
    addon.evaluate(classifier, W, b, rows.values, rows.labels, sums)
    return { loss: sums[0]!, correct: sums[1]! }
  }

  function scores(rows: Rows, out: Numbers): void {
    begin(rows)
    checkScores(rows, classes, out)
    addon.logits(classifier, W, b, rows.values, rows.labels, out)
  }

  return {
    features,
    classes,
    rules: ruleNames,
    read: () => ({ W, b }),
    load,
    change,
    step,
    accumulate,
    gradient,
    evaluate,
    penalty: () => addon.penalty(classifier, W, b),
    scores,
    accumulateSlopes: (rows, slopes) => {
      begin(rows)
      addon.accumulateSlopes(classifier, W, b, rows.values, rows.labels, slopes)
    },
    stepSlopes: (rows, slopes, layer) => {
      begin(rows)
      const { eta, lambda } = layer.update
      addon.stepSlopes(classifier, W, b, rows.values, rows.labels, slopes, eta, lambda, ...ruleOf(layer))
      changeBias(layer)
    },
    room,
    outputs: (rows, out, isRelu) => {
      begin(rows)
      addon.outputs(classifier, W, b, rows.values, rows.labels, out, isRelu)
    },
    inputSlopes: (slopes, rows, out, relu) => addon.inputSlopes(classifier, W, b, slopes, rows, out, relu),
    free: () => addon.release(classifier),
  }
}

function floats(addon: Addon, length: number): Float32Array {
  checkLength(length, length * Float32Array.BYTES_PER_ELEMENT)
  return new Float32Array(...place(addon, length * Float32Array.BYTES_PER_ELEMENT), length)
}

function allocate(addon: Addon, bytes: number): Uint8Array {
  checkLength(bytes, bytes)
  return new Uint8Array(...place(addon, bytes), bytes)
}

/** Allocates memory. Returns it with the place of its first cache line. */
function place(addon: Addon, bytes: number): [memory: SharedArrayBuffer, from: number] {
  const memory = allocating(bytes, () => new SharedArrayBuffer(bytes + cacheLine))
  return [memory, (cacheLine - addon.misalignment(new Uint8Array(memory, 0, cacheLine))) % cacheLine]
}

function moments(addon: Addon, kernels: Handle, values: Uint8Array, features: number): Moments {
  checkWhole(values, features)
  const sum = new Float64Array(features)
  const squares = new Float64Array(features)
  const min = new Uint8Array(features)
  const max = new Uint8Array(features)
  addon.moments(kernels, values, features, sum, squares, min, max)
  return { sum, squares, min, max }
}

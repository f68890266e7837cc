import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Rows } from '../contract.js'
import { packagePath } from '../places.js'

/** The exports of `addon.cc`. Handles are opaque. Arrays are read and written in place, during the call only. */
export interface Addon {
  /** Opens kernels with so many threads. Throws an Error if the machine lacks the instructions `isa`. Default: the fastest. */
  open(threads: number, isa: string | undefined): Handle
  /** Ends the threads. */
  close(kernels: Handle): void
  /** The instructions: `avx512`, `avx2` or `portable`. */
  detail(kernels: Handle): string
  /** The number of threads. */
  threads(kernels: Handle): number
  /** How many bytes the memory begins behind a cache line. */
  misalignment(bytes: Uint8Array): number
  /** Writes the statistics of rows, one number per feature. */
  moments(
    kernels: Handle,
    values: Uint8Array,
    features: number,
    sum: Float64Array,
    squares: Float64Array,
    min: Uint8Array,
    max: Uint8Array,
  ): void
  /** Makes a dense layer. */
  create(kernels: Handle, features: number, classes: number, isInNetwork: boolean): Handle
  /** The bytes that `create` would take. */
  memory(kernels: Handle, features: number, classes: number, isInNetwork: boolean): number
  /** Frees a layer. */
  release(classifier: Handle): void
  /** Tells that the parameters were changed from outside. */
  loaded(classifier: Handle): void
  /** Tells that only the biases were. */
  loadedBias(classifier: Handle, W: Float32Array, b: Float32Array): void
  /** Sets the map of the rows that follow; none if undefined. */
  standardise(classifier: Handle, mean: Float64Array | undefined, scale: Float64Array | undefined): void
  /** Makes a step on the sums so far and these rows. Returns the mean loss. */
  step(
    classifier: Handle,
    W: Float32Array,
    b: Float32Array,
    values: Rows['values'],
    labels: Int32Array,
    eta: number,
    lambda: number,
    ...rule: RuleArguments
  ): number
  /** Adds rows to the sums of the step. */
  accumulate(classifier: Handle, W: Float32Array, b: Float32Array, values: Rows['values'], labels: Int32Array): void
  /** Writes the gradient of the sums and clears them. Returns the mean loss. */
  gradient(
    classifier: Handle,
    W: Float32Array,
    b: Float32Array,
    lambda: number,
    dW: Float32Array,
    db: Float32Array,
  ): number
  /** Writes the sum of the losses and the number of correct rows. */
  evaluate(
    classifier: Handle,
    W: Float32Array,
    b: Float32Array,
    values: Rows['values'],
    labels: Int32Array,
    out: Float64Array,
  ): void
  /** The sum of the squared weights. */
  penalty(classifier: Handle, W: Float32Array, b: Float32Array): number
  /** Writes the scores of rows, `[rows, classes]`. */
  logits(
    classifier: Handle,
    W: Float32Array,
    b: Float32Array,
    values: Rows['values'],
    labels: Int32Array,
    out: Float32Array | Float64Array,
  ): void
  /** Adds rows with the slopes of their outputs, `[rows, classes]`, to the sums of the step. */
  accumulateSlopes(
    classifier: Handle,
    W: Float32Array,
    b: Float32Array,
    values: Rows['values'],
    labels: Int32Array,
    slopes: Float32Array,
  ): void
  /** Makes a step on the sums so far and these rows with their slopes. */
  stepSlopes(
    classifier: Handle,
    W: Float32Array,
    b: Float32Array,
    values: Rows['values'],
    labels: Int32Array,
    slopes: Float32Array,
    eta: number,
    lambda: number,
    ...rule: RuleArguments
  ): void
  /** Writes the outputs of rows, `[rows, classes]`, behind a ReLU if there is one. */
  outputs(
    classifier: Handle,
    W: Float32Array,
    b: Float32Array,
    values: Rows['values'],
    labels: Int32Array,
    out: Float32Array,
    isRelu: boolean,
  ): void
  /** Writes the slopes by the inputs, `[rows, features]`; 0 where the ReLU of the layer below, whose outputs are `relu`, is shut. */
  inputSlopes(
    classifier: Handle,
    W: Float32Array,
    b: Float32Array,
    slopes: Float32Array,
    rows: number,
    out: Float32Array,
    relu: Float32Array | undefined,
  ): void
}

/** A rule other than plain descent: its numbers, the state of W, and where the gradient by b goes. */
export type RuleArguments = [] | [numbers: Float64Array, first: Float32Array, second: Float32Array, db: Float32Array]

/** The functions of the addon. One that was built from other sources may lack some of them. */
const functions = [
  'open',
  'close',
  'detail',
  'threads',
  'misalignment',
  'moments',
  'create',
  'memory',
  'release',
  'loaded',
  'loadedBias',
  'standardise',
  'step',
  'accumulate',
  'gradient',
  'evaluate',
  'penalty',
  'logits',
  'accumulateSlopes',
  'stepSlopes',
  'inputSlopes',
  'outputs',
] as const satisfies readonly (keyof Addon)[]

/** Kernels or a layer inside the addon. */
export type Handle = { readonly handle: unique symbol }

/** The folder of `binding.gyp`. */
const home = packagePath('kernels/native')

/** The addon, or the reason why this machine has none. */
type Loaded = { readonly addon: Addon } | { readonly missing: string }

let loaded: Loaded | undefined

/** Loads the addon, once. */
export function loadAddon(): Loaded {
  loaded ??= find()
  return loaded
}

function find(): Loaded {
  const require = createRequire(import.meta.url)
  const reasons = []
  for (const folder of [`prebuilds/${process.platform}-${process.arch}/`, 'build/Release/']) {
    for (const name of addonsIn(join(home, folder))) {
      const path = join(home, folder, name)
      try {
        const addon = require(path) as Partial<Addon>
        const lacking = functions.find((name) => typeof addon[name] !== 'function')
        if (lacking === undefined) return { addon: addon as Addon }
        reasons.push(`${path}: it is of another version, without "${lacking}"; "npm run build:native" builds it anew`)
      } catch (error) {
        reasons.push(`${path}: ${error instanceof Error ? error.message : error}`)
      }
    }
  }
  if (reasons.length > 0) return { missing: `the native kernels do not load: ${reasons.join('; ')}` }
  return { missing: 'the native kernels are not built; "npm run build:native" builds them and shows what fails' }
}

function addonsIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith('.node'))
  } catch {
    return []
  }
}

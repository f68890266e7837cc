import { checkedNetworkArrays } from '../check.js'
import type { Arrays, NetworkShape, NetworkStep, RuleState } from '../contract.js'
import { arraysOfNetwork, BATCHES_SEEN, trainedOf, widthOf } from '../network-shape.js'
import type { Memory } from './device.js'
import { type Layout, layoutOf, pack, unpack } from './layout.js'
import { statesOf } from './rules.js'
import type { Shared } from './shared.js'

/** The buffers whose layout is that of the parameters; those that nobody needed yet are too small. */
export interface ParameterBuffers {
  /** The parameters. */
  readonly parameters: Memory
  /** The sums of the gradient, then the mean gradient. */
  readonly sums: Memory
  /** The first number of the state of the update rule for each parameter. */
  readonly first: Memory
  /** Its second number for each parameter, if the rule has one. */
  readonly second: Memory
}

/** The parameters of a network on the device, and their copy on the host. */
export interface DeviceParameters {
  /** Where each array lies. */
  readonly layout: Layout
  /** The buffers on the device. */
  readonly buffers: ParameterBuffers
  /** The copy. */
  readonly mirror: Arrays
  /** Whether the device has other parameters than the copy. */
  readonly isStale: boolean
  /** Must be called when the device changes the parameters. */
  changed(): void
  /** Makes the buffer of the sums if there is none. */
  needSums(): void
  /** Takes the state of the rule over from the host, unless the device has it. */
  takeState(update: NetworkStep): void
  /** Brings the copy, and the state of the rule on the host, to where the device is. */
  refresh(batchesSeen: number): Promise<void>
  /** Copies parameters in. Throws a RangeError if their lengths do not fit. */
  load(given: Arrays): void
  /** Frees the memory. */
  free(): void
}

/** Makes parameters of zero. */
export function deviceParameters(shape: NetworkShape, { gpu, stream }: Shared): DeviceParameters {
  const specs = arraysOfNetwork(shape)
  const trained = trainedOf(specs)
  const layout = layoutOf(shape)
  let buffers: ParameterBuffers = {
    parameters: gpu.memory('parameters', layout.bytes),
    sums: gpu.memory('no sums', 16),
    first: gpu.memory('no state', 16),
    second: gpu.memory('no second state', 16),
  }
  const mirror: Record<string, Float32Array> = Object.fromEntries(
    specs.map(({ name, shape }) => [name, new Float32Array(new SharedArrayBuffer(4 * widthOf(shape)))]),
  )
  let isStale = false
  let state: RuleState = {}
  let isStateTaken = false
  /** Counts what changes parameters. */
  let version = 0

  /** Makes buffers where there are none yet. */
  function need(...names: (keyof ParameterBuffers)[]): void {
    for (const name of names) {
      const old = buffers[name]
      if (old.bytes >= layout.bytes) continue
      const memory = gpu.memory(name, layout.bytes)
      stream.flush()
      old.buffer.destroy()
      buffers = { ...buffers, [name]: memory }
    }
  }

  function takeState(update: NetworkStep): void {
    if (update.rule === 'sgd') return
    const isSame = trained.every(({ name }) => update.state[name]?.[0] === state[name]?.[0])
    if (isStateTaken && isSame) return
    const names = (['first', 'second'] as const).slice(0, statesOf[update.rule])
    need(...names)
    const packed = new Float32Array(layout.bytes / 4)
    for (const [i, name] of names.entries()) {
      for (const { name: array } of trained) pack(layout.places.get(array)!, update.state[array]![i]!, packed)
      stream.write(buffers[name], 0, packed)
    }
    state = update.state
    isStateTaken = true
  }

  async function refresh(batchesSeen: number): Promise<void> {
    const states = isStateTaken ? Math.max(...trained.map(({ name }) => state[name]?.length ?? 0)) : 0
    if (!isStale && states === 0) return
    const names = (['parameters', 'first', 'second'] as const).slice(0, 1 + states)
    const [at, given] = [version, state]
    const parts = names.map((name) => ({ memory: buffers[name], offset: 0, bytes: layout.bytes }))
    const found = await stream.read(...parts)
    const [parameters, ...rest] = found.map((bytes) => new Float32Array(bytes))
    for (const place of layout.places.values()) unpack(place, parameters!, mirror[place.spec.name]!)
    mirror[BATCHES_SEEN]?.fill(batchesSeen)
    for (const [i, values] of rest.entries())
      for (const { name } of trained) unpack(layout.places.get(name)!, values, given[name]![i]!)
    // Steps that were made meanwhile are on the device alone.
    if (version === at) isStale = isStateTaken = false
  }

  function load(parameters: Arrays): void {
    const given = checkedNetworkArrays(parameters, specs)
    for (const { name } of specs) mirror[name]!.set(given[name]!)
    const packed = new Float32Array(layout.bytes / 4)
    for (const place of layout.places.values()) pack(place, mirror[place.spec.name]!, packed)
    stream.write(buffers.parameters, 0, packed)
    isStale = false
    version++
  }

  return {
    layout,
    mirror,
    get buffers() {
      return buffers
    },
    get isStale() {
      return isStale
    },
    changed: () => {
      isStale = true
      version++
    },
    needSums: () => need('sums'),
    takeState,
    refresh,
    load,
    free: () => {
      for (const { buffer } of Object.values(buffers) as Memory[]) buffer.destroy()
    },
  }
}

import type { NetworkShape, Rows } from '../contract.js'
import { KEPT, suffixOf } from '../network-shape.js'
import type { Gpu, Memory } from './device.js'
import type { Layout, Place } from './layout.js'
import { gate, lanesFor, lossShader } from './loss.js'
import { type Division, divide, type Form } from './matmul.js'
import { NORM_COLUMNS4, normalise, normaliseBack } from './norm.js'
import { flag, mode, type Params } from './params.js'
import { partsShader, productShader, type Values } from './products.js'
import { type Placed, type RowStore, valuesOf } from './rows.js'
import type { compiler, Shader } from './shader.js'
import type { Buffers, Groups, Stream } from './stream.js'
import { BIAS_COLUMNS4, biases, takeSums, total } from './sums.js'

/** What all networks of a device share. */
export interface Shared {
  readonly gpu: Gpu
  readonly stream: Stream
  readonly store: RowStore
  readonly compile: ReturnType<typeof compiler>
  /** The workgroups that keep the device busy. */
  readonly busy: number
}

/** What is done with the gradients of a pass over rows, and the numbers of the update rule. */
export interface Use {
  readonly mode: number
  /** For arrays of weights. */
  readonly weights: Params
  /** For all other arrays. */
  readonly others: Params
}

/** The buffers of a network whose layout is that of the parameters. */
export interface ParameterBuffers {
  readonly parameters: Memory
  readonly sums: Memory
  readonly first: Memory
  readonly second: Memory
}

interface Layer {
  readonly inputs4: number
  readonly units: number
  readonly units4: number
  readonly W: Place
  /** Where the arrays begin. */
  readonly places: Params
  /** The flags of its activation: in evaluation, and what steps add. */
  readonly plain: number
  readonly dropping: number
  readonly factor: number
  readonly isNormalised: boolean
  readonly isFrozen: boolean
}

/** The buffers of a layer for some number of rows. */
interface Room {
  readonly outputs: Memory
  readonly slopes: Memory
  readonly normal: Memory
  readonly inverses: Memory
}

/** Rows on the device with all that belongs to them. */
interface Entered {
  readonly size: number
  readonly values: Values
  readonly placed: Placed
  readonly affine: readonly Memory[]
  readonly labels: number
  readonly weights: number
  /** For each layer, where its mask begins. */
  readonly masks: readonly number[]
}

/** Passes of rows through the layers of a network, forward and back. */
export interface Passes {
  /** The outputs of the last layer for the rows of the last pass, `[rows, classes]`, padded. */
  readonly scores: Memory
  /** Scores of rows. */
  forward(rows: Rows): void
  /** Scores and losses of rows; the sum of the losses and the number of correct rows go to two places from `slot` on. */
  evaluate(rows: Rows, results: Memory, slot: number): void
  /** Scores, losses and gradients of rows. `sum`: where the sum of the losses goes. */
  train(rows: Rows, buffers: ParameterBuffers, use: Use, results: Memory, sum: Params): void
  /** Takes what was accumulated. The loss in place `at` of the results goes to `slot`, times `inverse`. */
  take(buffers: ParameterBuffers, use: Use, results: Memory, sum: Params): void
  /** The number of batches that the running averages have seen. */
  seen: number
  /** Frees the memory. */
  free(): void
}

/** Makes the passes of a network. */
export function makePasses(shape: NetworkShape, layout: Layout, parameters: Memory, shared: Shared): Passes {
  const { gpu, stream, store, compile, busy } = shared
  const { features } = shape
  const layers = shape.layers.map((layer, l): Layer => {
    const { units, activation, batchNorm = false, dropout = 0, frozen = false } = layer
    const place = (name: string): Place | undefined => layout.places.get(name + suffixOf(shape, l))
    const W = place('W')!
    const at = (name: string): number => place(name)?.at ?? 0
    return {
      inputs4: W.width4,
      units,
      units4: Math.ceil(units / 4),
      W,
      places: {
        at: W.at,
        bias: at('b'),
        gamma: at('gamma'),
        beta: at('beta'),
        mean: at('mean'),
        variance: at('variance'),
      },
      plain: activation === 'relu' ? flag.relu : 0,
      dropping: dropout > 0 ? flag.dropout : 0,
      factor: 1 / (1 - dropout),
      isNormalised: batchNorm,
      isFrozen: frozen,
    }
  })
  const last = layers.length - 1
  const firstTrained = layers.findIndex(({ isFrozen }) => !isFrozen)
  const classes = layers[last]!.units
  const lanes = lanesFor(classes)
  const groups: Groups = new Map()
  const divisions = new Map<string, Division>()
  let rooms: Room[] = []
  let capacity = 0
  let hasSlopes = false
  let parts = gpu.memory('parts', 16)
  let losses = gpu.memory('losses', 16)
  let seen = 0

  /** Divides a product of a layer, once for each number of rows. */
  function divided(form: Form, l: number, size: number): Division {
    const key = `${form},${l},${size}`
    let found = divisions.get(key)
    if (!found) {
      const { units, units4, inputs4 } = layers[l]!
      found =
        form === 'weights'
          ? divide(form, units, inputs4, size, busy)
          : form === 'forward'
            ? divide(form, size, units4, inputs4, busy)
            : divide(form, size, inputs4, units4, busy)
      if (divisions.size > 1000) divisions.clear()
      divisions.set(key, found)
    }
    return found
  }

  /** Makes room for so many rows. What was encoded so far uses the old buffers. */
  function makeRoom(size: number, isTraining: boolean): void {
    if (size > capacity || (isTraining && !hasSlopes)) {
      stream.flush()
      freeRooms()
      capacity = Math.max(capacity, size)
      hasSlopes ||= isTraining
      rooms = layers.map(({ units4, isNormalised }) => {
        const make = (what: string, isThere = true): Memory => gpu.memory(what, isThere ? capacity * units4 * 16 : 16)
        return {
          outputs: make('outputs'),
          slopes: make('slopes', hasSlopes),
          normal: make('normal', hasSlopes && isNormalised),
          inverses: gpu.memory('inverses', isNormalised ? units4 * 16 : 16),
        }
      })
      losses = replaced(losses, 'losses', capacity * 8)
    }
    let bytes = 16
    for (const [l, { units, units4, inputs4 }] of layers.entries()) {
      const need = (form: Form, rows: number, columns4: number): void => {
        const { splits } = divided(form, l, size).params
        if (splits > 1) bytes = Math.max(bytes, splits * rows * columns4 * 16)
      }
      need('forward', size, units4)
      if (!isTraining || l < firstTrained) continue
      need('weights', units, inputs4)
      if (l > firstTrained) need('back', size, inputs4)
    }
    if (bytes > parts.bytes) {
      stream.flush()
      parts = replaced(parts, 'parts', bytes)
    }
  }

  function replaced(old: Memory, label: string, bytes: number): Memory {
    groups.clear()
    const memory = gpu.memory(label, bytes)
    old.buffer.destroy()
    return memory
  }

  function freeRooms(): void {
    groups.clear()
    for (const room of rooms) for (const { buffer } of Object.values(room) as Memory[]) buffer.destroy()
    rooms = []
  }

  /** Brings rows and what belongs to them to the device. From here on nothing is submitted until the pass is complete. */
  function enter(rows: Rows, isTraining: boolean): Entered {
    const { labels, weights, masks = [] } = rows
    const size = labels.length
    makeRoom(size, isTraining)
    const kept = store.kept(rows, features)
    const used = layers.map(({ dropping, units }, l) =>
      isTraining && dropping ? masks[l]!.subarray(0, size * units) : undefined,
    )
    const factors = isTraining && weights ? Float32Array.from(weights.subarray(0, size)) : undefined
    const small = [labels, factors, ...used].reduce((sum, each) => sum + (each ? each.byteLength + 32 : 0), 0)
    stream.reserve(16 * layers.length + 8, small + (kept ? 0 : store.uploadBytes(rows, features) + 16))
    const values = valuesOf(rows)
    return {
      size,
      values,
      placed: kept ?? store.upload(rows, features),
      affine: values === 'bytes' ? [store.affine(rows, features)] : [],
      labels: store.uploadBytesOf(labels),
      weights: factors ? store.uploadBytesOf(factors) : 0,
      masks: used.map((mask) => (mask ? store.uploadBytesOf(mask) : 0)),
    }
  }

  function run(shader: Shader, buffers: Buffers, workgroups: number, params: Params): void {
    stream.dispatch(compile(shader), buffers, groups, workgroups, params)
  }

  /** Computes a product of layer `l`: in tiles, and if its sum is divided, the sum of the parts. */
  function product(form: Form, l: number, values: Values, size: number, buffers: Buffers, params: Params): void {
    const { units, units4, inputs4, places } = layers[l]!
    const { tile, params: division } = divided(form, l, size)
    const all = { rows: size, units, units4, inputs4, ...places, ...division, ...params }
    run(productShader(form, values, tile), buffers, division.groups, all)
    if (division.splits === 1) return
    const numbers = form === 'weights' ? units * inputs4 : size * (form === 'forward' ? units4 : inputs4)
    run(partsShader(form, values), buffers, Math.ceil(numbers / 64), all)
  }

  /** Where the inputs of a layer are. */
  function inputsOf(l: number, { values, placed, affine }: Entered) {
    if (l > 0) return { values: 'floats' as const, x: 0, buffers: [rooms[l - 1]!.outputs] }
    return { values, x: placed.x, buffers: [placed.memory, ...affine] }
  }

  function goForward(entered: Entered, isTraining: boolean): void {
    const { size, masks } = entered
    for (const [l, layer] of layers.entries()) {
      const { outputs, normal, inverses } = rooms[l]!
      const { values, x, buffers } = inputsOf(l, entered)
      const isByBatch = layer.isNormalised && isTraining
      const flags = layer.plain | (isTraining ? layer.dropping : 0)
      const activation = { flags, factor: layer.factor, masks: masks[l]! }
      product('forward', l, values, size, [...buffers, parameters, outputs, stream.uploads, parts], {
        x,
        ...(isByBatch ? {} : { ...activation, flags: flags | (layer.isNormalised ? flag.normalised : 0) }),
      })
      if (isByBatch)
        run(
          normalise,
          [outputs, normal, inverses, parameters, stream.uploads],
          Math.ceil(layer.units4 / NORM_COLUMNS4),
          {
            rows: size,
            units: layer.units,
            units4: layer.units4,
            inverse: 1 / size,
            kept: seen === 0 ? 0 : KEPT,
            ...layer.places,
            ...activation,
          },
        )
    }
    if (isTraining) seen++
  }

  function findLosses({ size, labels, weights }: Entered, isStep: boolean, hasWeights: boolean): void {
    const { outputs, slopes } = rooms[last]!
    const { units, units4 } = layers[last]!
    const flags = (shape.loss === 'hinge' ? flag.hinge : 0) | (hasWeights ? flag.weighted : 0)
    const params = { rows: size, units, units4, labels, weights, flags, smoothing: shape.smoothing ?? 0 }
    const buffers = [outputs, stream.uploads, losses, ...(isStep ? [slopes] : [])]
    run(lossShader(lanes, isStep), buffers, Math.ceil(size / (64 / lanes)), params)
  }

  function goBack(entered: Entered, buffers: ParameterBuffers, use: Use): void {
    const { size, masks } = entered
    const arrays = [buffers.parameters, buffers.sums, buffers.first, buffers.second]
    const top = layers[last]!
    if (top.plain || top.dropping) {
      const length4 = size * top.units4
      const activation = { flags: top.plain | top.dropping, factor: top.factor, masks: masks[last]! }
      run(gate, [rooms[last]!.outputs, rooms[last]!.slopes, stream.uploads], Math.ceil(length4 / 64), {
        length4,
        units: top.units,
        units4: top.units4,
        ...activation,
      })
    }
    for (let l = last; l >= firstTrained; l--) {
      const { units, units4, places, isNormalised, isFrozen } = layers[l]!
      const { slopes, normal, inverses } = rooms[l]!
      const common = { rows: size, units, units4, ...places, inverse: 1 / size }
      const { mode: how } = use
      if (isNormalised)
        run(normaliseBack, [slopes, normal, inverses, ...arrays], Math.ceil(units4 / NORM_COLUMNS4), {
          ...common,
          ...use.others,
          mode: isFrozen ? mode.none : how,
        })
      if (l > firstTrained) {
        const below = layers[l - 1]!
        const { outputs, slopes: slopesBelow } = rooms[l - 1]!
        product('back', l, 'floats', size, [slopes, parameters, outputs, slopesBelow, stream.uploads, parts], {
          flags: below.plain | below.dropping,
          factor: below.factor,
          masks: masks[l - 1]!,
          length4: below.units,
        })
      }
      if (isFrozen) continue
      const { values, x, buffers: inputs } = inputsOf(l, entered)
      product('weights', l, values, size, [...inputs, slopes, ...arrays, parts], {
        x,
        inverse: 1 / size,
        ...use.weights,
        mode: how,
      })
      run(biases, [slopes, ...arrays], Math.ceil(units4 / BIAS_COLUMNS4), { ...common, ...use.others, mode: how })
    }
  }

  function addLosses(results: Memory, params: Params): void {
    run(total, [losses, results], 1, { inverse: 1, ...params })
  }

  const work = layers.reduce((sum, { inputs4, units }) => sum + 4 * inputs4 * units, 0)

  return {
    get scores() {
      return rooms[last]!.outputs
    },
    get seen() {
      return seen
    },
    set seen(batches) {
      seen = batches
    },
    forward: (rows: Rows) => {
      goForward(enter(rows, false), false)
      stream.worked(work * rows.labels.length)
    },
    evaluate: (rows: Rows, results: Memory, slot: number) => {
      const entered = enter(rows, false)
      goForward(entered, false)
      findLosses(entered, false, false)
      addLosses(results, { rows: entered.size, slot, mode: 1 })
      stream.worked(work * entered.size)
    },
    train: (rows: Rows, buffers: ParameterBuffers, use: Use, results: Memory, sum: Params) => {
      const entered = enter(rows, true)
      goForward(entered, true)
      findLosses(entered, true, rows.weights !== undefined)
      goBack(entered, buffers, use)
      addLosses(results, { rows: entered.size, ...sum })
      stream.worked(3 * work * entered.size)
    },
    take: (buffers: ParameterBuffers, use: Use, results: Memory, sum: Params) => {
      stream.reserve(16 * layers.length + 8, 0)
      for (const { spec, at, length4 } of layout.places.values()) {
        if (spec.kind === 'average' || spec.frozen) continue
        const own = spec.kind === 'weights' ? use.weights : use.others
        const params = { ...own, at, length4, mode: use.mode, inverse: sum.inverse! }
        const arrays = [buffers.parameters, buffers.sums, buffers.first, buffers.second]
        run(takeSums, arrays, Math.ceil(length4 / 64), params)
      }
      addLosses(results, { ...sum, flags: flag.carried })
    },
    free: () => {
      freeRooms()
      for (const { buffer } of [parts, losses]) buffer.destroy()
    },
  }
}

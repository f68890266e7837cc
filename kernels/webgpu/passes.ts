import type { NetworkShape, Rows } from '../contract.js'
import { KEPT } from '../network-shape.js'
import type { Memory } from './device.js'
import { type Entered, enterer } from './entered.js'
import { layersOf } from './layer.js'
import { gate, lanesFor, lossShader } from './loss.js'
import type { Form } from './matmul.js'
import { NORM_COLUMNS4, normalise, normaliseBack } from './norm.js'
import type { DeviceParameters } from './parameters.js'
import { flag, mode, type Params } from './params.js'
import { partsShader, productShader, type Values } from './products.js'
import { makeRoom } from './room.js'
import type { Shader } from './shader.js'
import type { Shared } from './shared.js'
import type { Buffers } from './stream.js'
import { BIAS_COLUMNS4, biases, limit, squares, squaresGroups, takeSums, total } from './sums.js'

/** What is done with the gradients of a pass over rows, and the numbers of the update rule. */
export interface Use {
  /** One of `mode`. */
  readonly mode: number
  /** For arrays of weights. */
  readonly weights: Params
  /** For all other arrays. */
  readonly others: Params
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
  train(rows: Rows, use: Use, results: Memory, sum: Params): void
  /**
   * Takes what was accumulated. The loss in place `at` of the results goes to `slot`, times `inverse`. `clip`: the largest norm
   * of the gradient.
   */
  take(use: Use, results: Memory, sum: Params, clip?: number): void
  /** The number of batches that the running averages have seen. */
  seen: number
  /** Frees the memory. */
  free(): void
}

/** Makes the passes of a network. */
export function makePasses(shape: NetworkShape, held: DeviceParameters, shared: Shared): Passes {
  const { gpu, stream, compile } = shared
  const layers = layersOf(shape, held.layout)
  const last = layers.length - 1
  const firstTrained = layers.findIndex(({ isFrozen }) => !isFrozen)
  const classes = layers[last]!.units
  const lanes = lanesFor(classes)
  const room = makeRoom(layers, firstTrained, shared)
  const enter = enterer(shape.features, layers, room, shared)
  const { parameters } = held.buffers
  const trained = [...held.layout.places.values()].filter(({ spec }) => spec.kind !== 'average' && !spec.frozen)
  const norms = gpu.memory('norms', 8 * (1 + trained.reduce((sum, { length4 }) => sum + squaresGroups(length4), 0)))
  let seen = 0

  const arraysOfRule = (): Memory[] => {
    const { sums, first, second } = held.buffers
    return [parameters, sums, first, second]
  }

  function run(shader: Shader, buffers: Buffers, workgroups: number, params: Params): void {
    stream.dispatch(compile(shader), buffers, room.groups, workgroups, params)
  }

  /** Computes a product of layer `l`: in tiles, and if its sum is divided, the sum of the parts. */
  function product(form: Form, l: number, values: Values, size: number, buffers: Buffers, params: Params): void {
    const { units, units4, inputs4, places } = layers[l]!
    const { tile, params: division } = room.divided(form, l, size)
    const all = { rows: size, units, units4, inputs4, ...places, ...division, ...params }
    run(productShader(form, values, tile), buffers, division.groups, all)
    if (division.splits === 1) return
    const numbers = form === 'weights' ? units * inputs4 : size * (form === 'forward' ? units4 : inputs4)
    run(partsShader(form, values), buffers, Math.ceil(numbers / 64), all)
  }

  /** Where the inputs of a layer are. */
  function inputsOf(l: number, { values, placed, affine }: Entered) {
    if (l > 0) return { values: 'floats' as const, x: 0, buffers: [room.layers[l - 1]!.outputs] }
    return { values, x: placed.x, buffers: [placed.memory, ...affine] }
  }

  function goForward(entered: Entered, isTraining: boolean): void {
    const { size, masks } = entered
    for (const [l, layer] of layers.entries()) {
      const { outputs, normal, inverses } = room.layers[l]!
      const { values, x, buffers } = inputsOf(l, entered)
      const isByBatch = layer.isNormalised && isTraining
      const flags = layer.plain | (isTraining ? layer.dropping : 0)
      const activation = { flags, factor: layer.factor, masks: masks[l]! }
      product('forward', l, values, size, [...buffers, parameters, outputs, stream.uploads, room.parts], {
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
    const { outputs, slopes } = room.layers[last]!
    const { units, units4 } = layers[last]!
    const flags = (shape.loss === 'hinge' ? flag.hinge : 0) | (hasWeights ? flag.weighted : 0)
    const params = { rows: size, units, units4, labels, weights, flags, smoothing: shape.smoothing ?? 0 }
    const buffers = [outputs, stream.uploads, room.losses, ...(isStep ? [slopes] : [])]
    run(lossShader(lanes, isStep), buffers, Math.ceil(size / (64 / lanes)), params)
  }

  function goBack(entered: Entered, use: Use): void {
    const { size, masks } = entered
    const arrays = arraysOfRule()
    const top = layers[last]!
    if (top.plain || top.dropping) {
      const length4 = size * top.units4
      const activation = { flags: top.plain | top.dropping, factor: top.factor, masks: masks[last]! }
      run(gate, [room.layers[last]!.outputs, room.layers[last]!.slopes, stream.uploads], Math.ceil(length4 / 64), {
        length4,
        units: top.units,
        units4: top.units4,
        ...activation,
      })
    }
    for (let l = last; l >= firstTrained; l--) {
      const { units, units4, places, isNormalised, isFrozen } = layers[l]!
      const { slopes, normal, inverses } = room.layers[l]!
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
        const { outputs, slopes: slopesBelow } = room.layers[l - 1]!
        product('back', l, 'floats', size, [slopes, parameters, outputs, slopesBelow, stream.uploads, room.parts], {
          flags: below.plain | below.dropping,
          factor: below.factor,
          masks: masks[l - 1]!,
          inputs: below.units,
        })
      }
      if (isFrozen) continue
      const { values, x, buffers: inputs } = inputsOf(l, entered)
      product('weights', l, values, size, [...inputs, slopes, ...arrays, room.parts], {
        x,
        inverse: 1 / size,
        ...use.weights,
        mode: how,
      })
      run(biases, [slopes, ...arrays], Math.ceil(units4 / BIAS_COLUMNS4), { ...common, ...use.others, mode: how })
    }
  }

  function addLosses(results: Memory, params: Params): void {
    run(total, [room.losses, results], 1, { inverse: 1, ...params })
  }

  /** Makes the sums the mean gradient, and finds what it is multiplied by so that its norm is `clip` at most. */
  function findFactor(use: Use, inverse: number, clip: number): void {
    let slot = 1
    for (const { spec, at, length4 } of trained) {
      const own = spec.kind === 'weights' ? use.weights : use.others
      const groups = squaresGroups(length4)
      run(squares, [...arraysOfRule(), norms], groups, { ...own, at, length4, inverse, groups, slot })
      slot += groups
    }
    run(limit, [norms], 1, { rows: slot - 1, clip })
  }

  const work = layers.reduce((sum, { inputs4, units }) => sum + 4 * inputs4 * units, 0)

  return {
    get scores() {
      return room.layers[last]!.outputs
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
    train: (rows: Rows, use: Use, results: Memory, sum: Params) => {
      const entered = enter(rows, true)
      goForward(entered, true)
      findLosses(entered, true, rows.weights !== undefined)
      goBack(entered, use)
      addLosses(results, { rows: entered.size, ...sum })
      stream.worked(3 * work * entered.size)
    },
    take: (use: Use, results: Memory, sum: Params, clip?: number) => {
      stream.reserve(16 * layers.length + 8, 0)
      if (clip !== undefined) findFactor(use, sum.inverse!, clip)
      for (const { spec, at, length4 } of trained) {
        const own = spec.kind === 'weights' ? use.weights : use.others
        const params = {
          ...own,
          at,
          length4,
          mode: use.mode,
          inverse: sum.inverse!,
          flags: clip === undefined ? 0 : flag.clipped,
        }
        run(takeSums, [...arraysOfRule(), norms], Math.ceil(length4 / 64), params)
      }
      addLosses(results, { ...sum, flags: flag.carried })
    },
    free: () => {
      room.free()
      norms.buffer.destroy()
    },
  }
}

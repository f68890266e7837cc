import { checkAny, checkedNetworkArrays, checkLabels, checkRows, checkScores, checkStepRows } from '../check.js'
import {
  type Arrays,
  type Evaluation,
  type Gradient,
  type Network,
  type NetworkShape,
  type NetworkStep,
  type Numbers,
  type Rows,
  ruleNames,
} from '../contract.js'
import { arraysOfNetwork, BATCHES_SEEN, sumOfSquares, trainedOf, widthOf } from '../network-shape.js'
import { slices } from '../rows.js'
import { unpack } from './layout.js'
import { makeLosses, STEPS_AHEAD } from './losses.js'
import { deviceParameters } from './parameters.js'
import { flag, mode } from './params.js'
import { makePasses } from './passes.js'
import { ruleOf } from './rules.js'
import type { Shared } from './shared.js'

/** The results behind those of steps: the sum of the losses of accumulated rows, and the mean loss of a gradient. */
const CARRY = STEPS_AHEAD
const MEAN = STEPS_AHEAD + 1

/** The most bytes of rows, or of the outputs of a layer, in a pass that does not train. */
const PASS_BYTES = 2 ** 26

/** A network whose parameters are on a device. Calls encode commands and return; what they find comes later. */
export function deviceNetwork(shape: NetworkShape, shared: Shared): Network {
  const { gpu, stream } = shared
  const { features } = shape
  const classes = shape.layers.at(-1)!.units
  const specs = arraysOfNetwork(shape)
  const trained = trainedOf(specs)
  const parameters = deviceParameters(shape, shared)
  const { layout, mirror } = parameters
  const results = gpu.memory('results', 4 * (STEPS_AHEAD + 2))
  const passes = makePasses(shape, parameters, shared)
  const losses = makeLosses(gpu, stream, results)
  let evaluations = gpu.memory('evaluations', 16)
  /** The rows of the step in progress. */
  let count = 0
  let isFreed = false

  function check(): void {
    if (isFreed) throw new Error('this network has been freed')
    gpu.check()
  }

  function checkStep(rows: Rows): void {
    check()
    checkRows(rows, features)
    checkLabels(rows, classes)
    checkStepRows(rows, shape)
  }

  function accumulate(rows: Rows): void {
    checkStep(rows)
    if (rows.labels.length > 0) add(rows)
  }

  function add(rows: Rows): void {
    const use = { mode: count === 0 ? mode.write : mode.add, weights: {}, others: {} }
    const carried = count > 0 ? { flags: flag.carried, at: CARRY } : {}
    parameters.needSums()
    passes.train(rows, use, results, { slot: CARRY, ...carried })
    count += rows.labels.length
    parameters.changed()
  }

  function step(rows: Rows, update: NetworkStep): Promise<number> {
    checkStep(rows)
    const size = rows.labels.length
    checkAny(count + size)
    parameters.takeState(update)
    const use = { mode: mode.update, ...ruleOf(update) }
    const { clip } = update
    if (count === 0 && clip === undefined) passes.train(rows, use, results, { slot: losses.slot, inverse: 1 / size })
    else {
      if (size > 0) add(rows)
      passes.take(use, results, { slot: losses.slot, at: CARRY, inverse: 1 / count }, clip)
      count = 0
    }
    parameters.changed()
    return losses.promise()
  }

  async function read(): Promise<Arrays> {
    check()
    const settled = losses.read()
    await parameters.refresh(passes.seen)
    await settled
    gpu.check()
    return mirror
  }

  function load(given: Arrays): void {
    check()
    parameters.load(given)
    passes.seen = mirror[BATCHES_SEEN]?.[0] ?? 0
  }

  async function change(write: (parameters: Arrays) => void): Promise<void> {
    write(await read())
    load(mirror)
  }

  async function gradient(lambda: number, into?: Arrays): Promise<Gradient> {
    check()
    checkAny(count)
    const target = into ? checkedNetworkArrays(into, trained) : undefined
    const use = { mode: mode.write, weights: { decay: 2 * lambda }, others: {} }
    passes.take(use, results, { slot: MEAN, at: CARRY, inverse: 1 / count })
    count = 0
    losses.read()
    const [gradients, loss] = await stream.read(
      { memory: parameters.buffers.sums, offset: 0, bytes: layout.bytes },
      { memory: results, offset: 4 * MEAN, bytes: 4 },
    )
    const all = new Float32Array(gradients!)
    const arrays: Record<string, Numbers> = {}
    for (const { name, shape } of trained) {
      const values = target?.[name] ?? new Float32Array(widthOf(shape))
      unpack(layout.places.get(name)!, all, values)
      arrays[name] = values
    }
    return { arrays, loss: new Float32Array(loss!)[0]! }
  }

  /** Rows as passes that do not train: their number depends on the shape and the device alone. */
  function passesOf(rows: Rows): Rows[] {
    const widest = Math.max(...shape.layers.map(({ units }) => 4 * units), features * rows.values.BYTES_PER_ELEMENT)
    const most = Math.max(1, Math.floor(Math.min(PASS_BYTES, gpu.most) / (widest + 16)))
    const size = rows.labels.length
    if (size <= most) return size === 0 ? [] : [rows]
    return [...slices({ ...rows, values: rows.values.subarray(0, size * features) }, most)]
  }

  async function evaluate(rows: Rows): Promise<Evaluation> {
    check()
    checkRows(rows, features)
    checkLabels(rows, classes)
    const parts = passesOf(rows)
    if (parts.length === 0) return { loss: 0, correct: 0 }
    if (evaluations.bytes < 8 * parts.length) {
      stream.flush()
      evaluations.buffer.destroy()
      evaluations = gpu.memory('evaluations', 8 * parts.length)
    }
    for (const [i, part] of parts.entries()) passes.evaluate(part, evaluations, 2 * i)
    losses.read()
    const [bits] = await stream.read({ memory: evaluations, offset: 0, bytes: 8 * parts.length })
    const [sums, counts] = [new Float32Array(bits!), new Uint32Array(bits!)]
    let [loss, correct] = [0, 0]
    for (let i = 0; i < 2 * parts.length; i += 2) {
      loss += sums[i]!
      correct += counts[i + 1]!
    }
    return { loss, correct }
  }

  async function penalty(): Promise<number> {
    check()
    if (parameters.isStale) await read()
    return sumOfSquares(mirror, specs)
  }

  async function scores(rows: Rows, out: Numbers): Promise<void> {
    check()
    checkRows(rows, features)
    checkScores(rows, classes, out)
    losses.read()
    const width4 = Math.ceil(classes / 4)
    let from = 0
    const reads = passesOf(rows).map((part) => {
      passes.forward(part)
      const size = part.labels.length
      const target = out.subarray(from * classes, (from + size) * classes)
      from += size
      return stream
        .read({ memory: passes.scores, offset: 0, bytes: size * width4 * 16 })
        .then(([bytes]) => unpack({ at: 0, rows: size, width: classes, width4 }, new Float32Array(bytes!), target))
    })
    await Promise.all(reads)
  }

  return {
    features,
    classes,
    rules: ruleNames,
    clips: true,
    read,
    load,
    change,
    step,
    accumulate,
    gradient,
    evaluate,
    penalty,
    scores,
    settle: async () => {
      await losses.read()
      gpu.check()
    },
    free: () => {
      if (isFreed) return
      isFreed = true
      losses.read()
      stream.flush()
      passes.free()
      parameters.free()
      for (const { buffer } of [results, evaluations]) buffer.destroy()
    },
  }
}

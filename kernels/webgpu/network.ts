import { checkAny, checkedNetworkArrays, checkLabels, checkRows, checkScores, checkStepRows } from '../check.js'
import type {
  Arrays,
  Evaluation,
  Gradient,
  Network,
  NetworkShape,
  NetworkStep,
  Numbers,
  Rows,
  RuleState,
} from '../contract.js'
import { arraysOfNetwork, BATCHES_SEEN, trainedOf, widthOf } from '../network-shape.js'
import { slices } from '../rows.js'
import type { Memory } from './device.js'
import { makePasses, type ParameterBuffers, type Shared, type Use } from './layers.js'
import { layoutOf, type Place, pack, unpack } from './layout.js'
import { makeLosses, STEPS_AHEAD } from './losses.js'
import { flag, mode } from './params.js'
import { ruleOf, statesOf } from './rules.js'

/** The result where the losses of accumulated rows are added, and the one of a gradient. */
const CARRY = STEPS_AHEAD
const MEAN = STEPS_AHEAD + 1

/** The most bytes of rows, or of the outputs of a layer, in a pass that does not train. */
const PASS_BYTES = 2 ** 26

/**
 * A network whose parameters are on a device. Calls encode commands and return; what they find comes later.
 */
export function deviceNetwork(shape: NetworkShape, shared: Shared): Network {
  const { gpu, stream } = shared
  const { features } = shape
  const classes = shape.layers.at(-1)!.units
  const specs = arraysOfNetwork(shape)
  const trained = trainedOf(specs)
  const layout = layoutOf(shape)
  const made: Memory[] = []
  const own = (label: string, bytes: number): Memory => {
    const memory = gpu.memory(label, bytes)
    made.push(memory)
    return memory
  }
  const results = own('results', 4 * (STEPS_AHEAD + 2))
  let buffers: ParameterBuffers = {
    parameters: own('parameters', layout.bytes),
    sums: own('no sums', 16),
    first: own('no state', 16),
    second: own('no second state', 16),
  }
  const mirror: Record<string, Float32Array> = Object.fromEntries(
    specs.map(({ name, shape }) => [name, new Float32Array(new SharedArrayBuffer(4 * widthOf(shape)))]),
  )
  let evaluations = own('evaluations', 16)
  const passes = makePasses(shape, layout, buffers.parameters, shared)
  const losses = makeLosses(gpu, stream, results)
  /** The rows of the step in progress. */
  let count = 0
  /** Whether the device has other parameters than the mirror. */
  let isStale = false
  /** The state of the rule, and whether the device has other numbers. */
  let state: RuleState = {}
  let isStateTaken = false
  /** Counts what changes parameters. */
  let version = 0
  let isFreed = false

  function check(rows: Rows): void {
    gpu.check()
    checkRows(rows, features)
    checkLabels(rows, classes)
  }

  function checkStep(rows: Rows): void {
    check(rows)
    checkStepRows(rows, shape)
  }

  /** Makes buffers of the size of the parameters where there are none yet. */
  function withBuffers(...names: (keyof ParameterBuffers)[]): ParameterBuffers {
    for (const name of names)
      if (buffers[name].bytes < layout.bytes) buffers = { ...buffers, [name]: own(name, layout.bytes) }
    return buffers
  }

  const sums = (use: Partial<Use>): Use => ({ mode: mode.none, weights: {}, others: {}, ...use })

  function accumulate(rows: Rows): void {
    checkStep(rows)
    if (rows.labels.length > 0) add(rows)
  }

  function add(rows: Rows): void {
    const use = sums({ mode: count === 0 ? mode.write : mode.add })
    const carried = count > 0 ? { flags: flag.carried, at: CARRY } : {}
    passes.train(rows, withBuffers('sums'), use, results, { slot: CARRY, ...carried })
    count += rows.labels.length
    changed()
  }

  function changed(): void {
    isStale = true
    version++
  }

  function step(rows: Rows, update: NetworkStep): Promise<number> {
    checkStep(rows)
    checkAny(count + rows.labels.length)
    takeState(update)
    const use = { mode: mode.update, ...ruleOf(update) }
    if (count === 0) passes.train(rows, buffers, use, results, { slot: losses.slot, inverse: 1 / rows.labels.length })
    else {
      if (rows.labels.length > 0) add(rows)
      passes.take(buffers, use, results, { slot: losses.slot, at: CARRY, inverse: 1 / count })
      count = 0
    }
    changed()
    return losses.promise()
  }

  /** Takes the state of the rule over from the host, unless the device has it. */
  function takeState(update: NetworkStep): void {
    if (update.rule === 'sgd') return
    const isSame = trained.every(({ name }) => update.state[name]?.[0] === state[name]?.[0])
    if (isStateTaken && isSame) return
    const names = (['first', 'second'] as const).slice(0, statesOf[update.rule])
    withBuffers(...names)
    const packed = new Float32Array(layout.bytes / 4)
    for (const [i, name] of names.entries()) {
      for (const { name: array } of trained) pack(layout.places.get(array)!, update.state[array]![i]!, packed)
      stream.write(buffers[name], 0, packed)
    }
    state = update.state
    isStateTaken = true
  }

  async function read(): Promise<Arrays> {
    gpu.check()
    const settled = losses.read()
    const at = version
    const states = isStateTaken ? Math.max(...trained.map(({ name }) => state[name]?.length ?? 0)) : 0
    if (isStale || states > 0) {
      const names = (['parameters', 'first', 'second'] as const).slice(0, 1 + states)
      const given = state
      const seen = passes.seen
      const found = await stream.read(
        ...names.map((name) => ({ memory: buffers[name], offset: 0, bytes: layout.bytes })),
      )
      const [parameters, ...rest] = found.map((bytes) => new Float32Array(bytes))
      for (const place of layout.places.values()) unpack(place, parameters!, mirror[place.spec.name]!)
      mirror[BATCHES_SEEN]?.fill(seen)
      for (const [i, values] of rest.entries())
        for (const { name } of trained) unpack(layout.places.get(name)!, values, given[name]![i]!)
      // Steps that were made meanwhile are on the device alone.
      if (version === at) isStale = isStateTaken = false
    }
    await settled
    gpu.check()
    return mirror
  }

  function load(parameters: Arrays): void {
    gpu.check()
    const given = checkedNetworkArrays(parameters, specs)
    for (const { name } of specs) mirror[name]!.set(given[name]!)
    const packed = new Float32Array(layout.bytes / 4)
    for (const place of layout.places.values()) pack(place, mirror[place.spec.name]!, packed)
    stream.write(buffers.parameters, 0, packed)
    passes.seen = mirror[BATCHES_SEEN]?.[0] ?? 0
    isStale = false
    version++
  }

  async function change(write: (parameters: Arrays) => void): Promise<void> {
    write(await read())
    load(mirror)
  }

  async function gradient(lambda: number, into?: Arrays): Promise<Gradient> {
    gpu.check()
    checkAny(count)
    const target = into ? checkedNetworkArrays(into, trained) : undefined
    const use = sums({ mode: mode.write, weights: { decay: 2 * lambda } })
    passes.take(buffers, use, results, { slot: MEAN, at: CARRY, inverse: 1 / count })
    count = 0
    losses.read()
    const [gradients, loss] = await stream.read(
      { memory: buffers.sums, offset: 0, bytes: layout.bytes },
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

  /** Rows as passes that do not train: their number depends on the shape alone. */
  function passesOf(rows: Rows): Rows[] {
    const widest = Math.max(...shape.layers.map(({ units }) => 4 * units), features * rows.values.BYTES_PER_ELEMENT)
    const most = Math.max(1, Math.floor(Math.min(PASS_BYTES, gpu.most) / (widest + 16)))
    const size = rows.labels.length
    if (size <= most) return size === 0 ? [] : [rows]
    return [...slices({ ...rows, values: rows.values.subarray(0, size * features) }, most)]
  }

  async function evaluate(rows: Rows): Promise<Evaluation> {
    check(rows)
    const parts = passesOf(rows)
    if (parts.length === 0) return { loss: 0, correct: 0 }
    if (evaluations.bytes < 8 * parts.length) evaluations = own('evaluations', 8 * parts.length)
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
    gpu.check()
    if (isStale) await read()
    let sum = 0
    for (const { name, kind } of specs) if (kind === 'weights') for (const w of mirror[name]!) sum += w * w
    return sum
  }

  async function scores(rows: Rows, out: Numbers): Promise<void> {
    gpu.check()
    checkRows(rows, features)
    checkScores(rows, classes, out)
    losses.read()
    const width4 = Math.ceil(classes / 4)
    let from = 0
    const reads = passesOf(rows).map((part) => {
      // The labels are not looked at, and need not be classes.
      passes.forward(part)
      const size = part.labels.length
      const place = { at: 0, rows: size, width: classes, width4 } as Place
      const target = out.subarray(from * classes, (from + size) * classes)
      from += size
      return stream
        .read({ memory: passes.scores, offset: 0, bytes: size * width4 * 16 })
        .then(([bytes]) => unpack(place, new Float32Array(bytes!), target))
    })
    await Promise.all(reads)
  }

  return {
    features,
    classes,
    rules: ['sgd', 'momentum', 'nesterov', 'adam'],
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
      for (const { buffer } of made) buffer.destroy()
    },
  }
}

import { type BatchNorm, batchNorm, type NormArrays } from './batch-norm.js'
import { checkAny, checkedNetworkArrays, checkLabels, checkRows, checkScores, checkStepRows } from './check.js'
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
} from './contract.js'
import type { LayerProducts } from './dense-layer.js'
import { dropOut } from './dropout.js'
import { argMax, lossOf } from './loss.js'
import { arraysOfNetwork, BATCHES_SEEN, suffixOf, trainedOf } from './network-shape.js'

/** A layer with what comes after its products. */
interface Layer {
  readonly dense: LayerProducts
  readonly units: number
  readonly at: string
  readonly isRelu: boolean
  readonly norm: BatchNorm | undefined
  readonly dropout: number
  readonly frozen: boolean
  /** The outputs of the rows in work, `[rows, units]`. */
  output: Float32Array
  /** The derivative of the loss by the outputs, `[rows, units]`. */
  slope: Float32Array
}

/**
 * Joins the dense layers of a kernel to a network. The kernel computes the products of rows and weights on all its
 * threads, with the ReLU after them and the update rule of the weights. What else is between them are loops over rows and
 * units here, on one thread, in float32 with sums in float64.
 *
 * Inputs of the first layer are the rows themselves: bytes stay bytes.
 *
 * @param makeLayer makes a layer of that size, with parameters of 0; called from the first layer on
 */
export function layeredNetwork(
  shape: NetworkShape,
  makeLayer: (inputs: number, units: number) => LayerProducts,
): Network {
  const { features } = shape
  const specs = arraysOfNetwork(shape)
  const trained = trainedOf(specs)
  const arrays: Record<string, Float32Array> = {}
  const layers: Layer[] = []
  try {
    for (const { units, activation, batchNorm: isNormalised, dropout = 0, frozen = false } of shape.layers) {
      const at = suffixOf(shape, layers.length)
      const dense = makeLayer(layers.at(-1)?.units ?? features, units)
      const { W, b } = dense.read()
      Object.assign(arrays, { [`W${at}`]: W, [`b${at}`]: b })
      const norm = isNormalised ? batchNorm(normArrays(units, at)) : undefined
      const none = new Float32Array(0)
      const isRelu = activation === 'relu'
      layers.push({ dense, units, at, isRelu, norm, dropout, frozen, output: none, slope: none })
    }
  } catch (error) {
    free()
    throw error
  }
  if (layers.some(({ norm }) => norm)) arrays[BATCHES_SEEN] = new Float32Array(1)
  const last = layers.at(-1)!
  const firstTrained = layers.findIndex(({ frozen }) => !frozen)
  const classes = last.units
  const loss = lossOf(shape)
  const [rowScores, rowSlopes] = [new Float64Array(classes), new Float64Array(classes)]
  let lossSum = 0
  let count = 0

  function normArrays(units: number, at: string): NormArrays {
    const zeros = (): Float32Array => new Float32Array(units)
    const own = { gamma: zeros(), beta: zeros(), mean: zeros(), variance: zeros() }
    for (const [name, values] of Object.entries(own)) arrays[name + at] = values
    return own
  }

  /**
   * Computes the outputs of all layers. `isTraining`: with the statistics of the batch, which the averages take in, and
   * with dropout.
   */
  function forward(rows: Rows, isTraining: boolean): void {
    const size = rows.labels.length
    let input = rows
    for (const [l, layer] of layers.entries()) {
      const { dense, units, isRelu, norm, dropout } = layer
      if (layer.output.length < size * units) Object.assign(layer, dense.room(size))
      const { output } = layer
      dense.outputs(input, output, isRelu && !norm)
      if (norm && isTraining) norm.train(output, size, arrays[BATCHES_SEEN]![0] === 0)
      else if (norm) norm.evaluate(output, size)
      if (isRelu && norm) for (let i = 0; i < size * units; i++) output[i] = Math.max(0, output[i]!)
      if (dropout > 0 && isTraining) dropOut(output, rows.masks![l]!, size * units, dropout)
      input = { values: output, labels: rows.labels }
    }
    if (isTraining && BATCHES_SEEN in arrays) arrays[BATCHES_SEEN]![0]! += 1
  }

  /** The scores of row `i` in float64. */
  function scoresOf(i: number): Float64Array {
    const from = i * classes
    for (let k = 0; k < classes; k++) rowScores[k] = last.output[from + k]!
    return rowScores
  }

  /**
   * Goes forward and back through the layers with rows that have been checked. `use` takes the gradient of each layer,
   * from the last one on to the first that is trained; it may change the layer's parameters.
   */
  function descend(rows: Rows, use: (layer: Layer, input: Rows) => void): void {
    const size = rows.labels.length
    if (size > 0) forward(rows, true)
    for (let i = 0; i < size; i++) {
      const weight = rows.weights?.[i] ?? 1
      lossSum += weight * loss.slope(scoresOf(i), rows.labels[i]!, rowSlopes)
      if (weight !== 1) for (let k = 0; k < classes; k++) rowSlopes[k]! *= weight
      last.slope.set(rowSlopes, i * classes)
    }
    count += size
    const { isRelu, dropout, output, slope } = last
    if (dropout > 0) dropOut(slope, rows.masks![layers.length - 1]!, size * classes, dropout)
    if (isRelu) for (let i = 0; i < size * classes; i++) if (output[i]! <= 0) slope[i] = 0
    for (let l = layers.length - 1; l >= firstTrained; l--) {
      const { dense, norm, frozen, slope } = layers[l]!
      if (size > 0) norm?.backward(slope, size)
      const below = layers[l - 1]
      // With the weights before they change.
      if (below && l > firstTrained && size > 0) {
        dense.inputSlopes(slope, size, below.slope, below.isRelu ? below.output : undefined)
        if (below.dropout > 0) dropOut(below.slope, rows.masks![l - 1]!, size * below.units, below.dropout)
      }
      if (frozen) norm?.clear()
      else use(layers[l]!, below ? { values: below.output, labels: rows.labels } : rows)
    }
  }

  function check(rows: Rows): void {
    checkRows(rows, features)
    checkLabels(rows, classes)
  }

  function accumulate(rows: Rows): void {
    check(rows)
    checkStepRows(rows, shape)
    if (rows.labels.length > 0) descend(rows, ({ dense, slope }, input) => dense.accumulateSlopes(input, slope))
  }

  function step(rows: Rows, update: NetworkStep): number {
    check(rows)
    checkStepRows(rows, shape)
    checkAny(count + rows.labels.length)
    const total = count + rows.labels.length
    descend(rows, ({ dense, norm, slope, at }, input) => {
      dense.stepSlopes(input, slope, { update, names: { W: `W${at}`, b: `b${at}` } })
      norm?.step(total, update, at)
    })
    return finish()
  }

  /** Returns the mean loss of the accumulated rows, and begins a new sum. */
  function finish(): number {
    const mean = lossSum / count
    lossSum = count = 0
    return mean
  }

  function gradient(lambda: number, into?: Arrays): Gradient {
    checkAny(count)
    const target = into ? checkedNetworkArrays(into, trained) : undefined
    const mean: Record<string, Numbers> = {}
    for (const { dense, units, at, norm, frozen } of layers) {
      if (frozen) continue
      const [W, b] = [target?.[`W${at}`], target?.[`b${at}`]]
      const own = dense.gradient(lambda, W && b && { W, b }).arrays
      Object.assign(mean, { [`W${at}`]: own.W, [`b${at}`]: own.b })
      if (!norm) continue
      const gamma = target?.[`gamma${at}`] ?? new Float32Array(units)
      const beta = target?.[`beta${at}`] ?? new Float32Array(units)
      norm.gradient(count, gamma, beta)
      Object.assign(mean, { [`gamma${at}`]: gamma, [`beta${at}`]: beta })
    }
    return { arrays: mean, loss: finish() }
  }

  function evaluate(rows: Rows): Evaluation {
    check(rows)
    const size = rows.labels.length
    let [sum, correct] = [0, 0]
    if (size > 0) forward(rows, false)
    for (let i = 0; i < size; i++) {
      const label = rows.labels[i]!
      const scores = scoresOf(i)
      sum += loss.plain(scores, label)
      if (argMax(scores) === label) correct++
    }
    return { loss: sum, correct }
  }

  function scores(rows: Rows, out: Numbers): void {
    checkRows(rows, features)
    checkScores(rows, classes, out)
    if (rows.labels.length === 0) return
    forward(rows, false)
    out.set(last.output.subarray(0, rows.labels.length * classes))
  }

  function change(write: (parameters: Arrays) => void): void {
    for (const { dense } of layers) dense.change(() => {})
    write(arrays)
  }

  function free(): void {
    for (const { dense } of layers) dense.free()
  }

  return {
    features,
    classes,
    rules: ruleNames,
    read: () => arrays,
    load: (parameters) => {
      const given = checkedNetworkArrays(parameters, specs)
      change(() => {
        for (const { name } of specs) arrays[name]!.set(given[name]!)
      })
    },
    change,
    step,
    accumulate,
    gradient,
    evaluate,
    penalty: () => layers.reduce((sum, { dense }) => sum + dense.penalty(), 0),
    scores,
    free,
  }
}

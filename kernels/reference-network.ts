import {
  checkAny,
  checkedNetworkArrays,
  checkedRule,
  checkLabels,
  checkRows,
  checkScores,
  checkStepRows,
} from './check.js'
import type { Arrays, Evaluation, Gradient, Network, NetworkShape, NetworkStep, Numbers, Rows } from './contract.js'
import { dropOut } from './dropout.js'
import { argMax, lossOf } from './loss.js'
import {
  arraysOfNetwork,
  BATCHES_SEEN,
  EPSILON,
  KEPT,
  suffixOf,
  sumOfSquares,
  trainedOf,
  widthOf,
} from './network-shape.js'
import { readRow } from './rows.js'

type Values = Float64Array

/** The sizes of a layer, and what comes after its products. */
interface Layer {
  readonly inputs: number
  readonly units: number
  readonly at: string
  readonly isRelu: boolean
  readonly isNormalised: boolean
  readonly dropout: number
}

/** What a layer computed for `count` rows; `[rows, units]`. */
interface Passed {
  /** What came in, `[rows, inputs]`. */
  readonly input: Values
  /** The normalised outputs, before gamma and beta. */
  readonly normal?: Values
  /** The batch's deviation per unit. */
  readonly deviation?: Values
  /** What goes out. */
  readonly output: Values
  /** Which outputs stay, if some are dropped. */
  readonly mask: Uint8Array | undefined
}

/**
 * A network of dense layers in float64, written like the formulas. The forward pass keeps what each layer computed; the
 * backward pass goes from the loss to the first layer by the chain rule (C. Bishop, Pattern Recognition and Machine
 * Learning, 5.3).
 */
export function referenceNetwork(shape: NetworkShape): Network {
  const { features } = shape
  const specs = arraysOfNetwork(shape)
  const arraysLike = (): Record<string, Values> =>
    Object.fromEntries(specs.map(({ name, shape }) => [name, new Float64Array(widthOf(shape))]))
  const arrays = arraysLike()
  const sums = arraysLike()
  const layers: Layer[] = shape.layers.map(({ units, activation, batchNorm, dropout = 0 }, i, all) => ({
    inputs: i === 0 ? features : all[i - 1]!.units,
    units,
    at: suffixOf(shape, i),
    isRelu: activation === 'relu',
    isNormalised: batchNorm === true,
    dropout,
  }))
  const classes = layers.at(-1)!.units
  const loss = lossOf(shape)
  let lossSum = 0
  let count = 0

  function read(rows: Rows): Values {
    const input = new Float64Array(rows.labels.length * features)
    for (let i = 0; i < rows.labels.length; i++) readRow(rows, i, input.subarray(i * features, (i + 1) * features))
    return input
  }

  /** `isTraining`: with the statistics of the batch, which the running averages take in, and with dropout. */
  function forward(rows: Rows, isTraining: boolean): Passed[] {
    const size = rows.labels.length
    const passed: Passed[] = []
    let input = read(rows)
    for (const [l, layer] of layers.entries()) {
      const output = linear(layer, input, size)
      const normalised = layer.isNormalised ? normalise(layer, output, size, isTraining) : {}
      if (layer.isRelu) for (let i = 0; i < output.length; i++) if (output[i]! < 0) output[i] = 0
      const mask = isTraining && layer.dropout > 0 ? rows.masks?.[l] : undefined
      if (mask) dropOut(output, mask, output.length, layer.dropout)
      passed.push({ input, output, mask, ...normalised })
      input = output
    }
    if (isTraining && BATCHES_SEEN in arrays) arrays[BATCHES_SEEN]![0]! += 1
    return passed
  }

  /** `s = W x + b` of every row. */
  function linear({ inputs, units, at }: Layer, input: Values, size: number): Values {
    const [W, b] = [arrays[`W${at}`]!, arrays[`b${at}`]!]
    const output = new Float64Array(size * units)
    for (let i = 0; i < size; i++)
      for (let k = 0; k < units; k++) {
        let sum = b[k]!
        for (let j = 0; j < inputs; j++) sum += W[k * inputs + j]! * input[i * inputs + j]!
        output[i * units + k] = sum
      }
    return output
  }

  /** `gamma · n(s) + beta` in place. Returns what the backward pass needs. */
  function normalise({ units, at }: Layer, s: Values, size: number, isTraining: boolean) {
    const [gamma, beta] = [arrays[`gamma${at}`]!, arrays[`beta${at}`]!]
    const [averageMean, averageVariance] = [arrays[`mean${at}`]!, arrays[`variance${at}`]!]
    const kept = arrays[BATCHES_SEEN]![0] === 0 ? 0 : KEPT
    const normal = new Float64Array(s.length)
    const deviation = new Float64Array(units)
    for (let k = 0; k < units; k++) {
      let [mean, variance] = [averageMean[k]!, averageVariance[k]!]
      if (isTraining) {
        mean = variance = 0
        for (let i = 0; i < size; i++) mean += s[i * units + k]! / size
        for (let i = 0; i < size; i++) variance += (s[i * units + k]! - mean) ** 2 / size
        averageMean[k] = kept * averageMean[k]! + (1 - kept) * mean
        averageVariance[k] = kept * averageVariance[k]! + (1 - kept) * variance
      }
      deviation[k] = Math.sqrt(variance + EPSILON)
      for (let i = k; i < s.length; i += units) {
        normal[i] = (s[i]! - mean) / deviation[k]!
        s[i] = gamma[k]! * normal[i]! + beta[k]!
      }
    }
    return { normal, deviation }
  }

  function accumulate(rows: Rows): void {
    checkRows(rows, features)
    checkLabels(rows, classes)
    checkStepRows(rows, shape)
    const size = rows.labels.length
    if (size === 0) return
    const passed = forward(rows, true)
    let slope: Values = new Float64Array(size * classes)
    const scores = passed.at(-1)!.output
    for (let i = 0; i < size; i++) {
      const from = i * classes
      const own = slope.subarray(from, from + classes)
      const weight = rows.weights?.[i] ?? 1
      lossSum += weight * loss.slope(scores.subarray(from, from + classes), rows.labels[i]!, own)
      for (let k = 0; k < classes; k++) own[k]! *= weight
    }
    count += size
    for (let l = layers.length - 1; l >= 0; l--) slope = backward(layers[l]!, passed[l]!, slope, size, l > 0)
  }

  /** Adds to the sums of a layer. Returns the slope of the loss by its inputs, empty if nobody needs it. */
  function backward(layer: Layer, passed: Passed, slope: Values, size: number, isNeeded: boolean): Values {
    const { inputs, units, at, isRelu, dropout } = layer
    const { input, output, mask } = passed
    if (mask) dropOut(slope, mask, slope.length, dropout)
    if (isRelu) for (let i = 0; i < slope.length; i++) if (output[i]! <= 0) slope[i] = 0
    if (layer.isNormalised) backwardNormal(layer, passed, slope, size)
    const [W, dW, db] = [arrays[`W${at}`]!, sums[`W${at}`]!, sums[`b${at}`]!]
    const out = new Float64Array(isNeeded ? size * inputs : 0)
    for (let i = 0; i < size; i++)
      for (let k = 0; k < units; k++) {
        const g = slope[i * units + k]!
        db[k]! += g
        for (let j = 0; j < inputs; j++) dW[k * inputs + j]! += g * input[i * inputs + j]!
        if (isNeeded) for (let j = 0; j < inputs; j++) out[i * inputs + j]! += g * W[k * inputs + j]!
      }
    return out
  }

  /** Turns the slope by the outputs of a normalisation into the slope by its inputs, in place. */
  function backwardNormal({ units, at }: Layer, { normal, deviation }: Passed, slope: Values, size: number): void {
    const [gamma, dGamma, dBeta] = [arrays[`gamma${at}`]!, sums[`gamma${at}`]!, sums[`beta${at}`]!]
    for (let k = 0; k < units; k++) {
      let [plain, along] = [0, 0]
      for (let i = k; i < slope.length; i += units) {
        plain += slope[i]!
        along += slope[i]! * normal![i]!
      }
      dBeta[k]! += plain
      dGamma[k]! += along
      // The mean and the variance of the batch depend on every row.
      for (let i = k; i < slope.length; i += units)
        slope[i] = (gamma[k]! / deviation![k]!) * (slope[i]! - plain / size - (normal![i]! * along) / size)
    }
  }

  function gradient(lambda: number, into?: Arrays): Gradient {
    checkAny(count)
    const trained = trainedOf(specs)
    const target = into ? checkedNetworkArrays(into, trained) : undefined
    const mean: Record<string, Numbers> = {}
    for (const { name, kind } of trained) {
      const [sum, w] = [sums[name]!, arrays[name]!]
      const decay = kind === 'weights' ? 2 * lambda : 0
      const values = target?.[name] ?? new Float64Array(sum.length)
      for (let i = 0; i < sum.length; i++) values[i] = sum[i]! / count + decay * w[i]!
      mean[name] = values
    }
    for (const sum of Object.values(sums)) sum.fill(0)
    const meanLoss = lossSum / count
    lossSum = count = 0
    return { arrays: mean, loss: meanLoss }
  }

  function step(rows: Rows, update: NetworkStep): number {
    const { eta, lambda } = checkedRule(update)
    accumulate(rows)
    const { arrays: slopes, loss } = gradient(lambda)
    for (const [name, slope] of Object.entries(slopes))
      for (let i = 0; i < slope.length; i++) arrays[name]![i]! -= eta * slope[i]!
    return loss
  }

  function evaluate(rows: Rows): Evaluation {
    checkRows(rows, features)
    checkLabels(rows, classes)
    let sum = 0
    let correct = 0
    const all = forward(rows, false).at(-1)!.output
    for (const [i, label] of rows.labels.entries()) {
      const scores = all.subarray(i * classes, (i + 1) * classes)
      sum += loss.plain(scores, label)
      if (argMax(scores) === label) correct++
    }
    return { loss: sum, correct }
  }

  function scores(rows: Rows, out: Numbers): void {
    checkRows(rows, features)
    checkScores(rows, classes, out)
    out.set(forward(rows, false).at(-1)!.output)
  }

  return {
    features,
    classes,
    rules: ['sgd'],
    read: () => arrays,
    load: (parameters) => {
      const given = checkedNetworkArrays(parameters, specs)
      for (const { name } of specs) arrays[name]!.set(given[name]!)
    },
    change: (write) => write(arrays),
    step,
    accumulate,
    gradient,
    evaluate,
    penalty: () => sumOfSquares(arrays, specs),
    scores,
    free: () => {},
  }
}

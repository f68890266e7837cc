import { affineOf, checkAny, checkedArrays, checkLabels, checkRows, checkScores, checkUnweighted } from '../check.js'
import {
  type Arrays,
  type Evaluation,
  type Gradient,
  type Network,
  type NetworkStep,
  type Numbers,
  type Rows,
  ruleNames,
} from '../contract.js'
import { type LayerProducts, type LayerStep, ruleNumbers, stateOf } from '../dense-layer.js'
import type { Arena } from './arena.js'
import { double, GROUP, roundUp, TILE_COLUMNS, TILE_ROWS, word } from './layout.js'
import { createPass, leastPassBytes } from './pass.js'

/** The rows of slopes that one phase of `inputSlopes` multiplies. Its working memory is as large for all layers. */
const SLOPE_ROWS = 64

/**
 * Makes a dense layer, with the loss cross-entropy or inside a network. Its parameters and sums lie in the arena. Each
 * call has a few phases. The phase `fold` folds the standardisation into the weights. Then each pass over some of the rows has a
 * forward phase over tiles of rows and a backward phase over tiles of columns.
 */
export function createSoftmax(arena: Arena, features: number, classes: number): Network & LayerProducts {
  const blocks: number[] = []
  try {
    return placedSoftmax(arena, features, classes, blocks)
  } catch (error) {
    for (const at of blocks) arena.heap.free(at)
    throw error
  }
}

/** Makes the network; adds each block that it takes from the heap to `blocks`. */
function placedSoftmax(arena: Arena, features: number, classes: number, blocks: number[]): Network & LayerProducts {
  const { heap, exports, words, doubles } = arena
  const stride = roundUp(features, 16)
  const groups = roundUp(classes, GROUP)
  const lanes = roundUp(classes, 4)
  const scratchBytes = roundUp(exports.scratchBytes(lanes), 64)
  const columnTiles = Math.ceil(features / TILE_COLUMNS)

  const sizes = {
    W: classes * features * 4,
    b: classes * 4,
    gSum: lanes * 8,
    mean: stride * 8,
    scale: stride * 8,
    gPass: lanes * 8,
    folded: groups * stride * 4,
    bias: lanes * 8,
    scratch: scratchBytes * arena.threads,
  }
  heap.checkTotal(
    `a network of ${features} features and ${classes} classes (threads: ${arena.threads})`,
    Object.values(sizes).concat(leastPassBytes(lanes)),
  )

  const place = (bytes: number): [SharedArrayBuffer, number] => {
    const placed = heap.place(bytes)
    blocks.push(placed[1])
    return placed
  }
  const W = new Float32Array(...place(sizes.W), classes * features)
  const b = new Float32Array(...place(sizes.b), classes)
  const gSum = new Float64Array(...place(sizes.gSum), lanes)
  const mean = new Float64Array(...place(sizes.mean), features)
  const scale = new Float64Array(...place(sizes.scale), features)
  const [, gPass] = place(sizes.gPass)
  const [, folded] = place(sizes.folded)
  const [, bias] = place(sizes.bias)
  const [, scratch] = place(sizes.scratch)
  const pass = createPass(arena, features, classes, lanes)
  let sums = 0
  let productScratch = 0
  let numbers: Float64Array | undefined
  let held: number[] = []
  let count = 0
  let loss = 0

  /** Writes the addresses of this network to the fields of `Call`, from which the next phases read them. */
  function writeAddresses(): void {
    arena.check()
    words[word.features] = features
    words[word.classes] = classes
    words[word.stride] = stride
    words[word.lanes] = lanes
    words[word.W] = W.byteOffset
    words[word.b] = b.byteOffset
    words[word.folded] = folded
    words[word.bias] = bias
    words[word.mean] = mean.byteOffset
    words[word.gSum] = gSum.byteOffset
    words[word.gPass] = gPass
    words[word.sums] = sums
    words[word.scratch] = scratch
    words[word.scratchBytes] = scratchBytes
  }

  /** Writes the addresses, and the standardisation of these rows. */
  function prepare(rows: Rows): void {
    const affine = affineOf(rows)
    writeAddresses()
    if (affine) {
      mean.set(affine.mean)
      scale.set(affine.scale)
    }
    words[word.scale] = affine ? scale.byteOffset : 0
  }

  /** Prepares, and folds the standardisation of these rows into the weights. */
  function begin(rows: Rows): void {
    prepare(rows)
    arena.run('fold', groups / GROUP, classes * features)
  }

  function check(rows: Rows): void {
    checkRows(rows, features)
    checkLabels(rows, classes)
  }

  /**
   * Adds the losses and gradients of the rows to the sums. With `isStep`, the last pass makes the step instead. With
   * `slopes`, the derivative of the loss by each output, the loss is computed elsewhere.
   */
  function add(rows: Rows, isStep: boolean, slopes?: Float32Array): void {
    const total = rows.labels.length
    let first = 0
    do {
      const size = pass.enter(rows, first)
      const work = size * features * classes
      const tiles = Math.ceil(size / TILE_ROWS)
      if (slopes) {
        words[word.slopes] = slopes.byteOffset + first * classes * 4
        exports.takeSlopes()
        words[word.nonzero] = pass.nonzero
        exports.listSlopes()
      } else {
        words[word.nonzero] = 0
        arena.run('train', tiles, work)
        exports.sumScores(tiles)
        loss += pass.scores[0]!
      }
      exports.sumGradients()
      words[word.carried] = Number(count > 0)
      count += size
      first += size
      if (isStep && first >= total) {
        doubles[double.factor] = 1 / count
        arena.run('update', columnTiles, work)
        if (words[word.rule] === 0) exports.updateBias()
      } else {
        words[word.sums] = sums ||= place(classes * stride * 8)[1]
        arena.run('accumulate', columnTiles, work)
      }
    } while (first < total)
  }

  /** Returns the mean loss of the accumulated rows, and clears the sums. */
  function finish(): number {
    const mean = loss / count
    loss = count = 0
    gSum.fill(0)
    return mean
  }

  function step(rows: Rows, update: NetworkStep): number {
    check(rows)
    checkUnweighted(rows)
    checkAny(count + rows.labels.length)
    begin(rows)
    return makeStep(rows, { update, names: { W: 'W', b: 'b' } })
  }

  /** Adds the rows to the step in progress, and makes it. Returns the mean loss. */
  function makeStep(rows: Rows, layer: LayerStep, slopes?: Float32Array): number {
    const { update, names } = layer
    doubles[double.eta] = update.eta
    doubles[double.lambda] = update.lambda
    words[word.rule] = 0
    if (update.rule !== 'sgd') {
      const given = ruleNumbers(update)
      numbers ??= new Float64Array(...place(64), 8)
      numbers.set(given)
      words[word.rule] = given[0]!
      words[word.numbers] = numbers.byteOffset
      const state = stateOf(layer, update)
      if (!state.every(({ buffer }) => heap.owns(buffer)))
        throw new RangeError('expected the state of an update rule in memory of the kernel')
      words[word.first] = state[0].byteOffset
      words[word.second] = state[1].byteOffset
    }
    add(rows, true, slopes)
    if (update.rule !== 'sgd')
      update.change(
        names.b,
        b,
        gSum.subarray(0, classes).map((sum) => sum / count),
      )
    return finish()
  }

  function accumulate(rows: Rows): void {
    check(rows)
    checkUnweighted(rows)
    if (rows.labels.length === 0) return
    begin(rows)
    add(rows, false)
  }

  function freeRoom(): void {
    for (const at of held) heap.free(at)
    held = []
  }

  function room(rows: number): { output: Float32Array; slope: Float32Array } {
    freeRoom()
    const make = (): Float32Array => {
      const [memory, at] = heap.place(rows * classes * 4)
      held.push(at)
      return new Float32Array(memory, at, rows * classes)
    }
    return { output: make(), slope: make() }
  }

  function outputs(rows: Rows, out: Float32Array, isRelu: boolean): void {
    begin(rows)
    for (let first = 0; first < rows.labels.length; ) {
      const size = pass.enter(rows, first)
      words[word.out] = out.byteOffset + first * classes * 4
      words[word.relu] = Number(isRelu)
      arena.run('outputs', Math.ceil(size / TILE_ROWS), size * features * classes)
      first += size
    }
  }

  /** `slopes W` is the gradient `G^T X` with the rows of W for X, and a column of G for each row of slopes. */
  function inputSlopes(slopes: Float32Array, rows: number, out: Float32Array, relu: Float32Array | undefined): void {
    writeAddresses()
    const bytes = roundUp(exports.scratchBytes(SLOPE_ROWS), 64)
    productScratch ||= place(bytes * arena.threads + SLOPE_ROWS * classes * 12)[1]
    words[word.width] = 4
    words[word.values] = W.byteOffset
    words[word.rows] = classes
    words[word.pitch] = classes
    words[word.scratch] = productScratch
    words[word.g] = productScratch + bytes * arena.threads
    words[word.nonzero] = words[word.g]! + SLOPE_ROWS * classes * 4
    words[word.scratchBytes] = bytes
    words[word.scale] = words[word.carried] = 0
    for (let first = 0; first < rows; first += SLOPE_ROWS) {
      const size = Math.min(SLOPE_ROWS, rows - first)
      words[word.classes] = size
      words[word.lanes] = roundUp(size, 4)
      words[word.slopes] = slopes.byteOffset + first * classes * 4
      exports.pairSlopes()
      exports.listSlopes()
      words[word.out] = out.byteOffset + first * features * 4
      words[word.relu] = relu ? relu.byteOffset + first * features * 4 : 0
      arena.run('product', columnTiles, size * features * classes)
    }
  }

  function gradient(lambda: number, into?: Arrays): Gradient {
    checkAny(count)
    const target = into ? checkedArrays(into, features, classes) : undefined
    sums ||= place(classes * stride * 8)[1]
    const [buffer, at] = heap.place(classes * features * 4)
    writeAddresses()
    words[word.out] = at
    doubles[double.factor] = 1 / count
    doubles[double.lambda] = lambda
    arena.run('gradient', columnTiles, classes * features)
    const computed = new Float32Array(buffer, at, classes * features)
    const arrays = target ?? { W: new Float32Array(computed.length), b: new Float32Array(classes) }
    arrays.W.set(computed)
    heap.free(at)
    for (let k = 0; k < classes; k++) arrays.b[k] = gSum[k]! * (1 / count)
    return { arrays: { ...arrays }, loss: finish() }
  }

  function evaluate(rows: Rows): Evaluation {
    check(rows)
    let sum = 0
    let correct = 0
    if (rows.labels.length > 0) begin(rows)
    for (let first = 0; first < rows.labels.length; ) {
      const size = pass.enter(rows, first)
      const tiles = Math.ceil(size / TILE_ROWS)
      arena.run('evaluate', tiles, size * features * classes)
      exports.sumScores(tiles)
      sum += pass.scores[0]!
      correct += pass.scores[1]!
      first += size
    }
    return { loss: sum, correct }
  }

  function penalty(): number {
    writeAddresses()
    return exports.penalty()
  }

  function scores(rows: Rows, out: Numbers): void {
    checkRows(rows, features)
    checkScores(rows, classes, out)
    if (rows.labels.length > 0) begin(rows)
    for (let first = 0; first < rows.labels.length; ) {
      const size = pass.enter(rows, first)
      words[word.out] = pass.logits.byteOffset
      arena.run('logits', Math.ceil(size / TILE_ROWS), size * features * classes)
      out.set(pass.logits.subarray(0, size * classes), first * classes)
      first += size
    }
  }

  return {
    features,
    classes,
    rules: ruleNames,
    read: () => ({ W, b }),
    load: (parameters) => {
      arena.check()
      const given = checkedArrays(parameters, features, classes)
      W.set(given.W)
      b.set(given.b)
    },
    change: (write) => {
      arena.check()
      write({ W, b })
    },
    step,
    accumulate,
    gradient,
    evaluate,
    penalty,
    scores,
    accumulateSlopes: (rows, slopes) => {
      prepare(rows)
      add(rows, false, slopes)
    },
    stepSlopes: (rows, slopes, layer) => {
      prepare(rows)
      makeStep(rows, layer, slopes)
    },
    room,
    outputs,
    inputSlopes,
    free: () => {
      pass.free()
      freeRoom()
      for (const at of blocks.splice(0)) heap.free(at)
    },
  }
}

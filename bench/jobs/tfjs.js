// One experiment in tfjs. Prints { train }: seconds of the training loop for the epochs it ran.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm'

const { values: flags } = parseArgs({
  options: {
    backend: { type: 'string', default: 'wasm' },
    directory: { type: 'string' },
    epochs: { type: 'string', default: '40' },
  },
})
const [ETA, LAMBDA, BATCH, PIXELS] = [0.001, 0.1, 100, 3072]
const main = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm')
setWasmPaths(`${dirname(main)}/`)
setThreadsCount(1)
await tf.setBackend(flags.backend)
await tf.ready()

function load(name) {
  const raw = readFileSync(join(flags.directory, name))
  const rows = raw.length / (PIXELS + 1)
  const x = new Float32Array(rows * PIXELS)
  const y = new Int32Array(rows)
  for (let i = 0; i < rows; i++) {
    y[i] = raw[i * (PIXELS + 1)]
    for (let j = 0; j < PIXELS; j++) x[i * PIXELS + j] = raw[i * (PIXELS + 1) + 1 + j] / 255
  }
  return { x: tf.tensor2d(x, [rows, PIXELS]), y: tf.tensor1d(y, 'int32') }
}

const loaded = ['data_batch_1.bin', 'data_batch_2.bin', 'test_batch.bin'].map(load)
const { mean, variance } = tf.moments(loaded[0].x, 0)
const splits = loaded.map(({ x, y }) => ({
  x: tf.tidy(() => x.sub(mean).div(variance.sqrt())),
  y,
  hot: tf.oneHot(y, 10),
}))
const W = tf.variable(tf.randomNormal([PIXELS, 10], 0, 0.01, 'float32', 400))
const b = tf.variable(tf.randomNormal([10], 0, 0.01, 'float32', 401))

const start = performance.now()
const [{ x, hot }] = splits
const steps = x.shape[0] / BATCH
let cost = 0
for (let epoch = 0; epoch < Number(flags.epochs); epoch++) {
  for (const i of tf.util.createShuffledIndices(steps)) {
    tf.tidy(() => {
      const xs = x.slice([i * BATCH, 0], [BATCH, PIXELS])
      const g = tf
        .softmax(xs.matMul(W).add(b))
        .sub(hot.slice([i * BATCH, 0], [BATCH, 10]))
        .div(BATCH)
      W.assign(
        W.sub(
          xs
            .matMul(g, true)
            .add(W.mul(2 * LAMBDA))
            .mul(ETA),
        ),
      )
      b.assign(b.sub(g.sum(0).mul(ETA)))
    })
  }
  for (const [i, split] of splits.entries()) {
    const [loss] = tf.tidy(() => {
      const s = split.x.matMul(W).add(b)
      const logP = tf.logSoftmax(s)
      const accuracy = s.argMax(1).equal(split.y).mean().dataSync()[0]
      return [split.hot.mul(logP).sum().div(-split.y.shape[0]).dataSync()[0], accuracy]
    })
    if (i === 0) cost = loss + LAMBDA * tf.tidy(() => W.square().sum().dataSync()[0])
  }
}
console.log(JSON.stringify({ train: (performance.now() - start) / 1000, cost }))

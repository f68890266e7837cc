import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { openKernels } from '../dist/kernels/index.js'
import { fixed, median, printTable } from './measure.js'

const shapes = [
  { features: 3072, classes: 10, type: 'uint8' },
  { features: 3072, classes: 10, type: 'float32' },
  { features: 64, classes: 10, type: 'uint8' },
  { features: 784, classes: 100, type: 'float32' },
]

/** Prints GFLOP/s and GB/s of each kernel's step (100 rows) and evaluation (10,000 rows), and the machine's limits. */
export async function kernelBench({ kernels, repeats }) {
  console.log('\nKernels: a step of 100 rows, an evaluation of 10,000; 2 FLOP per multiply-add, GB of rows read')
  await roofline()
  const rows = []
  for (const shape of shapes)
    for (const kernel of kernels)
      for (const threads of [1, 2]) rows.push(await measured(kernel, threads, shape, repeats))
  printTable(['', 'step GFLOP/s', 'step GB/s', 'evaluate GFLOP/s', 'evaluate GB/s'], rows)
}

async function measured(kernel, threads, { features, classes, type }, repeats) {
  const kernels = await openKernels({ kernel, threads })
  const count = 10_000
  const bytes = kernels.allocate(count * features * (type === 'uint8' ? 1 : 4))
  const values = type === 'uint8' ? bytes : new Float32Array(bytes.buffer, bytes.byteOffset, count * features)
  for (let i = 0; i < values.length; i++) values[i] = (i * 2654435761) % 251
  if (type === 'float32') for (let i = 0; i < values.length; i++) values[i] = values[i] / 125 - 1
  const labels = Int32Array.from({ length: count }, (_, i) => i % classes)
  const affine = type === 'uint8' && {
    mean: new Float64Array(features).fill(125),
    scale: new Float64Array(features).fill(1 / 72),
  }
  const rows = (from, to) => ({
    values: values.subarray(from * features, to * features),
    labels: labels.subarray(from, to),
    ...(affine && { affine }),
  })
  const softmax = kernels.network({ features, layers: [{ units: classes }], loss: 'cross-entropy' })
  const whole = rows(0, count)
  const batches = Array.from({ length: 100 }, (_, i) => rows(i * 100, i * 100 + 100))
  const epoch = () => {
    for (const batch of batches) softmax.step(batch, { rule: 'sgd', eta: 1e-4, lambda: 0.1 })
  }
  const flop = 2 * count * features * classes
  const [step, evaluate] = [seconds(epoch, repeats), seconds(() => softmax.evaluate(whole), repeats)]
  kernels.close()
  const name = `${kernel} (${kernels.detail}), ${threads} thread${threads > 1 ? 's' : ''}, ${type} ${features} → ${classes}`
  const rate = (work, time) => fixed(work / time / 1e9, 1)
  return [name, rate(2 * flop, step), rate(bytes.length, step), rate(flop, evaluate), rate(bytes.length, evaluate)]
}

function seconds(work, repeats) {
  work()
  const times = Array.from({ length: Math.max(5, repeats * 3) }, () => {
    const began = performance.now()
    work()
    return (performance.now() - began) / 1000
  })
  return median(times)
}

async function roofline() {
  const from = new Uint8Array(256 << 20).fill(1)
  const to = new Uint8Array(from.length)
  const copy = seconds(() => to.set(from), 3)
  console.log(
    `  memory: ${fixed((2 * from.length) / copy / 1e9, 1)} GB/s (one thread copies 256 MB: read and write counted)`,
  )
  const code = `
import time, numpy as np
a = np.ones((2048, 2048), np.float32); best = 9
for _ in range(5):
    t = time.perf_counter(); a @ a; best = min(best, time.perf_counter() - t)
print(2 * 2048**3 / best / 1e9)`
  for (const threads of [1, 2])
    try {
      const env = { ...process.env, OPENBLAS_NUM_THREADS: String(threads) }
      const { stdout } = await promisify(execFile)('/usr/bin/python3', ['-c', code], { env })
      console.log(
        `  arithmetic: ${fixed(Number(stdout), 0)} GFLOP/s (OpenBLAS sgemm of 2048², ${threads} thread${threads > 1 ? 's' : ''})`,
      )
    } catch {
      console.log('  arithmetic: not measured (needs NumPy)')
      break
    }
}

import t from 'tap'
import type { Kernels } from '../../dist/kernels/index.js'
import { createArena } from '../../dist/kernels/wasm/arena.js'
import { createHeap } from '../../dist/kernels/wasm/heap.js'
import { wasmKernels } from '../../dist/kernels/wasm/index.js'
import { word } from '../../dist/kernels/wasm/layout.js'
import { wasmModule } from '../../dist/kernels/wasm/module.js'
import { createSoftmax } from '../../dist/kernels/wasm/softmax.js'
import { agreement } from './agreement.js'
import { network, sgd } from './problems.js'

const rows = { values: new Uint8Array(2000 * 512).fill(1), labels: new Int32Array(2000) }

await agreement(t, 'wasm', (threads) => wasmKernels({ threads }))

t.test('wasm says what it is', async (t) => {
  const kernels = await wasmKernels({ threads: 2 })
  t.match(kernels, { name: 'wasm', detail: 'simd128', threads: 2, precision: 'float32', slice: 1e8 })
  kernels.close()
})

t.test('wasm reads rows in place in its memory, also after the memory has grown', async (t) => {
  const heap = createHeap()
  const [older] = heap.place(100)
  const [younger] = heap.place(64 * 1024 * 1024)
  t.not(younger, older)
  t.ok(heap.owns(older) && heap.owns(younger) && heap.owns(heap.memory.buffer))
  t.notOk(heap.owns(new SharedArrayBuffer(8)))
  t.notOk(heap.owns(new ArrayBuffer(8)))
})

t.test('wasm reuses what is freed, and joins neighbours', async (t) => {
  const heap = createHeap()
  const [a, b, c] = [heap.allocate(1000), heap.allocate(1000), heap.allocate(1000)]
  const end = heap.allocate(64)
  heap.free(a)
  heap.free(c)
  heap.free(b)
  heap.free(b)
  t.equal(heap.allocate(3 * 1024), a)
  t.equal(heap.allocate(64), end + 64)
})

t.test('wasm says what its limit is, and who has none', async (t) => {
  const kernels = await wasmKernels({ threads: 1 })
  t.throws(() => kernels.allocate(2 ** 32), {
    name: 'RangeError',
    message:
      /^cannot allocate 4294967296 bytes: the wasm kernel reaches 4 GiB .* native and the reference kernel have no/,
  })
  t.equal(kernels.allocate(10).length, 10, 'it goes on working')
  kernels.close()
})

t.test('wasm copies a gradient before it frees the memory that it was computed in', async (t) => {
  const kernels = await wasmKernels({ threads: 1 })
  const model = network(kernels, 512, 3)
  model.accumulate(rows)
  const { W, b } = model.gradient(0).arrays
  for (const array of [W, b]) t.not(array.buffer, model.read().W.buffer, 'it is outside the memory of the kernel')
  const before = W.slice()
  t.ok(before.some(Boolean))
  for (let i = 0; i < 4; i++) kernels.allocate(W.byteLength).fill(255)
  t.same(W, before)
  kernels.close()
})

t.test('wasm works beyond 2 GiB', async (t) => {
  const kernels = await wasmKernels({ threads: 1 })
  kernels.allocate(2 ** 31)
  const far = kernels.allocate(rows.values.length)
  far.set(rows.values)
  const model = network(kernels, 512, 3)
  t.ok(model.read().W.byteOffset > 2 ** 31)
  t.same(model.evaluate({ ...rows, values: far }).correct, 2000)
  t.same(kernels.moments(far, 512).sum, new Float64Array(512).fill(2000))
  kernels.close()
})

t.test('wasm reports a worker that fails while it is waited for', async (t) => {
  const arena = createArena(await wasmModule(), 2)
  // Sends the worker, and only the worker, out of bounds.
  const run: typeof arena.run = (...phase) => {
    arena.words[word.scratchBytes] = 0xf0000000
    arena.run(...phase)
  }
  const model = createSoftmax({ ...arena, run }, 512, 100)
  const evaluateUntilItFails = () => {
    for (const end = Date.now() + 5000; Date.now() < end; ) model.evaluate(rows)
  }
  const message = /^a worker thread of the wasm kernel failed: RuntimeError: memory access out of bounds/
  t.throws(evaluateUntilItFails, { message })
  t.throws(() => model.evaluate(rows), { message })
  t.equal(arena.hasFailed, true)
  for (const worker of arena.workers) worker.ref()
  await arena.end()
})

t.test('wasm reports a worker that has died', async (t) => {
  const arena = createArena(await wasmModule(), 2)
  const model = createSoftmax(arena, 512, 3)
  model.evaluate(rows)
  await arena.workers[0]!.terminate()
  t.throws(() => model.evaluate(rows), { message: /^a worker thread of the wasm kernel failed/ })
})

for (const [threads, cycles] of [
  [1, 10_000],
  [2, 1_000],
] as const) {
  t.test(`wasm leaks nothing in ${cycles} cycles with ${threads} threads`, async (t) => {
    const cycle = async () => {
      const kernels: Kernels = await wasmKernels({ threads })
      const model = network(kernels, 64, 10)
      model.step({ values: kernels.allocate(6400), labels: new Int32Array(100) }, sgd(0.1, 0))
      model.free()
      kernels.close()
    }
    for (let i = 0; i < cycles / 2; i++) await cycle()
    const before = process.memoryUsage().rss
    for (let i = 0; i < cycles / 2; i++) await cycle()
    const grown = (process.memoryUsage().rss - before) / 2 ** 20
    t.ok(grown < 40, `${grown.toFixed(1)} MiB`)
  })
}

t.test('wasm refuses a network that can never fit before it takes any memory, and says its size', async (t) => {
  const kernels = await wasmKernels({ threads: 1 })
  const before = kernels.allocate(1).byteOffset
  // The weights alone; weights and folded weights, of which each would fit.
  for (const [features, classes] of [
    [5000, 300_000],
    [500, 2 ** 20],
  ] as const)
    t.throws(() => network(kernels, features, classes), {
      name: 'RangeError',
      code: 'OUT_OF_MEMORY',
      message: new RegExp(
        `^cannot allocate \\d{10,} bytes: a network of ${features} features and ${classes} classes \\(threads: 1\\) needs them, ` +
          'and the wasm kernel reaches 4 GiB of memory; the native and the reference kernel have no such limit$',
      ),
    })
  t.equal(kernels.allocate(1).byteOffset, before + 64, 'nothing was taken')
  network(kernels, 1, 2 ** 20).free()
  kernels.close()
})

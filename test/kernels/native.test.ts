import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import type { Kernels } from '../../dist/kernels/index.js'
import { nativeKernels, nativeMissing } from '../../dist/kernels/native/index.js'
import { agreement, fingerprint } from './agreement.js'
import { helpersSource, network, randomRows, type Shape, sgd } from './problems.js'

const missing = nativeMissing()
if (missing) {
  t.skip(missing)
} else {
  await native()
}

async function native(): Promise<void> {
  const open = (threads: number, isa?: string): Kernels => {
    if (isa) process.env.MILLRACE_NATIVE_ISA = isa
    try {
      return nativeKernels({ threads })
    } finally {
      delete process.env.MILLRACE_NATIVE_ISA
    }
  }

  for (const isa of ['avx512', 'avx2', 'portable']) {
    let unable: string | false = false
    try {
      open(1, isa).close()
    } catch (error) {
      unable = (error as Error).message
    }
    await t.test(`native on ${isa}`, { skip: unable }, async (t) => {
      const kernels = open(1, isa)
      const slice = { avx512: 3.2e8, avx2: 1.6e8, portable: 1e8 }[isa]
      t.match(kernels, { name: 'native', detail: isa, precision: 'float32', threads: 1, slice })
      kernels.close()
      await agreement(t, isa, (threads) => open(threads, isa))
    })
  }

  t.test('native refuses instructions it does not know', async (t) => {
    t.throws(() => open(1, 'abacus'), { message: 'this processor has no abacus' })
  })

  t.test('native refuses arrays of other types', async (t) => {
    const kernels = open(1)
    const softmax = network(kernels, 4, 3)
    const labels = new Int32Array(2)
    t.throws(() => softmax.evaluate({ values: Array(8).fill(1) as never, labels }), TypeError)
    t.throws(() => softmax.evaluate({ values: new Uint8Array(8), labels: new Uint8Array(2) as never }), TypeError)
    kernels.close()
  })

  t.test('native classifiers work on when nothing but they refers to the kernels', async (t) => {
    const softmax = network(open(2), 600, 10)
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc') as () => void
    for (let i = 0; i < 3; i++) {
      gc()
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    t.ok(softmax.step({ values: new Uint8Array(60000), labels: new Int32Array(100) }, sgd(0.1, 0)) > 0)
  })

  t.test('native throws, and does not crash, after free and after close', async (t) => {
    const kernels = open(2)
    const rows = { values: new Uint8Array(8), labels: new Int32Array(2) }
    const freed = network(kernels, 4, 3)
    const kept = network(kernels, 4, 3)
    freed.free()
    freed.free()
    t.throws(() => freed.step(rows, sgd(1, 0)), { message: 'this classifier was freed' })
    t.throws(() => freed.load(kept.read()), { message: 'this classifier was freed' })
    kernels.close()
    kernels.close()
    t.throws(() => kept.evaluate(rows), { message: 'the kernels of this classifier are closed' })
    t.throws(() => network(kernels, 4, 3), { message: 'these kernels are closed' })
    t.throws(() => kernels.moments(rows.values, 4), { message: 'these kernels are closed' })
    kept.free()
  })

  t.test('native reads rows in any kind of memory', async (t) => {
    const kernels = open(2)
    t.teardown(() => kernels.close())
    const features = 3
    const evaluate = (values: Uint8Array): number => {
      const softmax = network(kernels, features, 2)
      softmax.load({ W: Float64Array.of(1, 2, 3, -1, 1, 0.5), b: Float64Array.of(0, 1) })
      return softmax.evaluate({ values, labels: new Int32Array(values.length / features) }).loss
    }
    const shared = new Uint8Array(new SharedArrayBuffer(16), 1, 6)
    shared.set([1, 0, 2, 3, 1, 0])
    const expected = evaluate(shared)
    t.ok(Number.isFinite(expected))
    t.equal(evaluate(Uint8Array.from(shared)), expected)
    t.equal(evaluate(Buffer.from(shared)), expected)
    t.equal(evaluate(Uint8Array.from([9, ...shared, 9]).subarray(1, 7)), expected)
  })

  t.test('native works in several worker threads at once, to the same bits', async (t) => {
    const shape: Shape = { features: 300, classes: 10, rows: 50, kind: 'uint8 with affine', seed: 20 }
    const kernels = open(2)
    t.teardown(() => kernels.close())
    const url = new URL('../../dist/kernels/native/index.js', import.meta.url).href
    const source = `
      import { parentPort } from 'node:worker_threads'
      import { nativeKernels } from '${url}'
      ${helpersSource}
      const kernels = nativeKernels({ threads: 2 })
      const softmax = network(kernels, 300, 10)
      const values = kernels.allocate(300 * 50)
      for (let i = 0; i < values.length; i++) values[i] = (i * 7919) % 251
      const labels = new Int32Array(50).map((_, i) => i % 10)
      for (let i = 0; i < 200; i++) softmax.step({ values, labels }, sgd(1e-5, 0.1))
      parentPort.postMessage(softmax.evaluate({ values, labels }).loss)
      // Left open: the end of the thread must end the pool.
    `
    const script = new URL(`data:text/javascript,${encodeURIComponent(source)}`)
    const workers = Array.from({ length: 4 }, () => new Worker(script, { execArgv: [] }))
    const losses = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0] as number))
    await Promise.all(workers.map((worker) => worker.terminate()))
    t.ok(Number.isFinite(losses[0]))
    t.same(losses, Array(4).fill(losses[0]))
    const bits = () => fingerprint(kernels, [shape], [randomRows(shape)])
    t.equal(bits(), bits())
  })

  t.test('native lets the process end while its threads are open', async (t) => {
    const url = new URL('../../dist/kernels/native/index.js', import.meta.url)
    for (const end of ['', 'process.exit(0)']) {
      const source = `import { nativeKernels } from '${url.href}'
        ${helpersSource}
        const softmax = network(nativeKernels({ threads: 4 }), 600, 10)
        softmax.step({ values: new Uint8Array(60000), labels: new Int32Array(100) }, sgd(0.1, 0))
        ${end}`
      const { status, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
        cwd: fileURLToPath(new URL('.', url)),
        env: {},
        timeout: 10_000,
      })
      t.match({ status, signal }, { status: 0, signal: null })
    }
  })

  t.test('native gives back all memory and threads', async (t) => {
    const cycle = (): void => {
      const kernels = open(2)
      const softmax = network(kernels, 64, 10)
      softmax.step({ values: new Uint8Array(640), labels: new Int32Array(10) }, sgd(0.1, 0))
      softmax.free()
      kernels.close()
    }
    for (let i = 0; i < 500; i++) cycle()
    const before = process.memoryUsage().rss
    for (let i = 0; i < 2000; i++) cycle()
    const grown = process.memoryUsage().rss - before
    t.ok(grown < 32e6, `grew by ${grown} bytes`)
  })
}

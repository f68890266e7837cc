import { join } from 'node:path'
import { concat, EMPTY, lastValueFrom, of, take, throwError, toArray } from 'rxjs'
import t from 'tap'
import { Pipeline, resume, start } from '../../../dist/index.js'
import {
  exampleFields,
  examplesTable,
  kernelRows,
  layoutOf,
  positionOf,
  splitOf,
} from '../../../dist/pipeline/stage-kit.js'
import { differingFiles } from '../../../dist/report/compared-files.js'
import { batches } from '../../../dist/testing.js'
import { openStage, runStage, temporary } from '../harness.js'
import { labelsIn, positionsOf } from '../tables.js'

const stages = {
  flip: '- use: augment/flip',
  crop: '- use: augment/crop\n  with: { pad: 1 }',
  noise: '- use: augment/noise\n  with: { sigma: 20 }',
}

/** Two epochs of batches of images of 3 × 4 pixels. */
const images = (epochs = 2, affine?: { mean: Float64Array; scale: Float64Array }) => {
  const values = Array.from({ length: 10 }, (_, i) => Array.from({ length: 12 }, (_, j) => 20 * i + j))
  const labels = values.map((_, i) => i % 3)
  return batches({ values, labels, shape: [1, 3, 4], ...(affine && { affine }) }, { size: 4, epochs })
}

/** The stored values of all batches. */
async function changed(entry: string, seed = 1, given = images()): Promise<number[][]> {
  const { tables } = await runStage(t, entry, { batches: given }, { seed })
  return tables.map((table) => [...kernelRows(table).values])
}

for (const [name, entry] of Object.entries(stages)) {
  t.test(`augment/${name} keeps labels, positions and layout; bytes stay bytes, in memory of their own`, async (t) => {
    const affine = { mean: new Float64Array(12).fill(9), scale: new Float64Array(12).fill(2) }
    const given = images(2, affine)
    const before = given.map((table) => [...kernelRows(table).values])
    const { tables } = await runStage(t, entry, { batches: given })
    t.strictSame(positionsOf(tables), positionsOf(given))
    t.strictSame(tables.map(labelsIn), given.map(labelsIn))
    for (const [i, table] of tables.entries()) {
      const { values } = kernelRows(table)
      t.ok(values instanceof Uint8Array)
      t.not(values.buffer, kernelRows(given[i]!).values.buffer)
      t.equal(layoutOf(table), layoutOf(given[i]!))
      t.strictSame([splitOf(table), positionOf(table)], [splitOf(given[i]!), positionOf(given[i]!)])
    }
    t.strictSame(
      given.map((table) => [...kernelRows(table).values]),
      before,
      'what it was given is as it was',
    )
  })

  t.test(`what augment/${name} draws depends on seed, id and step, and on nothing else`, async (t) => {
    const all = await changed(entry)
    t.notSame(
      all,
      images().map((table) => [...kernelRows(table).values]),
      'it changes something',
    )
    t.strictSame(await changed(entry), all)
    t.strictSame(await changed(entry, 1, images(3).slice(0, 6)), all, 'nor on how many epochs')
    t.strictSame(await changed(entry, 1, images().slice(3)), all.slice(3), 'nor on the steps before')
    t.notSame(all.slice(3), all.slice(0, 3), 'epoch')
    t.notSame(await changed(entry, 2), all, 'seed')
    t.notSame(await changed(`${entry}\n  id: other`), all, 'id')
  })

  t.test(`augment/${name} passes an error on, and stops where nobody listens any more`, async (t) => {
    t.strictSame((await runStage(t, entry, { batches: EMPTY })).tables, [])
    const error = new Error('upstream')
    const failing = concat(
      of(images()[0]!),
      throwError(() => error),
    )
    await t.rejects(runStage(t, entry, { batches: failing }), error)
    const { tables } = openStage(t, entry, { batches: images() })
    t.strictSame(positionsOf(await lastValueFrom(tables.pipe(take(1), toArray()))), [[1, 1]])
  })

  t.test(`augment/${name} changes standardised floats as it changes what was loaded`, async (t) => {
    // Bytes and floats of the same images, with a map of its own for each pixel; the last one was constant.
    const mean = Float64Array.from({ length: 12 }, (_, j) => 3 * j)
    const scale = Float64Array.from({ length: 12 }, (_, j) => (j === 11 ? 0 : 1 / (1 + j)))
    const position = { epoch: 1, step: 1, epochs: 1, steps: 1 }
    const loaded = Float32Array.from({ length: 36 }, (_, i) => (i % 12 === 11 ? 33 : 50 + 4 * i))
    const shape = [1, 3, 4]
    const plain = examplesTable(
      exampleFields({ shape, classes: ['a'] }, loaded),
      loaded,
      new Int32Array(3),
      'x',
      position,
    )
    const z = loaded.map((value, i) => (value - mean[i % 12]!) * scale[i % 12]!)
    const standard = examplesTable(
      exampleFields({ shape, classes: ['a'], applied: { mean, scale } }, z),
      z,
      new Int32Array(3),
      'x',
      position,
    )
    const [expected] = await changed(entry, 1, [plain])
    const [found] = await changed(entry, 1, [standard])
    for (const [i, value] of found!.entries()) {
      const wanted = (expected![i]! - mean[i % 12]!) * scale[i % 12]!
      t.ok(Math.abs(value - wanted) < 1e-4, `value ${i}: ${value}, expected ${wanted}`)
    }
  })
}

t.test('a run with all of them goes on after a stop to the same bytes', async (t) => {
  const folder = temporary(t)
  const pipeline = await Pipeline.define({
    name: 'p',
    stages: [
      { use: 'load/digits' },
      { use: 'normalize/scale', id: 'examples', with: { divideBy: 16 } },
      { use: 'batch/rows', with: { size: 100, epochs: 3 } },
      { use: 'shuffle/rows' },
      { use: 'augment/flip' },
      { use: 'augment/crop', with: { pad: 1 } },
      { use: 'augment/noise', with: { sigma: 2 } },
      { use: 'gradient-step/network', id: 'model', with: { hidden: [8], eta: 0.01, update: 'adam' } },
      {
        use: 'evaluate/classification',
        from: { parameters: 'model', examples: 'examples' },
        with: { every: '5 steps' },
      },
      { use: 'sink/csv' },
      { use: 'sink/parameters', from: 'model' },
    ],
  })
  const [whole, half] = [join(folder, 'whole'), join(folder, 'half')]
  await start(pipeline, { out: whole, kernel: 'wasm', threads: 1 }).result
  for (const threads of [1, 2]) {
    const stop = new AbortController()
    const running = start(pipeline, { out: half, kernel: 'wasm', threads, signal: stop.signal, force: true })
    running.metrics.subscribe(({ step }) => step === 20 && stop.abort())
    await t.rejects(running.result, { code: 'ABORTED' })
    await resume(half, { kernel: 'wasm', threads }).result
    t.strictSame(differingFiles(whole, half), [], `${threads} threads`)
  }
})

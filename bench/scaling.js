import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { from } from 'rxjs'
import { Pipeline, run } from '../dist/index.js'
import { defineStage, exampleFields, examplesTable, wire, z } from '../dist/pipeline/stage-kit.js'
import { fixed, median, printTable } from './measure.js'

const cores = availableParallelism()
const base = { rows: 10_000, features: 3072, classes: 10, batch: 100, threads: cores }
const axes = {
  rows: [1000, 3000, 10_000, 30_000],
  features: [64, 256, 1024, 3072, 8192],
  classes: [2, 10, 30, 100],
  batch: [10, 30, 100, 300, 1000, 10_000],
  threads: [1, 2, 4, 8, 16].filter((threads) => threads <= cores),
}

/** Makes rows of pseudo-random bytes: only their number matters, not their values. */
const synthetic = defineStage({
  name: 'load/synthetic',
  summary: 'Makes rows of bytes.',
  options: z.strictObject({ rows: z.int(), features: z.int(), classes: z.int() }),
  inputs: {},
  outputs: { examples: wire.examples },
  example: '- use: load/synthetic',
  run: ({ rows, features, classes }, { kernels }) => {
    const values = kernels.allocate(rows * features)
    for (let i = 0; i < values.length; i++) values[i] = Math.imul(i, 2654435761) >>> 24
    const names = Array.from({ length: classes }, (_, i) => String(i))
    const labels = Int32Array.from({ length: rows }, (_, i) => i % classes)
    const table = examplesTable(exampleFields({ shape: [features], classes: names }, values), values, labels, 'train')
    return from(Promise.resolve(table))
  },
})

/** Prints milliseconds per epoch (training, and one evaluation of the training rows) while one size grows at a time. */
export async function scaling({ kernels, repeats, plot }) {
  console.log(`\nScaling: milliseconds per epoch, training and evaluation; the other sizes are ${describe(base)}`)
  const points = []
  for (const [axis, sizes] of Object.entries(axes)) {
    const rows = []
    for (const size of sizes) {
      const row = [String(size)]
      for (const kernel of kernels) {
        const { milliseconds, overhead } = await epoch({ ...base, [axis]: size }, kernel, repeats)
        points.push({ axis, size, kernel, milliseconds })
        row.push(fixed(milliseconds, 2), `${(100 * overhead).toFixed(1)} %`)
      }
      rows.push(row)
    }
    printTable([axis, ...kernels.flatMap((kernel) => [`${kernel} ms`, 'outside'])], rows)
  }
  if (plot) await draw(points, plot)
}

async function epoch({ rows, features, classes, batch, threads }, kernel, repeats) {
  const epochs = Math.max(2, Math.min(20, Math.round(2e9 / (rows * features * classes))))
  const pipeline = await Pipeline.define({
    name: 'scaling',
    stages: [
      { use: synthetic, with: { rows, features, classes } },
      { use: 'normalize/standardize', id: 'examples' },
      { use: 'batch/rows', with: { size: batch, epochs } },
      { use: 'shuffle/batches', id: 'shuffle' },
      { use: 'gradient-step/softmax', id: 'model', with: { eta: 1e-4, lambda: 0.1 } },
      { use: 'evaluate/classification', from: { parameters: 'model', examples: 'examples' } },
    ],
  })
  const out = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
  const runs = []
  for (let i = 0; i < repeats; i++) {
    const { record } = await run(pipeline, { kernel, threads, out, force: true })
    runs.push(record.timings)
  }
  rmSync(out, { recursive: true })
  return {
    milliseconds: (median(runs.map(({ train }) => train)) / epochs) * 1000,
    overhead: median(runs.map(({ overhead }) => overhead)),
  }
}

function describe({ rows, features, classes, batch, threads }) {
  return `${rows} rows × ${features} features, ${classes} classes, batches of ${batch}, ${threads} thread${threads > 1 ? 's' : ''}`
}

async function draw(points, file) {
  const [vega, { compile }] = await Promise.all([import('vega'), import('vega-lite')])
  const axis = { tickCount: 4, grid: false }
  const { spec } = compile({
    data: { values: points },
    facet: { field: 'axis', type: 'nominal', title: null, sort: Object.keys(axes) },
    title: { text: 'Milliseconds per epoch', subtitle: `one size grows, all else ${describe(base)}` },
    columns: 3,
    resolve: { scale: { x: 'independent', y: 'independent' } },
    spec: {
      width: 220,
      height: 160,
      mark: { type: 'line', point: true },
      encoding: {
        x: { field: 'size', type: 'quantitative', scale: { type: 'log', nice: false }, axis, title: null },
        y: { field: 'milliseconds', type: 'quantitative', scale: { type: 'log' }, axis, title: null },
        color: { field: 'kernel', type: 'nominal' },
        strokeDash: { field: 'kernel', type: 'nominal' },
      },
    },
    background: 'white',
  })
  writeFileSync(file, await new vega.View(vega.parse(spec), { renderer: 'none' }).toSVG())
  console.log(`  plot: ${file}`)
}

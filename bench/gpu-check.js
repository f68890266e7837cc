// Trains on the GPU what has known results: the golden cases of PyTorch, and an experiment on pixels of its own, twice for
// the same bytes. Prints a line for each; exits with 1 if one is wrong. Needs lib/, the package webgpu, and the golden data:
//   node bench/gpu-check.js FOLDER [--epochs 10] [--cases momentum,adam] [--rows 10000] [--job-epochs 40] [--limit 100]
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Pipeline, start } from '../lib/index.js'
import { cases, singleUntil } from './golden-cases.js'
import { problem } from './gpu.js'

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kernel: { type: 'string', default: 'webgpu' },
    cases: { type: 'string' },
    epochs: { type: 'string', default: '10' },
    rows: { type: 'string', default: '10000' },
    'job-epochs': { type: 'string', default: '40' },
    limit: { type: 'string', default: '100' },
  },
})
if (positionals.length !== 1) {
  console.error('usage: node bench/gpu-check.js FOLDER, a folder with golden/ and cifar-10-first-1000/')
  process.exit(2)
}
const folder = resolve(positionals[0])
const ends = performance.now() + 1000 * Number(flags.limit)
const { kernel } = flags

const TOLERANCE = 1e-4

const golden = readFileSync(join(folder, 'golden/golden.csv'), 'utf8').trim().split(/\r?\n/)
const columns = golden.shift().split(',')
let isWrong = false

async function goldenCase(name) {
  const [learner, options] = cases[name]
    .replace('FILE', `{ from: "${folder}/golden/${name}.safetensors" }`)
    .split(/, (.*)/s)
  const last = Math.min(Number(flags.epochs), singleUntil[name] ?? 10)
  const pipeline = await loaded(`
stages:
  - { use: load/cifar10, with: { directory: "${folder}/cifar-10-first-1000", train: [data_batch_1.bin], validation: [data_batch_2.bin], test: [test_batch.bin] } }
  - { id: examples, use: normalize/standardize }
  - { use: batch/rows, with: { size: 100, epochs: 10 } }
  - { id: model, use: gradient-step/${learner}, with: { ${options} } }
  - { use: evaluate/classification, from: { parameters: model, examples: examples } }
`)
  const history = []
  const enough = new AbortController()
  const timer = setTimeout(() => enough.abort(), ends - performance.now())
  const began = performance.now()
  const running = start(pipeline, { directory: false, kernel, signal: enough.signal })
  running.metrics.subscribe((row) => {
    history.push(row)
    if (row.epoch === last) enough.abort()
  })
  await running.result.catch((error) => {
    if (!enough.signal.aborted) throw error
  })
  clearTimeout(timer)
  if (history.length === 0) return console.log(`left out, because the time was over: golden ${name}`)
  let worst = 0
  let until = 0
  for (const line of golden) {
    const row = Object.fromEntries(line.split(',').map((cell, i) => [columns[i], cell]))
    const found = history.find(({ epoch }) => epoch === Number(row.epoch))
    if (row.case !== name || !found || Number(row.epoch) > last) continue
    until = Math.max(until, Number(row.epoch))
    for (const [column, value] of Object.entries(row))
      if (column !== 'case' && column !== 'epoch') {
        const off = Math.abs(found[column] - Number(value))
        // One row of a thousand may change its class by rounding.
        worst = Math.max(worst, column.endsWith('accuracy') ? (off < 0.0011 ? 0 : off) : off)
      }
  }
  tell(worst <= TOLERANCE && until > 0, `golden ${name}, to epoch ${until}: off by ${worst.toExponential(1)}`, began)
}

/** An experiment of the size of the published ones, on pixels made here. */
async function experiment() {
  const out = mkdtempSync(join(tmpdir(), 'millrace-gpu-'))
  try {
    const rows = Number(flags.rows)
    const { values, labels } = problem()
    const file = Buffer.alloc(rows * 3073)
    for (const [s, name] of ['train', 'validation', 'test'].entries()) {
      for (let i = 0; i < rows; i++) {
        const from = (i * (s + 1)) % labels.length
        file[i * 3073] = labels[from]
        file.set(values.subarray(from * 3072, (from + 1) * 3072), i * 3073 + 1)
      }
      writeFileSync(join(out, `${name}.bin`), file)
    }
    const pipeline = await loaded(`
seed: 400
stages:
  - { use: load/cifar10, with: { directory: "${out}", train: [train.bin], validation: [validation.bin], test: [test.bin] } }
  - { id: examples, use: normalize/standardize }
  - { use: batch/rows, with: { size: 100, epochs: ${flags['job-epochs']} } }
  - { use: shuffle/batches }
  - { id: model, use: gradient-step/softmax, with: { eta: 0.001, lambda: 0.1 } }
  - { id: metrics, use: evaluate/classification, from: { parameters: model, examples: examples } }
  - { use: sink/csv }
  - { use: sink/parameters, from: model }
`)
    const files = []
    for (const name of ['a', 'b']) {
      const began = performance.now()
      const over = new AbortController()
      const timer = setTimeout(() => over.abort(), ends - performance.now())
      const running = start(pipeline, { out: join(out, name), kernel, signal: over.signal })
      const result = await running.result.catch((error) => {
        if (!over.signal.aborted) throw error
      })
      clearTimeout(timer)
      if (!result) return console.log('left out, because the time was over: the experiment')
      const { record, history } = result
      const { train, overhead, steps } = record.timings
      files.push(
        ['metrics.csv', 'parameters.arrow'].map((file) => readFileSync(join(out, name, file), 'latin1')).join(),
      )
      const what = `${steps} steps of 100 rows, ${history.length} evaluations of 3 × ${rows} rows`
      tell(
        name === 'a' || files[0] === files[1],
        `experiment, ${what}: loop ${train.toFixed(2)} s (no call under way for ${(100 * overhead).toFixed(0)} %)` +
          (name === 'a' ? '' : ', the same bytes'),
        began,
      )
      if (performance.now() > ends) return console.log('left out, because the time was over: the same experiment again')
    }
  } finally {
    rmSync(out, { recursive: true, force: true })
  }
}

async function loaded(text) {
  const place = mkdtempSync(join(tmpdir(), 'millrace-gpu-'))
  writeFileSync(join(place, 'pipeline.yaml'), text)
  try {
    return await Pipeline.load(join(place, 'pipeline.yaml'))
  } finally {
    rmSync(place, { recursive: true })
  }
}

function tell(isRight, what, began) {
  isWrong ||= !isRight
  console.log(`${isRight ? 'right' : 'WRONG'}  ${what}  (${((performance.now() - began) / 1000).toFixed(1)} s)`)
}

process.on('uncaughtException', (error) => {
  console.log(`WRONG  ${error.message}`)
  process.exit(1)
})
const chosen = flags.cases === '' ? [] : (flags.cases?.split(',') ?? Object.keys(cases))
for (const [i, name] of chosen.entries()) {
  if (performance.now() > ends) {
    console.log(`left out, because the time was over: ${chosen.slice(i).join(', ')}`)
    break
  }
  await goldenCase(name)
}
if (Number(flags['job-epochs']) > 0 && performance.now() < ends) await experiment()
process.exitCode = isWrong ? 1 : 0

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { Pipeline, start } from '../../../dist/index.js'
import { millrace } from '../../cli/millrace.js'
import { errorOf, temporary } from '../harness.js'

const definition = (path: string): string =>
  `stages:\n  - use: load/csv\n    with: { path: ${path}, label: label }\n  - id: examples\n    use: normalize/standardize\n` +
  '  - use: batch/rows\n    with: { size: 5000, epochs: 1 }\n  - use: gradient-step/softmax\n    with: { eta: 0.1 }\n'

/** A table of `rows` rows with two features. */
function table(rows: number, labelOf: (row: number) => string): string {
  const lines = Array.from({ length: rows }, (_, i) => `${Math.sin(i).toFixed(6)},${(i * i) % 1009},${labelOf(i)}`)
  return `a,b,label\n${lines.join('\n')}\n`
}

t.test('a file whose cells would fill the heap several times is loaded', async (t) => {
  // As texts in a list, 450,000 cells take more than 40 MB.
  const cwd = temporary(t, { 'p.yaml': definition('a.csv'), 'a.csv': table(150_000, (i) => `${i % 3}`) })
  const heap = { NODE_OPTIONS: '--max-old-space-size=64' }
  const { code, stdout, stderr } = await millrace(['run', 'p.yaml', '--kernel', 'reference'], cwd, heap)
  t.equal(code, 0, stderr)
  t.match(
    stdout,
    /\ncsv: 150000 rows × 2 features \(train 105000, validation 22500, test 22500\), 3 classes: 0 \(35035 \+ 7419 \+ 7546\)/,
  )
})

t.test('labels that do not fit into the heap are an error with its line, not a crash', async (t) => {
  const cwd = temporary(t, { 'p.yaml': definition('a.csv'), 'a.csv': table(100_000, (i) => `customer-${i}`) })
  for (const size of [40, 50, 64]) {
    const { code, stderr } = await millrace(['run', 'p.yaml'], cwd, { NODE_OPTIONS: `--max-old-space-size=${size}` })
    t.equal(code, 1, `${size} MB`)
    t.match(stderr, /a\.csv:\d+: \d+ different labels do not fit into the memory of Node; is it the right column\?/)
  }
})

for (const name of ['a.csv', 'a.csv.gz'])
  t.test(`loading ${name} ends within a second when the run is stopped`, async (t) => {
    const folder = temporary(t)
    const text = table(300_000, (i) => `${i % 3}`)
    writeFileSync(join(folder, name), name.endsWith('.gz') ? gzipSync(text, { level: 1 }) : text)
    writeFileSync(join(folder, 'p.yaml'), definition('"${here}/'.concat(name, '"')))
    const stop = new AbortController()
    const pipeline = await Pipeline.load(join(folder, 'p.yaml'))
    const running = start(pipeline, { out: join(folder, 'run'), kernel: 'reference', signal: stop.signal })
    let stopped = 0
    running.events.subscribe((event) => {
      t.not(event.type, 'data', 'it was still loading')
      if (event.type === 'start')
        setTimeout(() => {
          stopped = performance.now()
          stop.abort()
        }, 50)
    })
    t.match(await errorOf(running.result), ['ABORTED', 'stopped before its end'])
    const took = performance.now() - stopped
    t.ok(took < 1000, `${took} ms`)
  })

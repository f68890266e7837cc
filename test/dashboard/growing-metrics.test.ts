import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { GrowingMetrics } from '../../dist/dashboard/growing-metrics.js'
import { Pipeline, run } from '../../dist/index.js'
import { temporary } from '../stages/harness.js'

async function rowsOf(metrics: InstanceType<typeof GrowingMetrics>) {
  const parts = []
  for await (const part of metrics.read()) parts.push(part)
  return { isReset: parts.some((part) => part.isReset), rows: parts.flatMap((part) => part.rows) }
}

function file(t: Test, text: string): [directory: string, path: string] {
  const directory = temporary(t, { 'metrics.csv': text })
  return [directory, join(directory, 'metrics.csv')]
}

t.test('whole lines are given once, half a line waits for its end', async (t) => {
  const [directory, path] = file(t, 'epoch,step,loss\n1,10,0.5\n2,20,0.')
  const metrics = new GrowingMetrics(directory)
  t.strictSame(await rowsOf(metrics), { isReset: true, rows: [[1, 10, 0.5]] })
  t.strictSame(await rowsOf(metrics), { isReset: false, rows: [] })
  appendFileSync(path, '25\n3,30,Infinity\n')
  t.strictSame((await rowsOf(metrics)).rows, [
    [2, 20, 0.25],
    [3, 30, 'Infinity'],
  ])
})

t.test('a reader that comes back goes on where it was, or from the start if the file is another one', async (t) => {
  const [directory, path] = file(t, 'epoch,step,loss\n1,10,0.5\n2,20,0.4\n')
  const metrics = new GrowingMetrics(directory)
  await rowsOf(metrics)
  const { position } = metrics
  appendFileSync(path, '3,30,0.3\n')
  t.strictSame(await rowsOf(new GrowingMetrics(directory, position)), { isReset: false, rows: [[3, 30, 0.3]] })
  t.equal((await rowsOf(new GrowingMetrics(directory, '1-2'))).rows.length, 3)
  writeFileSync(path, 'epoch,step,loss\n1,10,0.5\n')
  t.strictSame(await rowsOf(metrics), { isReset: true, rows: [[1, 10, 0.5]] }, 'a file that was cut back')
  t.same(await rowsOf(new GrowingMetrics(directory, position)), { isReset: true, rows: [[1, 10, 0.5]] })
})

t.test('of a long file some rows are given, the last among them', async (t) => {
  const lines = Array.from({ length: 100_000 }, (_, i) => `${i},${i},${i / 7}\n`)
  const [directory] = file(t, `epoch,step,loss\n${lines.join('')}`)
  const { rows } = await rowsOf(new GrowingMetrics(directory))
  t.ok(rows.length > 1500 && rows.length < 5000, `${rows.length} rows`)
  t.equal(rows.at(-1)![0], 99_999)
})

t.test('an Arrow recording of metrics is followed like the lines of a file', async (t) => {
  const folder = temporary(t)
  const pipeline = (await Pipeline.load('digits', { set: ['epochs=3'] })).insertAfter('metrics', { use: 'sink/arrow' })
  const drawn = ['curves', 'weights', 'confusion'].reduce((all, id) => all.remove(id), pipeline)
  const out = join(folder, 'run')
  await run(drawn, { out, kernel: 'reference' })
  const { rows } = await rowsOf(new GrowingMetrics(out))
  t.equal(rows.length, 3)

  const bytes = readFileSync(join(out, 'metrics.arrows'))
  for (const name of ['metrics.arrows', 'mine.arrows']) {
    const copy = join(folder, name)
    mkdirSync(copy)
    writeFileSync(join(copy, 'another.arrows'), readFileSync(join(out, 'parameters.arrow')))
    const metrics = new GrowingMetrics(copy)
    const seen = []
    for (let at = 0; at < bytes.length; at += 1000) {
      appendFileSync(join(copy, name), bytes.subarray(at, at + 1000))
      seen.push(...(await rowsOf(metrics)).rows)
    }
    t.strictSame(seen, rows, `${name}, in pieces`)
    t.strictSame((await rowsOf(new GrowingMetrics(copy, metrics.position))).rows, [], 'a reader that comes back')
  }
  const wrong = temporary(t, { 'metrics.arrows': 'no Arrow stream at all' })
  await t.rejects(rowsOf(new GrowingMetrics(wrong)), /there is no message/)
})

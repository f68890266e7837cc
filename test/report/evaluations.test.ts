import { appendFileSync, closeSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readAttempts, readRun } from '../../dist/report/index.js'
import { runDirectory, runFiles } from './runs.js'

/** Writes a metrics file of so many bytes. Returns the number of its rows. */
function writeLong(path: string, bytes: number, row: (step: number) => string, head = ''): number {
  const file = openSync(path, 'w')
  writeSync(file, head)
  let step = 0
  for (let length = 0; length < bytes; ) {
    let text = ''
    for (let i = 0; i < 1000; i++) text += row(++step)
    length += writeSync(file, text)
  }
  closeSync(file)
  return step
}

t.test('metrics beyond 64 MiB are read: all of the last row, and some of the others for the curves', async (t) => {
  const directory = runDirectory(t, { metrics: [] })
  const path = join(directory, 'metrics.csv')
  const csv = (step: number): string =>
    `${Math.ceil(step / 20)},${step},${'0.1234567890123'.repeat(4).slice(0, 15)},${step % 7}\n`
  const count = writeLong(path, 66 << 20, csv, 'epoch,step,train_loss,test_loss\n')
  const { attempts, remarks } = readAttempts([directory])
  t.strictSame(attempts[0]!.final, {
    epoch: Math.ceil(count / 20),
    step: count,
    train_loss: 0.1234567890123,
    test_loss: count % 7,
  })
  t.strictSame(remarks, [])
  const run = readRun(directory)
  t.equal(run.metrics[0]!.step, 1)
  t.equal(run.metrics.at(-1)!.step, count)
  t.ok(run.metrics.length > 10_000 && run.metrics.length <= 50_001, String(run.metrics.length))
  t.match(run.remarks, [/^metrics\.csv is long: one of every \d+ evaluations is drawn, and the last$/])
  appendFileSync(path, '9,9,0.')
  t.equal(readAttempts([directory]).attempts[0]!.final!.step, count, 'a row that was cut off does not count')
})

t.test('JSON Lines of any size, too', async (t) => {
  const directory = runDirectory(t, { metrics: [] })
  const count = writeLong(
    join(directory, 'metrics.jsonl'),
    3 << 20,
    (step) => `{"epoch":1,"step":${step},"train_loss":"NaN"}\n`,
  )
  t.strictSame(readAttempts([directory]).attempts[0]!.final, { epoch: 1, step: count, train_loss: Number.NaN })
})

t.test('what is not shown is told: a line without an end, too many columns, a file that is no text', async (t) => {
  for (const [content, remark] of [
    [`epoch,step,train_loss\n${'1'.repeat(3 << 20)}`, /metrics\.csv cannot be read: a line has more than/],
    [`epoch,step,${'x,'.repeat(2000)}y\n`, /metrics\.csv cannot be read: it has more than 1000 columns/],
    [`epoch,step,"${'x'.repeat(2 << 20)}`, /metrics\.csv cannot be read: Quote Not Closed/],
  ] as const) {
    const directory = runDirectory(t)
    writeFileSync(join(directory, 'metrics.csv'), content)
    const { attempts, remarks } = readAttempts([directory])
    t.equal(attempts[0]!.final, undefined)
    t.match(remarks, [remark])
    t.match(readRun(directory).remarks, [remark])
  }
})

t.test('a name that sink/csv guards is read as it is', async (t) => {
  const { metrics } = runFiles(t, { metrics: ['epoch,step,\'=a_loss,"two\nlines_loss"', '1,10,0.5,1'] })
  t.strictSame(metrics, [{ epoch: 1, step: 10, '=a_loss': 0.5, 'two\nlines_loss': 1 }])
})

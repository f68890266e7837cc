import { EMPTY, throwError } from 'rxjs'
import t from 'tap'
import { metricsTable } from '../../../dist/pipeline/stage-kit.js'
import { runStage } from '../harness.js'

const entry = '- use: sink/terminal\n  from: metrics'

/** One evaluation per epoch. */
const run = (epochs: number, cost = 2.30261) =>
  Array.from({ length: epochs }, (_, i) =>
    metricsTable(
      { epoch: i + 1, step: 10 * (i + 1), epochs, steps: 10 },
      { train_loss: 1, train_cost: cost, train_accuracy: 0.10155, test_loss: 1, test_cost: 1234567, test_accuracy: 1 },
    ),
  )

t.test('sink/terminal prints a heading, then a line per evaluation with cost and accuracy of each split', async (t) => {
  const { printed } = await runStage(t, entry, { metrics: run(2) })
  const lines = printed.join('').split('\n')
  t.match(lines[0], /^ +train +test +$/)
  t.match(lines[1], /^ +epoch +cost accuracy +cost accuracy +left$/)
  t.match(lines[2], /^ +1\/2 +2\.3026 +10\.15 % +1\.23e\+6 +100\.00 % +$/)
  t.match(lines[3], /^ +2\/2 +2\.3026 +10\.15 % +1\.23e\+6 +100\.00 % +0 s$/)
  t.equal(lines.length, 5)
  t.equal(new Set(lines.slice(1, 4).map((line) => line.length)).size, 1, 'columns stand below each other')
})

t.test('elsewhere than on a terminal it prints every line and no control sequences', async (t) => {
  const { printed } = await runStage(t, entry, { metrics: run(100) })
  t.equal(printed.join('').split('\n').length, 2 + 100 + 1)
  t.notMatch(printed.join('').replaceAll('\n', ''), /\p{Cc}/u)
})

t.test('on a terminal the current line is redrawn, and about twenty lines stay', async (t) => {
  for (const epochs of [5, 20, 100, 1000]) {
    const { printed } = await runStage(t, entry, { metrics: run(epochs) }, { interactive: true })
    const [heading, ...lines] = printed
    t.notMatch(heading!.replaceAll('\n', ''), /\p{Cc}/u)
    t.equal(lines.length, epochs)
    t.ok(lines.every((line) => line.startsWith('\r\x1b[2K')))
    t.equal(lines.filter((line) => line.endsWith('\n')).length, Math.min(epochs, 20))
    t.ok(lines.at(-1)!.endsWith('\n'), 'the last line stays')
  }
})

t.test('an evaluation within an epoch is shown as a fraction of it', async (t) => {
  const metrics = [metricsTable({ epoch: 2, step: 15, epochs: 2, steps: 10 }, { train_cost: 1, train_accuracy: 0.5 })]
  t.match((await runStage(t, entry, { metrics })).printed.join(''), /\n +1\.50\/2 +1\.0000 +50\.00 %/)
})

t.test('numbers that overflowed are shown as they are', async (t) => {
  for (const [cost, shown] of [
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
  ] as const)
    t.match(
      (await runStage(t, entry, { metrics: run(1, cost) })).printed.join(''),
      new RegExp(`1/1 +${shown} +10.15 %`),
    )
})

t.test('no metrics print nothing; an error is passed on', async (t) => {
  t.strictSame((await runStage(t, entry, { metrics: EMPTY })).printed, [])
  const error = new Error('upstream')
  await t.rejects(runStage(t, entry, { metrics: throwError(() => error) }), error)
})

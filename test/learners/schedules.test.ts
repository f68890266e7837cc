import t from 'tap'
import { etaAt, schedule } from '../../dist/learners/schedules.js'

t.test('etaAt is constant, or multiplied by factor after every so many epochs', (t) => {
  const cases: [eta: Parameters<typeof etaAt>[0], etas: number[]][] = [
    [0.1, [0.1, 0.1, 0.1, 0.1, 0.1]],
    [{ start: 1, factor: 0.5, every: 1 }, [1, 0.5, 0.25, 0.125, 0.0625]],
    [{ start: 1, factor: 0.5, every: 2 }, [1, 1, 0.5, 0.5, 0.25]],
    [{ start: 1, factor: 2, every: 3 }, [1, 1, 1, 2, 2]],
    [{ start: 1, factor: 0.5, every: 10 }, [1, 1, 1, 1, 1]],
  ]
  for (const [eta, etas] of cases)
    t.strictSame(
      [1, 2, 3, 4, 5].map((epoch) => etaAt(eta, epoch)),
      etas,
      JSON.stringify(eta),
    )
  t.end()
})

t.test('a schedule is a positive number or has all three parts', (t) => {
  for (const eta of [0.1, 1e-9, { start: 1, factor: 0.5, every: 2 }]) t.ok(schedule.safeParse(eta).success)
  for (const eta of [
    0,
    -1,
    '0.1',
    { start: 1 },
    { start: 1, factor: 0.5, every: 0 },
    { start: 1, factor: 0.5, every: 1, min: 0 },
  ])
    t.notOk(schedule.safeParse(eta).success, JSON.stringify(eta))
  t.end()
})

import t from 'tap'
import { etaAt, type Schedule, schedule } from '../../dist/learners/schedules.js'

/** The learning rates of the first steps of a run of `epochs` epochs of `steps` steps. */
function etas(eta: Schedule, { epochs = 5, steps = 1, warmUp = 0, count = epochs * steps } = {}): number[] {
  return Array.from({ length: count }, (_, t) =>
    round(etaAt(eta, { epoch: Math.floor(t / steps) + 1, step: t + 1, epochs, steps }, warmUp)),
  )
}

const round = (x: number) => Number(x.toFixed(9))
const parsed = (eta: unknown) => schedule.parse(eta)

t.test('etaAt is constant, or multiplied by factor after every so many epochs', async (t) => {
  const cases: [eta: Schedule, expected: number[]][] = [
    [0.1, [0.1, 0.1, 0.1, 0.1, 0.1]],
    [{ start: 1, factor: 0.5, every: 1 }, [1, 0.5, 0.25, 0.125, 0.0625]],
    [{ start: 1, factor: 0.5, every: 2 }, [1, 1, 0.5, 0.5, 0.25]],
    [{ start: 1, factor: 2, every: 3 }, [1, 1, 1, 2, 2]],
    [{ start: 1, factor: 0.5, every: 10 }, [1, 1, 1, 1, 1]],
  ]
  for (const [eta, expected] of cases) t.strictSame(etas(eta), expected, JSON.stringify(eta))
  t.strictSame(etas({ start: 1, factor: 0.5, every: 1 }, { epochs: 2, steps: 3 }), [1, 1, 1, 0.5, 0.5, 0.5])
})

t.test('exponential and linear change with every step', async (t) => {
  const exponential = parsed({ exponential: { start: 8, factor: 0.25 } })
  t.strictSame(etas(exponential, { epochs: 2, steps: 2 }), [8, 4, 2, 1], 'a factor an epoch')
  t.strictSame(etas(parsed({ linear: { start: 1 } }), { epochs: 2, steps: 2 }), [1, 0.75, 0.5, 0.25])
  t.strictSame(etas(parsed({ linear: { start: 1, end: 3 } }), { epochs: 4 }), [1, 1.5, 2, 2.5], 'upwards, too')
})

t.test('cosine falls like half a wave, once or again and again in longer and longer periods', async (t) => {
  const half = (from: number, to: number, share: number) =>
    round(to + ((from - to) * (1 + Math.cos(Math.PI * share))) / 2)
  t.strictSame(
    etas(parsed({ cosine: { start: 1 } }), { epochs: 4 }),
    [0, 1, 2, 3].map((at) => half(1, 0, at / 4)),
  )
  const again = parsed({ cosine: { start: 2, end: 1, period: 2 } })
  t.strictSame(etas(again), [2, 1.5, 2, 1.5, 2])
  const longer = parsed({ cosine: { start: 2, end: 1, period: 2, growth: 2 } })
  t.strictSame(etas(longer, { epochs: 8 }), [
    2,
    1.5,
    ...[0, 1, 2, 3].map((at) => half(2, 1, at / 4)),
    2,
    half(2, 1, 1 / 8),
  ])
})

t.test('cyclical rises and falls in straight lines; halving halves the height of each cycle', async (t) => {
  const cyclical = parsed({ cyclical: { min: 1, max: 3, halfCycle: 2 } })
  t.strictSame(etas(cyclical, { epochs: 9 }), [1, 2, 3, 2, 1, 2, 3, 2, 1])
  const halving = parsed({ cyclical: { min: 1, max: 3, halfCycle: 2, halving: true } })
  t.strictSame(etas(halving, { epochs: 9 }), [1, 2, 3, 2, 1, 1.5, 2, 1.5, 1])
  t.strictSame(etas(parsed({ cyclical: { min: 1, max: 3, halfCycle: 1 } })), [1, 3, 1, 3, 1])
  t.strictSame(etas(parsed({ cyclical: { min: 2, max: 2, halfCycle: 3 } })), [2, 2, 2, 2, 2])
})

t.test('warm-up rises to the beginning of the schedule, which then begins', async (t) => {
  t.strictSame(etas(1, { warmUp: 4 }), [0.25, 0.5, 0.75, 1, 1])
  t.strictSame(etas(1, { warmUp: 100 }), [0.01, 0.02, 0.03, 0.04, 0.05], 'longer than the run')
  t.strictSame(etas(1, { warmUp: 1 }), [1, 1, 1, 1, 1])
  t.strictSame(etas(parsed({ linear: { start: 1 } }), { epochs: 6, warmUp: 2 }), [0.5, 1, 1, 0.75, 0.5, 0.25])
  const cyclical = parsed({ cyclical: { min: 1, max: 3, halfCycle: 1 } })
  t.strictSame(etas(cyclical, { warmUp: 2 }), [0.5, 1, 1, 3, 1])
  t.strictSame(
    etas({ start: 1, factor: 0.5, every: 1 }, { warmUp: 1 }),
    [1, 0.5, 0.25, 0.125, 0.0625],
    'epochs count on',
  )
})

t.test('plateau is smaller by factor after each reduction, but never below min', async (t) => {
  const plateau = parsed({ plateau: { start: 1, metric: 'test_loss', factor: 0.5, min: 0.2 } })
  const at = (step: number, reductions: number, warmUp = 0) =>
    etaAt(plateau, { epoch: 1, step, epochs: 1, steps: 9 }, warmUp, reductions)
  t.strictSame(
    [0, 1, 2, 3, 9].map((reductions) => at(5, reductions)),
    [1, 0.5, 0.25, 0.2, 0.2],
  )
  t.strictSame([at(1, 0, 4), at(4, 0, 4), at(2, 1, 4)], [0.25, 1, 0.25], 'warm-up rises to it')
})

t.test('a step has the same eta however long the run took to get there', async (t) => {
  const eta = parsed({ cosine: { start: 1, period: 7, growth: 1.5 } })
  const all = etas(eta, { epochs: 50, steps: 4, warmUp: 3 })
  for (const step of [1, 4, 90, 200]) {
    const position = { epoch: Math.ceil(step / 4), step, epochs: 50, steps: 4 }
    t.equal(round(etaAt(eta, position, 3)), all[step - 1])
  }
})

t.test('schedules that are wrong are refused', async (t) => {
  const right = [0.1, 1e-9, { start: 1, factor: 0.5, every: 2 }, { cosine: { start: 1 } }, { linear: { start: 1 } }]
  for (const eta of right) t.ok(schedule.safeParse(eta).success, JSON.stringify(eta))
  for (const eta of [
    0,
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    '0.1',
    { start: 1 },
    { start: 1, factor: 0.5, every: 0 },
    { start: 1, factor: 0.5, every: 1, min: 0 },
    { exponential: { start: 1 } },
    { exponential: { start: 1, factor: 0 } },
    { linear: { start: 0 } },
    { linear: { start: 1, end: -1 } },
    { cosine: { start: 1, period: 0 } },
    { cosine: { start: 1, period: 2, growth: 0.5 } },
    { cyclical: { min: 2, max: 1, halfCycle: 1 } },
    { cyclical: { min: 0, max: 1, halfCycle: 0 } },
    { cyclical: { min: 0, max: 1 } },
    { cyclical: { min: 0, max: 1, halfCycle: 1 }, cosine: { start: 1 } },
    { plateau: { start: 1 } },
    { plateau: { start: 1, metric: '' } },
    { plateau: { start: 1, metric: 'a', factor: 1 } },
    { plateau: { start: 1, metric: 'a', min: 2 } },
    { triangular: { min: 0, max: 1, halfCycle: 1 } },
  ])
    t.notOk(schedule.safeParse(eta).success, JSON.stringify(eta))
})

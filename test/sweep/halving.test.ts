import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Pipeline, run } from '../../dist/index.js'
import { readAttempts, settingsFrom } from '../../dist/report/index.js'
import { selectBest } from '../../dist/sweep/halving.js'
import { type Outcome, planSweep, pointDirectory } from '../../dist/sweep/index.js'
import { errorOf, temporary } from '../stages/harness.js'
import { filesOf, pipeline, runSweepIn } from './sweeps.js'

const block = (halving: string) => `sweep:
  grid: { eta: [0.0001, 0.001, 0.01, 0.1] }
  repeat: { seeds: [1, 2] }
  monitor: validation_loss
  halving: ${halving}
`

t.test(
  'all settings run a little, the better half goes on, and what came to its end has the bytes of a plain run',
  async (t) => {
    const folder = temporary(t, { 'a.yaml': pipeline + block('{ keep: 1/2, at: [1, 2] }') })
    const [directory, file] = [join(folder, 'sweep'), join(folder, 'a.yaml')]
    const planned = { set: ['epochs=4'] }
    const { plan, result, outcomes } = await runSweepIn(directory, file, planned, { jobs: 2 })
    t.match(result, { total: 8, executed: 8 + 4 + 2, done: 2, halved: 6, failed: 0, missing: 0 })
    t.strictSame(
      outcomes.map(({ epochs, final }) => [epochs, final!.epoch]),
      [...Array(8).fill([1, 1]), ...Array(4).fill([2, 2]), ...Array(2).fill([undefined, 4])],
    )
    const whole = outcomes.filter(({ epochs }) => epochs === undefined).map(({ point }) => point)
    t.strictSame(
      whole.map(({ settings }) => settings),
      [{ eta: 0.1 }, { eta: 0.1 }],
    )
    for (const point of whole) {
      const out = join(folder, 'plain', point.key)
      await run(await Pipeline.load(file, { set: point.set, seed: point.seed }), { out, kernel: plan.kernel })
      t.strictSame(filesOf(pointDirectory(directory, point)), filesOf(out))
    }
    t.equal((await runSweepIn(directory, file, planned)).result.executed, 0, 'again nothing is missing')

    const { rows } = settingsFrom(readAttempts([directory]))
    t.strictSame(
      rows.map(({ settings, attempts, isBest }) => [settings.eta, attempts[0]!.status, isBest]),
      [
        [0.1, 'done', true],
        [0.01, 'ended early', false],
        [0.001, 'ended early', false],
        [0.0001, 'ended early', false],
      ],
    )
  },
)

t.test(
  'a point that came to its end has the bytes of a plain run, also if no evaluation falls on a rung',
  async (t) => {
    const sparse = pipeline.replace(
      /(from: \{ parameters: model, examples: examples \})/,
      '$1\n    with: { every: { epochs: 3 } }',
    )
    const folder = temporary(t, { 'a.yaml': sparse + block('{ keep: 0.25, at: [1, 4] }') })
    const [directory, file] = [join(folder, 'sweep'), join(folder, 'a.yaml')]
    const { plan, outcomes } = await runSweepIn(directory, file, { set: ['epochs=5'] })
    const whole = outcomes.filter(({ epochs }) => epochs === undefined).map(({ point }) => point)
    t.ok(whole.length > 0)
    for (const point of whole) {
      const out = join(folder, 'plain', point.key)
      await run(await Pipeline.load(file, { set: point.set, seed: point.seed }), { out, kernel: plan.kernel })
      t.strictSame(filesOf(pointDirectory(directory, point)), filesOf(out))
    }
  },
)

t.test('a halving that is cut off goes on with the same decisions', async (t) => {
  const folder = temporary(t, { 'a.yaml': pipeline + block('{ keep: 0.25, at: [1] }') })
  const [directory, file] = [join(folder, 'sweep'), join(folder, 'a.yaml')]
  const stop = new AbortController()
  let count = 0
  const onOutcome = () => {
    if (++count === 3) stop.abort()
  }
  const [code] = await errorOf(runSweepIn(directory, file, {}, { signal: stop.signal, onOutcome }))
  t.equal(code, 'ABORTED')
  t.match((await runSweepIn(directory, file, {})).result, { executed: 5 + 2, done: 2, halved: 6 })
})

t.test('mistakes are told with their place', async (t) => {
  const file = join(temporary(t), 'a.yaml')
  const message = async (halving: string) => {
    writeFileSync(file, pipeline + block(halving))
    return (await errorOf(planSweep(file, { kernel: 'reference' })))[1].replace(/\S*a\.yaml/, 'a.yaml')
  }
  t.equal(
    await message('{ keep: 1/2, at: [1, 2] }'),
    'a.yaml:24:12  sweep.halving.at: expected epochs before the end, got 1, 2; epochs is 2',
  )
  t.equal(
    await message('{ keep: 1/2, at: [1], epochs: length }'),
    'a.yaml:24:12  sweep.halving.epochs: expected a var, or stage.option, that says how many epochs there are; "length" is not there',
  )
  t.match(
    await message('{ keep: 2, at: [2, 1] }'),
    /sweep\.halving\.keep: .*\n.*sweep\.halving\.at: expected numbers that grow/,
  )
})

t.test('settings are compared in the direction that the metadata of the monitor gives', async (t) => {
  const text = block('{ keep: 1/2, at: [1] }').replace('monitor: validation_loss', 'monitor: f1')
  const file = join(temporary(t, { 'a.yaml': pipeline + text }), 'a.yaml')
  const plan = await planSweep(file, { kernel: 'reference' })
  const outcomeOf = (f1: (eta: number) => number) => (point: (typeof plan.points)[number]) =>
    ({ key: point.key, final: { f1: f1(point.settings.eta as number) }, status: 'done' }) as unknown as Outcome
  const etas = (better?: 'higher' | 'lower', f1 = (eta: number) => eta) => {
    const infos = new Map([['f1', { name: 'f1', title: 'f1', ...(better && { better }) }]])
    return [...new Set(selectBest(plan, plan.points, outcomeOf(f1), infos).map(({ settings }) => settings.eta))]
  }
  t.strictSame(etas('higher'), [0.01, 0.1])
  t.strictSame(etas('lower'), [0.0001, 0.001])
  t.strictSame(
    etas('higher', (eta) => (eta > 0.001 ? Number.NaN : eta)),
    [0.0001, 0.001],
    'no result, no place',
  )
  t.throws(() => etas(), {
    code: 'ARGUMENTS',
    message: /^the metric "f1" does not say whether higher or lower is better; /,
  })
  const failed = (point: { key: string }): Outcome => ({ key: point.key, status: 'failed', seconds: 1 })
  t.strictSame(selectBest(plan, plan.points, failed, new Map()), [])
  t.throws(() => selectBest(plan, plan.points, outcomeOf(Number), new Map()), { message: 'no metric named "f1"' })
  t.throws(() => selectBest({ ...plan, monitor: undefined }, plan.points, outcomeOf(Number), new Map()), {
    message: /^sweep\.halving: no metric says whether higher or lower is better; /,
  })
})

t.test('a monitor that no point has ends the sweep with an error', async (t) => {
  const text = block('{ keep: 1/2, at: [1] }').replace('monitor: validation_loss', 'monitor: validation_los')
  const folder = temporary(t, { 'a.yaml': pipeline + text })
  t.strictSame(await errorOf(runSweepIn(join(folder, 'sweep'), join(folder, 'a.yaml'), {})), [
    'ARGUMENTS',
    'no metric named "validation_los"; did you mean "validation_loss"?',
  ])
})

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { planSweep, pointDirectory, readOutcomes, readPlan, runOne } from '../../dist/sweep/index.js'
import { errorOf, temporary } from '../stages/harness.js'
import { filesOf, pipeline, runSweepIn } from './sweeps.js'

const signal = new AbortController().signal

t.test('points that run alone make the same directory as a sweep', async (t) => {
  const folder = temporary(t, { 'a.yaml': pipeline })
  const [file, directory, whole] = [join(folder, 'a.yaml'), join(folder, 'alone'), join(folder, 'whole')]
  const planned = { grid: ['eta=0.1,0.2'], kernel: 'reference' as const }
  const plan = await planSweep(file, planned)
  await Promise.all(plan.points.map((_, i) => runOne(plan, i, { directory, signal })))
  await runSweepIn(whole, file, planned)
  t.strictSame(readPlan(directory), readPlan(whole))
  for (const point of plan.points) {
    t.strictSame(readOutcomes(directory).get(point.key)!.final, readOutcomes(whole).get(point.key)!.final)
    t.strictSame(filesOf(pointDirectory(directory, point)), filesOf(pointDirectory(whole, point)))
  }
  t.match((await runSweepIn(directory, file, planned)).result, { executed: 0, done: 2 })
})

t.test('a point is run once; one that failed is run again, and what is done stays so', async (t) => {
  const folder = temporary(t, { 'a.yaml': pipeline })
  const [file, directory] = [join(folder, 'a.yaml'), join(folder, 'sweep')]
  const planned = { grid: ['rows.size=100,9999'], set: ['rows.dropLast=true'], kernel: 'reference' as const }
  const plan = await planSweep(file, planned)
  const [done] = plan.points
  t.match(await runOne(plan, 0, { directory, signal }), { status: 'done' })
  const record = join(pointDirectory(directory, done!), 'run.json')
  const before = readFileSync(record, 'utf8')
  t.match(await runOne(plan, 0, { directory, signal }), { status: 'done' })
  t.equal(readFileSync(record, 'utf8'), before)
  t.match(await runOne(plan, 1, { directory, signal }), { status: 'failed', error: /less than one batch of 9999/ })
  t.match((await runSweepIn(directory, file, planned, { retry: true })).result, { executed: 1, done: 1, failed: 1 })
  t.match(await errorOf(runOne(plan, 2, { directory, signal })), [
    'ARGUMENTS',
    'there is no point 2: small has the points 0 to 1',
  ])
})

t.test('halving is for one process', async (t) => {
  const block = 'sweep: { grid: { eta: [0.1, 0.2] }, halving: { keep: 1/2, at: [1], epochs: epochs } }\n'
  const folder = temporary(t, { 'a.yaml': pipeline + block })
  const plan = await planSweep(join(folder, 'a.yaml'), { kernel: 'reference' })
  t.match((await errorOf(runOne(plan, 0, { directory: join(folder, 'out'), signal })))[1], /^halving compares points/)
})

t.test('a rung of a halving is no whole run: the point is run to its end', async (t) => {
  const block = 'sweep: { grid: { eta: [0.001, 0.1] }, monitor: validation_loss, halving: { keep: 1/2, at: [1] } }\n'
  const folder = temporary(t, { 'a.yaml': pipeline + block })
  const [file, directory] = [join(folder, 'a.yaml'), join(folder, 'sweep')]
  t.match((await runSweepIn(directory, file, {})).result, { done: 1, halved: 1 })
  writeFileSync(file, pipeline + block.replace(', halving: { keep: 1/2, at: [1] }', ''))
  const plan = await planSweep(file, { kernel: 'reference' })
  for (const number of [0, 1])
    t.match(await runOne(plan, number, { directory, signal }), { status: 'done', final: { epoch: 2 } })
})

import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Pipeline, run } from '../../dist/index.js'
import { pointDirectory, readOutcomes, readPlan, threadPool } from '../../dist/sweep/index.js'
import { errorOf, temporary } from '../stages/harness.js'
import { filesOf, pipeline, runSweepIn } from './sweeps.js'

const grid = ['eta=0.01,0.05']

t.test('the points of a sweep have the bytes of plain runs, whatever the number of jobs', async (t) => {
  let current = ''
  const pools = [1, 2].map((jobs) => ({
    jobs,
    executor: threadPool({ jobs, directoryOf: (point) => pointDirectory(current, point) }),
  }))
  t.teardown(() => Promise.all(pools.map(({ executor }) => executor.close())))
  for (const kernel of ['native', 'wasm', 'reference'] as const) {
    const folder = temporary(t, { 'a.yaml': pipeline })
    const file = join(folder, 'a.yaml')
    const sweeps = []
    for (const { jobs, executor } of pools) {
      const directory = join(folder, `jobs-${jobs}`)
      current = directory
      const swept = await runSweepIn(directory, file, { grid, seeds: '1,2', kernel }, { executor }).catch(
        (error) => error,
      )
      if (swept.code === 'KERNEL') return t.comment(swept.message)
      t.match(swept.result, { total: 4, executed: 4, done: 4, failed: 0, missing: 0 })
      sweeps.push({ directory, plan: swept.plan })
    }
    for (const point of sweeps[0]!.plan.points) {
      const out = join(folder, 'plain', point.key)
      await run(await Pipeline.load(file, { set: point.set, seed: point.seed }), { out, kernel })
      for (const { directory } of sweeps)
        t.strictSame(filesOf(pointDirectory(directory, point)), filesOf(out), `${kernel} ${point.set} ${point.seed}`)
      const read = (directory: string) => JSON.parse(readFileSync(join(directory, 'run.json'), 'utf8'))
      const [inSweep, plain] = [read(pointDirectory(sweeps[1]!.directory, point)), read(out)]
      t.strictSame(inSweep.data, plain.data, 'the same data is recorded')
      t.strictSame(inSweep.notes, plain.notes, 'and the same notes')
    }
  }
})

t.test('running again runs nothing, a larger grid runs the new cells, a smaller one forgets nothing', async (t) => {
  const folder = temporary(t, { 'a.yaml': pipeline })
  const sweep = (grid: string[]) => runSweepIn(join(folder, 'sweep'), join(folder, 'a.yaml'), { grid })
  t.equal((await sweep(['eta=0.01,0.05'])).result.executed, 2)
  t.equal((await sweep(['eta=0.01,0.05'])).result.executed, 0)
  const larger = await sweep(['eta=0.01,0.02,0.05'])
  t.strictSame(
    larger.outcomes.map(({ point }) => point.settings),
    [{ eta: 0.02 }],
  )
  const smaller = await sweep(['eta=0.05'])
  t.match(smaller.result, { total: 1, executed: 0, done: 1 })
  t.equal((await sweep(['eta=0.01,0.02,0.05'])).result.executed, 0)
})

t.test('a default that is written out is the same point, another file with other data is not', async (t) => {
  const rows = (start: number) =>
    `a,b,kind\n${Array.from({ length: 40 }, (_, i) => `${start + i},${i % 7},${i % 2 ? 'x' : 'y'}`).join('\n')}\n`
  const text = pipeline
    .replace('- use: load/digits', '- use: load/csv\n    with: { path: "${here}/rows.csv" }')
    .replace('size: 100', 'size: 10')
  const folder = temporary(t, { 'a.yaml': text, 'rows.csv': rows(0) })
  const sweep = (...set: string[]) =>
    runSweepIn(join(folder, 'sweep'), join(folder, 'a.yaml'), { grid: ['eta=0.01'], set })
  t.equal((await sweep()).result.executed, 1)
  t.equal((await sweep('csv.header=true')).result.executed, 0)
  writeFileSync(join(folder, 'rows.csv'), rows(1))
  t.equal((await sweep()).result.executed, 1)
  writeFileSync(join(folder, 'rows.csv'), rows(0))
  t.equal((await sweep()).result.executed, 0)
})

t.test('what was lost is run again: a directory, half a line of the results', async (t) => {
  const folder = temporary(t, { 'a.yaml': pipeline })
  const directory = join(folder, 'sweep')
  const sweep = () => runSweepIn(directory, join(folder, 'a.yaml'), { grid: ['eta=0.01,0.02,0.05'] })
  const { plan } = await sweep()
  const [first, second] = plan.points
  rmSync(pointDirectory(directory, first!), { recursive: true })
  const file = join(directory, 'results.jsonl')
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  const kept = lines.filter((line) => !line.includes(second!.key))
  writeFileSync(file, `${kept.join('\n')}\n{"key":"${second!.key}","sta`)
  const again = await sweep()
  t.strictSame(again.outcomes.map(({ key }) => key).sort(), [first!.key, second!.key].sort())
  t.equal(readOutcomes(directory).size, 3)
  appendFileSync(file, 'nonsense\n')
  t.equal((await sweep()).result.executed, 0)
})

t.test('a point that fails says why and leaves the others alone; it is not run again unless asked', async (t) => {
  const folder = temporary(t, { 'a.yaml': pipeline })
  const directory = join(folder, 'sweep')
  const sweep = (options = {}) =>
    runSweepIn(
      directory,
      join(folder, 'a.yaml'),
      { grid: ['rows.size=100,9999,200'], set: ['rows.dropLast=true'] },
      options,
    )
  const { result, outcomes } = await sweep()
  t.match(result, { total: 3, done: 2, failed: 1, missing: 0 })
  const failed = outcomes.find(({ status }) => status === 'failed')!
  t.match(failed.error, /stages\[2\] batch\/rows: the split "train" has 1258 rows, less than one batch of 9999/)
  t.match(readOutcomes(directory).get(failed.key), { status: 'failed', error: failed.error })
  t.equal((await sweep()).result.executed, 0)
  t.match((await sweep({ retry: true })).result, { executed: 1, failed: 1 })
})

t.test('where a failed point stops the sweep, the others are run the next time', async (t) => {
  const folder = temporary(t, { 'a.yaml': pipeline })
  const planned = { grid: ['rows.size=100,9999,200,300'], set: ['rows.dropLast=true'] }
  const sweep = (options = {}) => runSweepIn(join(folder, 'sweep'), join(folder, 'a.yaml'), planned, options)
  const [code, message] = await errorOf(sweep({ onFail: 'stop' }))
  t.equal(code, 'STAGE')
  t.equal(
    message,
    'stopped because a point failed: 1 point done, 1 failed, 2 missing; the same command goes on from here',
  )
  t.match((await sweep()).result, { executed: 2, done: 3, failed: 1 })
})

t.test('a sweep that is stopped goes on where its points were cut off, to the same bytes', async (t) => {
  const text = `checkpoint: { every: epoch }\n${pipeline}`
  const folder = temporary(t, { 'a.yaml': text })
  const [directory, file] = [join(folder, 'sweep'), join(folder, 'a.yaml')]
  const planned = { grid: ['eta=0.01,0.05'], set: ['epochs=40'] }
  const stop = new AbortController()
  const watch = setInterval(() => {
    const begun = existsSync(join(directory, 'points')) ? readdirSync(join(directory, 'points')) : []
    const isTraining = begun.some((key) => existsSync(join(directory, 'points', key, 'checkpoint')))
    if (isTraining) stop.abort()
  }, 5)
  const [code] = await errorOf(runSweepIn(directory, file, planned, { jobs: 2, signal: stop.signal }))
  clearInterval(watch)
  t.equal(code, 'ABORTED')
  const { plan, result } = await runSweepIn(directory, file, planned, { jobs: 2 })
  t.match(result, { total: 2, done: 2 })
  for (const point of plan.points) {
    const out = join(folder, 'plain', point.key)
    await run(await Pipeline.load(file, { set: point.set, seed: point.seed }), { out, kernel: 'reference' })
    t.strictSame(filesOf(pointDirectory(directory, point)), filesOf(out))
  }
})

t.test('a directory has one sweep at a time', async (t) => {
  const folder = temporary(t, { 'a.yaml': pipeline })
  const [directory, file] = [join(folder, 'sweep'), join(folder, 'a.yaml')]
  let second: Promise<[string, string]> | undefined
  const onStart = () => {
    second = errorOf(runSweepIn(directory, file, { grid: ['eta=0.02'] }))
  }
  t.match((await runSweepIn(directory, file, { grid: ['eta=0.01'] }, { onStart })).result, { done: 1 })
  const [code, message] = await second!
  t.equal(code, 'ARGUMENTS')
  t.match(message, /process \d+ is writing in .*sweep; wait for its end/)
  t.strictSame(
    readPlan(directory).points.map(({ settings }) => settings),
    [{ eta: 0.01 }],
  )
})

t.test('a stage of a user that ends its thread fails its point, not the sweep', async (t) => {
  const stage = `
    import { defineStage, wire, z } from 'millrace/stage'
    import { tap } from 'rxjs'
    export default defineStage({
      name: 'leave', summary: 'Leaves.', options: z.strictObject({ now: z.boolean() }),
      inputs: { batches: wire.batch }, outputs: { batches: wire.batch }, example: '',
      run: ({ now }) => tap(() => { if (now) process.exit(3) }),
    })`
  const text = pipeline.replace('- use: shuffle/rows', '- use: ./leave.mjs\n    with: { now: false }')
  const folder = temporary(t, { 'a.yaml': text, 'leave.mjs': stage })
  const planned = { grid: ['leave.now=true,false'] }
  const { outcomes } = await runSweepIn(join(folder, 'sweep'), join(folder, 'a.yaml'), planned, { jobs: 1 })
  t.match(outcomes, [
    { status: 'failed', error: 'the thread of the job ended: with code 3' },
    { status: 'done', point: { settings: { 'leave.now': false } } },
  ])
})

t.test('a point takes up no run of another definition, and loads no code that the user does not name', async (t) => {
  const folder = temporary(t, { 'a.yaml': pipeline })
  const directory = join(folder, 'sweep')
  const { plan } = await runSweepIn(directory, join(folder, 'a.yaml'), { grid: ['eta=0.01'] })
  const point = pointDirectory(directory, plan.points[0]!)
  const before = filesOf(point)
  const ran = join(folder, 'RAN')
  const evil = `import { writeFileSync } from 'node:fs'\nwriteFileSync(${JSON.stringify(ran)}, '')\nexport default {}\n`
  writeFileSync(join(folder, 'evil.js'), evil)
  const text = readFileSync(join(point, 'pipeline.yaml'), 'utf8')
  const record = readFileSync(join(point, 'run.json'), 'utf8')
  for (const changed of [
    text.replace('use: load/digits', `use: ${join(folder, 'evil.js')}`),
    text.replace('use: load/digits', 'use: ../../../evil.js'),
    text.replace(/^name: .*$/m, 'name: other'),
  ]) {
    t.not(changed, text)
    rmSync(join(directory, 'results.jsonl'), { force: true })
    writeFileSync(join(point, 'pipeline.yaml'), changed)
    writeFileSync(join(point, 'run.json'), record.replace('"status": "done"', '"status": "interrupted"'))
    const { result } = await runSweepIn(directory, join(folder, 'a.yaml'), { grid: ['eta=0.01'] })
    t.match(result, { executed: 1, done: 1 })
    t.notOk(existsSync(ran))
    t.strictSame(filesOf(point), before)
    t.equal(readFileSync(join(point, 'pipeline.yaml'), 'utf8'), text)
  }
})

import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import t from 'tap'
import { Pipeline, run } from '../../../dist/index.js'
import { planSweep, pointDirectory, readOutcomes, readPlan } from '../../../dist/sweep/index.js'
import { statusOf, submit, sweepNamed, type Task } from '../../../dist/sweep/queue/index.js'
import { errorOf, temporary } from '../../stages/harness.js'
import { pause, until } from '../../waiting.js'
import { filesOf, pipeline } from '../sweeps.js'
import type { TestServer } from './servers.js'
import {
  at,
  collectSweep,
  countDone,
  countExecutions,
  countRunning,
  freezeWithPoint,
  startWorker,
  submitSweep,
  unsigned,
  workUntilDone,
} from './workers.js'

/** The tests of sweeps at a queue, for every kind of server. */
export function queueTests(start: (t: Test) => Promise<TestServer>, skip: string | undefined): void {
  t.test('sweeps at a queue', { skip }, async (t) => {
    const server = await start(t)
    const { url } = server
    await t.test('points are run once; a failed one says why, and is run again only if asked to', (t) =>
      runOnce(t, url),
    )
    await t.test('each fold is a point', (t) => folds(t, url))
    await t.test('halving is for one machine', (t) => halving(t, url))
    await t.test('what comes over the network is checked', (t) => damaged(t, url))
    await t.test('other data at the worker is another point: it fails before it trains', (t) => otherData(t, url))
    await t.test('a worker that is told to end hands its point back; another goes on with it', (t) =>
      handedBack(t, url),
    )
    await t.test('a worker that is told to end lets its points end, if they do so in time', (t) => inTime(t, url))
    await t.test('a worker that is told to end does so while it has no connection', (t) => unconnected(t, server))
    await t.test('a restart of the server ends no worker: it says so, waits and goes on', (t) => restart(t, server))
    await t.test('points of frozen and killed workers are run by others, although the server crashes', (t) =>
      faults(t, server),
    )
  })
}

async function folds(t: Test, url: string): Promise<void> {
  const divided = pipeline
    .replace(
      'load/digits\n',
      'load/digits\n    with: { fractions: { all: 0.2 } }\n  - use: split/rows\n    with: { split: all, folds: 2, to: validation }\n',
    )
    .replace('use: normalize/standardize', 'use: normalize/standardize\n    with: { fit: all }')
    .replace('size: 100,', 'split: all, size: 100,')
    .replace('name: small', 'name: folded')
  const folder = temporary(t, { 'a.yaml': `${divided}sweep:\n  repeat: { folds: 2 }\n` })
  const [file, artifacts, out] = ['a.yaml', 'shared', 'out'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  t.match(await submitSweep(url, file, {}, artifacts, false), { total: 2, added: 2 })
  t.strictSame(await workUntilDone(url), ['done', 'done'])
  t.match(await collectSweep(url, 'folded', artifacts, out), { total: 2, done: 2, failed: 0 })
  t.strictSame(
    readPlan(out).points.map(({ fold }) => fold),
    [1, 2],
  )
}

async function runOnce(t: Test, url: string): Promise<void> {
  const folder = temporary(t, { 'a.yaml': pipeline })
  const artifacts = join(folder, 'shared')
  const submit = (sizes: string, retry = false) =>
    submitSweep(
      url,
      join(folder, 'a.yaml'),
      { grid: [`rows.size=${sizes}`], set: ['rows.dropLast=true'] },
      artifacts,
      retry,
    )
  t.match(await submit('100,9999'), { total: 2, added: 2, retried: 0 })
  t.strictSame(await errorOf(collectSweep(url, 'small', artifacts, join(folder, 'early'))), [
    'DATA',
    '2 of 2 points are neither done nor failed: rows.size=100 seed=1; rows.size=9999 seed=1; millrace sweep status tells whether they wait or run',
  ])
  t.match(await workUntilDone(url), ['done', /the split "train" has 1258 rows, less than one batch of 9999/])
  t.match(await submit('100,200,9999'), { total: 3, added: 1, retried: 0 })
  t.strictSame(await at(url, (server) => statusOf(server, unsigned)), [
    { name: 'small', total: 3, waiting: 1, running: 0, done: 1, failed: 1 },
  ])
  t.strictSame(await workUntilDone(url), ['done'])
  t.equal(await countExecutions(url), 3)
  const out = join(folder, 'out')
  t.match(await collectSweep(url, 'small', artifacts, out), { total: 3, done: 2, failed: 1 })
  t.equal(readPlan(out).points.length, 3)
  const failed = [...readOutcomes(out).values()].filter(({ status }) => status === 'failed')
  t.match(failed, [{ error: /^a?.*stages\[2\] batch\/rows: the split "train" has 1258 rows/ }])
  t.match(await submit('100,200,9999', true), { added: 0, retried: 1 })
  t.match(await workUntilDone(url), [/the split "train" has 1258 rows/])
  rmSync(artifacts, { recursive: true })
  t.match(
    (await errorOf(collectSweep(url, 'small', artifacts, join(folder, 'late'))))[1],
    /^rows\.size=100 seed=1: no files in .*shared/,
  )
  t.match(await collectSweep(url, 'small', artifacts, out), { done: 2 }, 'what was fetched before is there')
  t.match(await errorOf(collectSweep(url, 'smal', artifacts)), [
    'ARGUMENTS',
    /no sweep named "smal"; did you mean "small"\?$/,
  ])
}

async function halving(t: Test, url: string): Promise<void> {
  const block = 'sweep: { grid: { eta: [0.1, 0.2] }, halving: { keep: 1/2, at: [1], epochs: epochs } }\n'
  const folder = temporary(t, { 'a.yaml': pipeline.replace('name: small', 'name: halving') + block })
  t.match(await errorOf(submitSweep(url, join(folder, 'a.yaml'), {}, folder)), [
    'ARGUMENTS',
    /^a queue cannot compare points, as halving needs/,
  ])
}

async function damaged(t: Test, url: string): Promise<void> {
  const folder = temporary(t, { 'a.yaml': pipeline.replace('name: small', 'name: damaged') })
  const plan = await planSweep(join(folder, 'a.yaml'), { grid: ['eta=0.1'], kernel: 'reference' })
  const options = { name: 'damaged', retry: false, signer: unsigned }
  await at(url, (server) => submit(server, plan, [{ key: plan.points[0]!.key } as Task], options))
  t.match(await workUntilDone(url), [/^refused: the submitted task is damaged: millrace: /])
  await collectSweep(url, 'damaged', folder, join(folder, 'out'))
  t.match([...readOutcomes(join(folder, 'out')).values()], [{ error: /^the submitted task is damaged: millrace/ }])
}

async function otherData(t: Test, url: string): Promise<void> {
  const rows = Array.from({ length: 40 }, (_, i) => `${i},${i % 7},${i % 2 ? 'x' : 'y'}`)
  const text = pipeline
    .replace('name: small', 'name: csv')
    .replace('- use: load/digits', '- use: load/csv\n    with: { path: rows.csv }')
    .replace('size: 100', 'size: 10')
  const data = (some: string[]) => `a,b,kind\n${some.join('\n')}\n`
  const there = temporary(t, { 'a.yaml': text, 'rows.csv': data(rows) })
  const here = temporary(t, { 'rows.csv': data(rows.slice(1)) })
  const artifacts = join(there, 'shared')
  const own = process.cwd()
  t.teardown(() => process.chdir(own))
  const submit = () => {
    process.chdir(there)
    return submitSweep(url, 'a.yaml', { grid: ['eta=0.1'] }, artifacts, true)
  }
  await submit()
  process.chdir(here)
  t.match(await workUntilDone(url), [
    /^rows\.csv is another file here: \d+ bytes, SHA-256 \w{64}; .* submitted .*: \d+ bytes, SHA-256 \w{64}$/,
  ])
  t.notOk(existsSync(artifacts), 'nothing was trained')
  rmSync(join(here, 'rows.csv'))
  await submit()
  process.chdir(here)
  t.match(await workUntilDone(url), ['cannot read rows.csv: no such file or directory'])
  await submit()
  t.strictSame(await workUntilDone(url), ['done'])
  t.match(await errorOf(at(url, (server) => sweepNamed(server, undefined, unsigned))), [
    'ARGUMENTS',
    /there are several sweeps, say which: csv, damaged, folded, small$/,
  ])
}

async function handedBack(t: Test, url: string): Promise<void> {
  const text = `checkpoint: { every: epoch }\n${pipeline.replace('name: small', 'name: long')}`
  const folder = temporary(t, { 'a.yaml': text })
  const [file, artifacts] = [join(folder, 'a.yaml'), join(folder, 'shared')]
  await submitSweep(url, file, { grid: ['eta=0.1'], set: ['epochs=200'] }, artifacts)
  const first = startWorker(t, url, folder, '--grace', '0')
  await until(() => isCheckpointed(artifacts), 'a checkpoint')
  first.process.kill('SIGTERM')
  t.match(await first.ended, { code: 143, stdout: /eta=0\.1 seed=1 {2}handed back\n0 points done, 1 handed back\n$/ })
  t.equal(readdirSync(join(artifacts, 'unfinished')).length, 1)
  t.strictSame(await workUntilDone(url), ['done'])
  const { directory } = await collectSweep(url, 'long', artifacts)
  t.equal(directory, artifacts)
  const place = pointDirectory(artifacts, readPlan(directory).points[0]!)
  t.ok(JSON.parse(readFileSync(join(place, 'run.json'), 'utf8')).resumedAt > 0)
  const out = join(folder, 'plain')
  await run(await Pipeline.load(file, { set: ['eta=0.1', 'epochs=200'] }), { out, kernel: 'reference' })
  t.strictSame(filesOf(place), filesOf(out))
  t.strictSame(readdirSync(join(artifacts, 'unfinished')), [])
}

function isCheckpointed(artifacts: string): boolean {
  const folder = join(artifacts, 'working')
  return existsSync(folder) && readdirSync(folder).some((name) => existsSync(join(folder, name, 'checkpoint')))
}

async function inTime(t: Test, url: string): Promise<void> {
  const folder = temporary(t, { 'a.yaml': pipeline.replace('name: small', 'name: grace') })
  const artifacts = join(folder, 'shared')
  await submitSweep(url, join(folder, 'a.yaml'), { grid: ['eta=0.1'], set: ['epochs=50'] }, artifacts)
  const worker = startWorker(t, url, folder, '--grace', '60')
  await until(() => countRunning(artifacts, worker.process.pid!) > 0, 'the point')
  worker.process.kill('SIGTERM')
  t.match(await worker.ended, { code: 143, stdout: /done .*\n1 point done\n$/ })
}

/** After a crash of the server, a worker waits a moment before it connects again. */
async function unconnected(t: Test, { url, crash }: TestServer): Promise<void> {
  const folder = temporary(t, {})
  for (const downMs of [0, 100]) {
    const worker = startWorker(t, url, folder, '--grace', '1')
    await once(worker.process.stdout!, 'data')
    await pause(1000)
    await crash(downMs)
    worker.process.kill('SIGTERM')
    t.match(await worker.ended, { code: 143, stdout: /^0 points done$/m })
  }
}

async function restart(t: Test, { url, crash }: TestServer): Promise<void> {
  const folder = temporary(t, { 'a.yaml': pipeline.replace('name: small', 'name: restart') })
  const artifacts = join(folder, 'shared')
  await submitSweep(url, join(folder, 'a.yaml'), { grid: ['eta=0.1,0.2'], set: ['epochs=150'] }, artifacts)
  const [working, idle] = ['--until-done', '--quiet'].map((option) => startWorker(t, url, folder, option))
  await until(() => countRunning(artifacts, working!.process.pid!) > 0, 'the point')
  await crash(1000)
  const { code, stdout, stderr } = await working!.ended
  t.match([code, stdout], [0, /\d points? done/])
  t.match(stderr, /^note: (redis|postgres):.* does not answer; waiting until it is back$/m)
  t.notMatch(stderr, /internal error/)
  t.match(await collectSweep(url, 'restart', artifacts), { total: 2, done: 2, failed: 0 })
  idle!.process.kill('SIGTERM')
  t.match(await idle!.ended, { code: 143 })
}

async function faults(t: Test, { url, crash }: TestServer): Promise<void> {
  const folder = temporary(t, { 'a.yaml': pipeline.replace('name: small', 'name: faults') })
  const artifacts = join(folder, 'shared')
  const planned = { grid: ['eta=0.1,0.2,0.3,0.4'], seeds: '5', set: ['epochs=10'] }
  await submitSweep(url, join(folder, 'a.yaml'), planned, artifacts)
  const before = await countDone(url)
  const [frozen, killed] = [startWorker(t, url, folder), startWorker(t, url, folder)]
  await until(async () => (await countDone(url)) >= before + 2, 'the first points')
  await freezeWithPoint(killed, artifacts)
  killed.process.kill('SIGKILL')
  await freezeWithPoint(frozen, artifacts)
  await crash(200)
  t.strictSame([...new Set(await workUntilDone(url))], ['done'])
  frozen.process.kill('SIGCONT')
  await until(() => countRunning(artifacts, frozen.process.pid!) === 0, 'the frozen worker')
  frozen.process.kill('SIGTERM')
  t.match((await frozen.ended).stdout, /lost: this worker did not answer for too long/)
  t.match(await collectSweep(url, 'faults', artifacts), { total: 20, done: 20, failed: 0 })
}

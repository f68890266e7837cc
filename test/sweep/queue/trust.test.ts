import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { planSweep, pointDirectory, readOutcomes, readPlan } from '../../../dist/sweep/index.js'
import {
  collect,
  type Server,
  Signer,
  statusOf,
  submit,
  sweepNamed,
  type Task,
  Tasks,
} from '../../../dist/sweep/queue/index.js'
import { errorOf, inside, temporary } from '../../stages/harness.js'
import { pipeline } from '../sweeps.js'
import { redisMissing, startRedis } from './servers.js'
import { at, collectSweep, submitSweep, unsigned, workUntilDone } from './workers.js'

// What those can do who reach the queue, and nothing else. SECURITY.md refers to these tests by their names.

const named = (name: string): string => pipeline.replace('name: small', `name: ${name}`)

/** Plans a sweep of one point, and returns it with its task, to be changed. */
async function onePoint(folder: string, artifacts: string, text = pipeline) {
  writeFileSync(join(folder, 'one.yaml'), text)
  const tasks = new Tasks()
  const plan = await planSweep(join(folder, 'one.yaml'), {
    kernel: 'reference',
    grid: ['eta=0.1'],
    onPoint: tasks.note,
  })
  return { plan, task: tasks.of(plan, artifacts)[0]! }
}

/** Puts a task on the queue as a client of the server can, whatever it is. */
const put = (url: string, task: object, id = `point-${(task as Task).key}`) =>
  at(url, ({ points }) => points.add('point', task as Task, { jobId: id, attempts: 1 }))

/** Writes to the server of a queue as any client can. */
async function raw(url: string, use: (redis: Redis) => Promise<unknown>): Promise<void> {
  const redis = new Redis(url)
  try {
    await use(redis)
  } finally {
    redis.disconnect()
  }
}

/** Everything that the queue has about its jobs, as text. */
const everything = (url: string) =>
  at(url, async ({ points }) => {
    const jobs = await points.getJobs(undefined, 0, -1)
    return JSON.stringify(
      jobs.map(({ failedReason, returnvalue, stacktrace }) => [failedReason, returnvalue, stacktrace]),
    )
  })

/** Lists in lists, as deep as one likes. */
function nested(depth: number): unknown {
  let data: unknown = []
  for (let at = 1; at < depth; at++) data = [data]
  return data
}

/** The text of lists in lists: JSON.stringify cannot make it. */
const nestedText = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)

async function start(t: Test): Promise<{ url: string; folder: string }> {
  return { url: (await startRedis(t)).url, folder: inside(t, temporary(t, {})) }
}

t.test('runs go below the folders of the worker', { skip: redisMissing }, async (t) => {
  const { url, folder } = await start(t)
  const elsewhere = temporary(t, {})
  symlinkSync(elsewhere, join(folder, 'link'))
  mkdirSync(join(folder, 'run'))
  writeFileSync(join(folder, 'run/run.json'), '{}')
  const refused = [
    [elsewhere, /may not be used for runs: it does not lie below .*; --artifacts names other folders/],
    ['link/x', /may not be used for runs: it does not lie below/],
    [`${folder}/x/../..`, /may not be used for runs: it does not lie below/],
    ['a/node_modules/b', /node_modules\/b may not be used for runs: it is part of packages/],
    ['run/inside', /run\/inside may not be used for runs: it is part of a run/],
  ] as const
  for (const [i, [artifacts]] of refused.entries())
    await put(url, (await onePoint(folder, artifacts, named(`n${i}`))).task)
  t.match(
    await workUntilDone(url, { folders: {} }),
    refused.map(([, message]) => message),
  )
  t.strictSame(readdirSync(elsewhere), [])
  const { task } = await onePoint(folder, elsewhere)
  await put(url, task)
  t.strictSame(
    await workUntilDone(url, { folders: { artifacts: ['mine'] } }),
    ['done'],
    'the only folder that is named',
  )
  t.ok(existsSync(join(folder, 'mine/points', task.key, 'run.json')))
  t.strictSame(readdirSync(elsewhere), [])
})

t.test('what is no run is neither replaced nor moved', { skip: redisMissing }, async (t) => {
  const { url, folder } = await start(t)
  const { task } = await onePoint(folder, 'home')
  const places = ['points', 'unfinished'].map((name) => join('home', name, task.key))
  for (const place of places) {
    mkdirSync(place, { recursive: true })
    writeFileSync(join(place, 'thesis.txt'), 'precious')
  }
  await put(url, task)
  t.match(await workUntilDone(url, { folders: {} }), [/is there already and is not a run: move it away$/])
  for (const place of places) t.equal(readFileSync(join(place, 'thesis.txt'), 'utf8'), 'precious')
})

t.test('keys, ids and names are checked', { skip: redisMissing }, async (t) => {
  const { url, folder } = await start(t)
  const { task } = await onePoint(folder, 'shared')
  const refused = [
    [{ key: '2024' }, /damaged: key: expected a digest/],
    [{ key: '../../0123456789ab' }, /damaged: key: expected a digest/],
    [{ settings: { 'a\nb': 1 } }, /damaged: settings/],
    [{ settings: { a: nested(17) } }, /damaged: settings: a setting is nested more than 16 deep/],
    [{ settings: { a: 'x'.repeat(70_000) } }, /damaged: settings: the settings are longer than 64 KiB/],
    [{ artifacts: 'a\u001b[2J' }, /damaged: artifacts/],
    [{ extra: 1 }, /damaged: .*extra/],
    [{}, /damaged: it has the id of another point/],
  ] as const
  for (const [i, [changed]] of refused.entries()) await put(url, { ...task, ...changed }, `point-id${i}`)
  await put(url, { ...task, key: '0123456789abcdef' })
  t.match(await workUntilDone(url, { folders: {} }), [
    ...refused.map(([, message]) => message),
    /^the key of the submitted task is not that of its content/,
  ])
  t.notOk(existsSync('shared'))
})

t.test(
  'nothing of a data file, of the environment or of a stack goes to the queue',
  { skip: redisMissing },
  async (t) => {
    const { url, folder } = await start(t)
    const rows = Array.from({ length: 20 }, (_, i) =>
      i === 10 ? 'TOPSECRET,1,x' : `${i},${i % 7},${i % 2 ? 'x' : 'y'}`,
    )
    writeFileSync('rows.csv', `a,b,kind\n${rows.join('\n')}\n`)
    const text = pipeline
      .replace('- use: load/digits', '- use: load/csv\n    with: { path: rows.csv }')
      .replace('size: 100', 'size: 10')
    const { plan, task } = await onePoint(folder, 'shared', text)
    await put(url, task)
    t.match(await workUntilDone(url, { folders: {} }), [/rows\.csv:12: .*TOPSECRET/], 'the worker itself tells')
    const told = await everything(url)
    t.match(told, /stages\[0\] load\/csv: rows\.csv:12: the data is missing, damaged or not as the pipeline needs it; /)
    t.notMatch(told, /TOPSECRET/)
    t.notMatch(told, /dist\/|node_modules/, 'no stack')
    const options = { name: plan.name, retry: false, signer: unsigned }
    await at(url, (server) => submit(server, plan, [task], options))
    await collectSweep(url, plan.name, join(folder, 'shared'), 'out')
    t.match([...readOutcomes('out').values()], [{ error: /TOPSECRET/ }], 'who may read the shared folder sees why')
  },
)

t.test('jobs, sweeps and results are signed', { skip: redisMissing }, async (t) => {
  const { url, folder } = await start(t)
  const secret = 'a secret of the team'
  const [ours, other] = [new Signer(secret), new Signer('another one')]
  const file = join(folder, 'a.yaml')
  writeFileSync(file, pipeline)
  const work = (given: string | undefined) => workUntilDone(url, { folders: {}, secret: given })
  const sweep = (eta: number, signer: Signer, retry = false) =>
    submitSweep(url, file, { grid: [`eta=${eta}`] }, join(folder, 'shared'), retry, signer)

  await sweep(0.1, unsigned)
  t.match(await work(secret), [/^refused: this job is not signed, but MILLRACE_QUEUE_SECRET is set here$/])
  t.match(await sweep(0.1, other, true), { retried: 1, name: 'small-2' })
  t.match(await work(secret), [/^refused: the signature of this job is wrong/])
  t.match(await sweep(0.1, ours, true), { retried: 1, name: 'small-3' })
  t.strictSame(await work(secret), ['done'])

  const { task } = await onePoint(folder, 'shared', named('changed'))
  await put(url, { ...ours.sign('job', task), artifacts: 'elsewhere' })
  t.match(await work(secret), [/^refused: the signature of this job is wrong/])
  t.notOk(existsSync('elsewhere'))

  t.match(await sweep(0.2, ours), { added: 1 })
  t.strictSame(await work(undefined), ['done'], 'a worker without the secret checks nothing')
  const remarks: string[] = []
  const status = await at(url, (server) => statusOf(server, ours, (text) => remarks.push(text)))
  t.match(status, [
    { name: 'small-3', done: 1 },
    { name: 'small-4', done: 0, failed: 1 },
  ])
  t.match(remarks, [/"sweep-small" at .*: this sweep is not signed.*; it is passed over$/, /"sweep-small-2" .*wrong/])
  const collectOurs = (name: string, out: string) =>
    at(url, async (server) => collect(server, await sweepNamed(server, name, ours), { out, signer: ours }))
  t.match(await collectOurs('small-3', 'three'), { done: 1, failed: 0 })
  t.match(await collectOurs('small-4', 'four'), { done: 0, failed: 1 })
  t.match([...readOutcomes('four').values()], [{ error: /^this result is not signed/ }])
  t.match(await sweep(0.2, ours, true), { retried: 1 }, 'a result that is not signed is made again')
  t.strictSame(await work(secret), ['done'])
  t.match(await collectOurs('small-4', 'four'), { done: 1 })
  t.throws(() => new Signer(''), { code: 'ARGUMENTS', message: /^MILLRACE_QUEUE_SECRET is empty/ })
})

t.test('malformed records are remarks, and stop nobody', { skip: redisMissing }, async (t) => {
  const { url, folder } = await start(t)
  writeFileSync('a.yaml', pipeline)
  await submitSweep(url, 'a.yaml', { grid: ['eta=0.1'] }, join(folder, 'shared'))
  t.strictSame(await workUntilDone(url, { folders: {} }), ['done'])
  const good = await at(url, async ({ sweeps }) => (await sweeps.getJob('sweep-small'))!.data)
  const add = ({ sweeps }: Server, id: string, data: unknown) => sweeps.add('sweep', data as never, { jobId: id })
  await at(url, async (server) => {
    await add(server, 'sweep-a', {})
    await add(server, 'sweep-b', 'text')
    await add(server, 'sweep-twin', good)
    await add(server, 'sweep-../up', { ...good, name: '../up' })
    await add(server, 'sweep-k', { ...good, name: 'k', points: [{ ...good.points[0], key: '../../x' }] })
  })
  await raw(url, async (redis) => {
    await redis.hset('bull:millrace-sweeps:sweep-raw', 'data', '{')
    await redis.set('bull:millrace-sweeps:sweep-kind', 'text')
    await redis.rpush('bull:millrace-sweeps:wait', 'sweep-raw', 'sweep-kind', 'sweep-gone')
  })
  await raw(url, async (redis) => {
    await redis.hset('bull:millrace-points:point-raw', { data: '{', name: 'point', opts: '{}' })
    await redis.rpush('bull:millrace-points:wait', 'point-raw')
  })
  const told = await workUntilDone(url, { folders: {} })
  t.match(told.at(-1), /^trouble: "point-raw" at redis:.*: the job cannot be read, and no worker can end it/)
  const remarks: string[] = []
  const tell = (text: string) => remarks.push(text)
  t.match(await at(url, (server) => statusOf(server, unsigned, tell)), [{ name: 'small', done: 1 }])
  t.equal(remarks.length, 7)
  for (const remark of remarks) t.match(remark, /^"sweep-.*" at redis:.*; it is passed over$/)
  t.match(await collectSweep(url, 'small', join(folder, 'shared'), 'out'), { done: 1 })
  t.match(await collectSweep(url, 'small', folder), { directory: join(folder, 'shared') }, 'a folder above is named')
})

t.test('collect writes into its own directory, whatever results say', { skip: redisMissing }, async (t) => {
  const { url, folder } = await start(t)
  const elsewhere = temporary(t, {})
  writeFileSync('a.yaml', pipeline)
  await submitSweep(url, 'a.yaml', { grid: ['eta=0.1,0.2'] }, join(folder, 'shared'))
  t.strictSame(await workUntilDone(url, { folders: {} }), ['done', 'done'])
  const record = await at(url, (server) => sweepNamed(server, 'small', unsigned))
  const [first, second] = record.points.map(({ key }) => key)
  const forge = async (key: string, change: (result: { line: string; directory: string }) => object) => {
    const job = await at(url, ({ points }) => points.getJob(`point-${key}`))
    const text = JSON.stringify(change(job!.returnvalue))
    await raw(url, (redis) => redis.hset(`bull:millrace-points:point-${key}`, 'returnvalue', text))
  }
  const collectHere = (out?: string) => at(url, (server) => collect(server, record, { out, signer: unsigned }))
  t.equal((await collectHere()).directory, join(folder, 'shared'), 'the folder that has the runs of this sweep')

  await forge(first!, (result) => ({ ...result, directory: join(elsewhere, 'points', first!) }))
  t.match(await errorOf(collectHere('one')), [
    'DATA',
    /eta=0\.1 seed=1: .* may not be used for runs: it does not lie below/,
  ])
  t.match((await errorOf(collectHere()))[1], /may not be used for runs/)
  t.ok(existsSync('sweeps/small/sweep.json'))
  t.strictSame(readdirSync(elsewhere), [])

  await forge(first!, (result) => ({ ...result, line: result.line.replace(first!, '../../up'), directory: '/etc' }))
  await forge(second!, () => ({ line: 'x', directory: 7 }))
  t.match(await collectHere('two'), { done: 0, failed: 2 })
  t.match([...readOutcomes('two').keys()].sort(), [first, second].sort())
})

t.test('collect leaves out what links in a run lead to', { skip: redisMissing }, async (t) => {
  const { url, folder } = await start(t)
  writeFileSync('a.yaml', pipeline)
  writeFileSync('secret.txt', 'TOPSECRET')
  await submitSweep(url, 'a.yaml', { grid: ['eta=0.1'] }, join(folder, 'shared'))
  await workUntilDone(url, { folders: {} })
  const { key } = (await at(url, (server) => sweepNamed(server, 'small', unsigned))).points[0]!
  const run = pointDirectory('shared', { key })
  symlinkSync(join(folder, 'secret.txt'), join(run, 'link.txt'))
  symlinkSync(folder, join(run, 'figures'))
  await collectSweep(url, 'small', join(folder, 'shared'), 'out')
  t.strictSame(
    readdirSync(join('out/points', key)).filter((name) => ['link.txt', 'figures'].includes(name)),
    [],
  )
  t.ok(existsSync(join('out/points', key, 'metrics.csv')))
  mkdirSync('other')
  symlinkSync(temporary(t, {}), 'other/points')
  t.match(await errorOf(collectSweep(url, 'small', join(folder, 'shared'), 'other')), [
    'WRITE',
    /other\/points is a link/,
  ])
})

t.test('an unfinished run of another definition is not resumed', { skip: redisMissing }, async (t) => {
  const { url, folder } = await start(t)
  const { task } = await onePoint(folder, 'shared')
  const place = join('shared/unfinished', task.key)
  mkdirSync(join(place, 'checkpoint'), { recursive: true })
  writeFileSync(
    join(place, 'evil.mjs'),
    `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(join(folder, 'RAN'))}, '')`,
  )
  writeFileSync(join(place, 'pipeline.yaml'), 'name: small\nstages:\n  - use: ./evil.mjs\n')
  const record = { name: 'small', seed: 1, status: 'interrupted', versions: { millrace: '0.1.0' }, files: [] }
  writeFileSync(join(place, 'run.json'), JSON.stringify(record))
  await put(url, task)
  t.strictSame(await workUntilDone(url, { folders: {} }), ['done'])
  t.notOk(existsSync('RAN'))
  t.match(readFileSync(join('shared/points', task.key, 'pipeline.yaml'), 'utf8'), /load\/digits/)
})

t.test('two sweeps of one name stay two; runs that are gone are made again', { skip: redisMissing }, async (t) => {
  const { url, folder } = await start(t)
  writeFileSync('a.yaml', pipeline)
  const sweep = (grid: string, artifacts: string, retry = false) =>
    submitSweep(url, 'a.yaml', { grid: [grid] }, join(folder, artifacts), retry)
  t.match(await sweep('eta=0.1,0.2', 'alice'), { name: 'small', added: 2 })
  t.match(await sweep('lambda=0.1,0.2', 'bob'), { name: 'small-2', added: 2 })
  t.match(await sweep('eta=0.1,0.2,0.3', 'alice'), { name: 'small', added: 1 }, 'a larger grid is the same sweep')
  t.match(await sweep('lambda=0.1,0.2', 'bob'), { name: 'small-2', added: 0, elsewhere: {} })
  await workUntilDone(url, { folders: {} })
  for (const [name, setting] of [
    ['small', 'eta'],
    ['small-2', 'lambda'],
  ] as const) {
    await collectSweep(url, name, join(folder, name === 'small' ? 'alice' : 'bob'), name)
    t.strictSame(readPlan(name).names, [setting])
  }
  t.match(await errorOf(collectSweep(url, 'small-2', join(folder, 'bob'), 'small')), [
    'ARGUMENTS',
    /^small has another sweep, with points that this one has not; give another directory with --out$/,
  ])
  t.match(await sweep('lambda=0.1,0.2', 'carol'), { retried: 0, gone: 0, elsewhere: { [join(folder, 'bob')]: 2 } })
  const { key } = readPlan('small-2').points[0]!
  rmSync(pointDirectory('bob', { key }), { recursive: true })
  t.match(await sweep('lambda=0.1,0.2', 'bob'), { retried: 0, gone: 1 })
  t.match(await sweep('lambda=0.1,0.2', 'carol', true), {
    retried: 1,
    gone: 0,
    elsewhere: { [join(folder, 'bob')]: 1 },
  })
  t.strictSame(await workUntilDone(url, { folders: {} }), ['done'])
  t.ok(existsSync(join('carol/points', key, 'run.json')))
})

t.test('data of any depth stops neither workers nor commands', { skip: redisMissing }, async (t) => {
  const { url, folder } = await start(t)
  const ours = new Signer('a secret of the team')
  const { task } = await onePoint(folder, 'shared', named('deep'))
  await put(url, task)
  const deep = JSON.stringify({ ...task, settings: { a: 0 } }).replace('{"a":0}', `{"a":${nestedText(20_000)}}`)
  await raw(url, (redis) => redis.hset(`bull:millrace-points:point-${task.key}`, 'data', deep))
  writeFileSync('a.yaml', pipeline)
  await submitSweep(url, 'a.yaml', { grid: ['eta=0.1,0.2'] }, join(folder, 'shared'))
  t.strictSame((await workUntilDone(url, { folders: {} })).sort(), [
    'done',
    'done',
    'refused: the submitted task is damaged: settings: a setting is nested more than 16 deep',
  ])
  await at(url, ({ sweeps }) => sweeps.add('sweep', {} as never, { jobId: 'sweep-deep' }))
  const record = `{"signature":"00","a":${nestedText(20_000)}}`
  await raw(url, (redis) => redis.hset('bull:millrace-sweeps:sweep-deep', 'data', record))
  for (const signer of [unsigned, ours]) {
    const remarks: string[] = []
    await at(url, (server) => statusOf(server, signer, (text) => remarks.push(text)))
    t.match(remarks[0], /^"sweep-deep" at redis:.*: it is nested more than 64 deep; it is passed over$/)
  }
  const big = { signature: '00', a: nested(20_000) }
  for (const kind of ['job', 'result'] as const) t.match(ours.problem(kind, big), /nested more than 64 deep/)
})

t.test('a shared folder that is none stops nobody', { skip: redisMissing }, async (t) => {
  const { url, folder } = await start(t)
  writeFileSync('a.yaml', pipeline)
  writeFileSync('file', 'precious')
  await submitSweep(url, 'a.yaml', { grid: ['eta=0.1'] }, join(folder, 'file'))
  const long = await onePoint(folder, 'x'.repeat(300), named('long'))
  await put(url, long.task)
  const told = (await workUntilDone(url, { folders: {} })).sort()
  t.match(told, [
    /x may not be used for runs: /,
    /^cannot use the folder file\/points: a part of the path is not a directory/,
  ])
  t.match(
    await at(url, async (server) => collect(server, await sweepNamed(server, 'small', unsigned), { signer: unsigned })),
    {
      done: 0,
      failed: 1,
    },
  )
  t.equal(readFileSync('file', 'utf8'), 'precious')
})

t.test('collect follows no link below the shared folder', { skip: redisMissing }, async (t) => {
  const { url, folder } = await start(t)
  const elsewhere = temporary(t, {})
  writeFileSync('a.yaml', pipeline)
  await submitSweep(url, 'a.yaml', { grid: ['eta=0.1'] }, join(folder, 'shared'))
  t.strictSame(await workUntilDone(url, { folders: {} }), ['done'])
  cpSync('shared/points', join(elsewhere, 'points'), { recursive: true })
  rmSync('shared/points', { recursive: true })
  symlinkSync(join(elsewhere, 'points'), 'shared/points')
  t.match(await errorOf(collectSweep(url, 'small', join(folder, 'shared'), 'out')), [
    'DATA',
    /eta=0\.1 seed=1: shared\/points is a link, expected a folder/,
  ])
  t.strictSame(readdirSync('out/points'), [])
})

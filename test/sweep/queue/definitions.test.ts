import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { keyOf } from '../../../dist/sweep/identity.js'
import { planSweep } from '../../../dist/sweep/index.js'
import { Definitions } from '../../../dist/sweep/queue/definitions.js'
import { Folders } from '../../../dist/sweep/queue/folders.js'
import { type Task, Tasks } from '../../../dist/sweep/queue/index.js'
import { type Refusal, refusalOf } from '../../../dist/sweep/queue/refusal.js'
import { temporary } from '../../stages/harness.js'
import { pipeline } from '../sweeps.js'

const stage = `import { defineStage, wire, z } from 'millrace/stage'
  export default defineStage({ name: 'same', summary: 'Passes on.', options: z.strictObject({}),
    inputs: { batches: wire.batch }, outputs: { batches: wire.batch }, example: '', run: () => (batches) => batches })`

async function taskIn(folder: string) {
  const tasks = new Tasks()
  const file = join(folder, 'a.yaml')
  const plan = await planSweep(file, { kernel: 'reference', grid: ['eta=0.1'], onPoint: tasks.note })
  return tasks.of(plan, join(folder, 'shared'))[0]!
}

async function refusal(definitions: Definitions, task: Task): Promise<Refusal> {
  const point = definitions.pointOf(task)
  return refusalOf(await definitions.check(point, task).catch((error) => error))
}

function definitionsOf(t: Test, trust = {}): Definitions {
  const definitions = new Definitions(trust, new Folders({ data: [process.cwd()] }))
  t.teardown(() => definitions.close())
  return definitions
}

t.test('a point is the same wherever it is read', async (t) => {
  const task = await taskIn(temporary(t, { 'a.yaml': pipeline }))
  const definitions = definitionsOf(t)
  const point = definitions.pointOf(JSON.parse(JSON.stringify(task)))
  t.equal((await definitions.check(point, task)).name, 'small')
  t.match(point, { key: task.key, seed: 1, settings: { eta: 0.1 }, set: [] })
})

t.test('another version, and what is not that of the key, make it another point', async (t) => {
  const task = await taskIn(temporary(t, { 'a.yaml': pipeline }))
  const definitions = definitionsOf(t)
  const message = async (changed: Partial<Task>) => (await refusal(definitions, { ...task, ...changed })).message
  t.match(await message({ millrace: '0.0.1' }), /^submitted by Millrace 0\.0\.1, the worker has/)
  const [data] = task.data
  const forged = (part: string) => new RegExp(`^the ${part} of the submitted task is not that of its content;`)
  for (const changed of [
    { key: '0123456789abcdef' },
    { data: [{ ...data!, sha256: 'f' }] },
    { data: [] },
    { kernel: 'wasm' as const },
    { definition: 'fedcba9876543210' },
  ])
    t.match(await message(changed), forged('key'))
  t.match(await message({ text: task.text.replace('"size":100', '"size":50') }), forged('definition'))
  t.match(await message({ seed: 2 }), forged('definition'))
  t.match(await message({ preparation: 'fedcba9876543210' }), forged('preparation'))
})

t.test('a worker with other data says so; the checksum of its own stays here', async (t) => {
  const task = await taskIn(temporary(t, { 'a.yaml': pipeline }))
  const data = [{ ...task.data[0]!, sha256: 'f', bytes: 7 }]
  const { message, detail } = await refusal(definitionsOf(t), {
    ...task,
    data,
    key: keyOf(task.definition, data, task.kernel),
  })
  t.match(message, /digits\.csv is another file here than on the machine that submitted the point: 7 bytes, SHA-256 f$/)
  t.match(detail, /digits\.csv is another file here: \d+ bytes, SHA-256 \w{64}; on the machine that submitted/)
})

t.test('a definition is one that submit writes: it extends nothing and refers to nothing but its vars', async (t) => {
  const task = await taskIn(temporary(t, { 'a.yaml': pipeline }))
  process.env.MILLRACE_TEST_SECRET = 'hunter2'
  t.teardown(() => delete process.env.MILLRACE_TEST_SECRET)
  const whole = JSON.parse(task.text)
  const [load, ...rest] = whole.stages
  const told = async (definition: unknown) => {
    const text = typeof definition === 'string' ? definition : JSON.stringify(definition)
    return (await refusal(definitionsOf(t), { ...task, text })).message
  }
  const notOurs = /^the definition of the submitted task is not one that millrace sweep submit writes$/
  for (const other of [
    'name: x',
    '[]',
    { ...whole, extends: '/etc/passwd' },
    { ...whole, '<<': {} },
    { ...whole, patch: [] },
  ])
    t.match(await told(other), notOurs)
  const foreign = (name: string) =>
    `the definition of the submitted task refers to \${${name}}, which is none of its vars`
  const use = (text: string) => ({ ...whole, stages: [load, { use: text }, ...rest] })
  t.equal(await told(use('${MILLRACE_TEST_SECRET}')), foreign('MILLRACE_TEST_SECRET'))
  t.equal(await told(use('x-${MILLRACE_TEST_SECRET:-a}')), foreign('MILLRACE_TEST_SECRET'))
  t.equal(await told(use('${here}/a.js')), foreign('here'))
  t.equal(await told({ ...whole, seed: '${HOME}' }), foreign('HOME'))
  t.equal(await told({ ...whole, vars: { eta: '${HOME}' } }), foreign('HOME'))
  t.match(await told(use('/a/points/0123456789abcdef/x.js')), /names a file of a run as a stage$/)
  t.match(await told(use('/a/points/./x/..//0123456789abcdef/x.js#y')), /names a file of a run as a stage$/)
  t.match(await told(use('points//0123456789abcdef/x')), /names a file of a run as a stage$/)
  t.match(await told(use('points/0123456789ABCDEF/x')), /names a file of a run as a stage$/)
  const parallel = { engine: 'mpi', ranks: 2, shards: 2 }
  t.match(await told({ ...whole, parallel }), /runs each point in one process/)
})

t.test('data is read from the folders that the worker was given, links followed', async (t) => {
  const rows = Array.from({ length: 40 }, (_, i) => `${i},${i % 7},${i % 2 ? 'x' : 'y'}`)
  const folder = temporary(t, { 'rows.csv': `a,b,kind\n${rows.join('\n')}\n` })
  const path = join(folder, 'rows.csv')
  const text = pipeline
    .replace('- use: load/digits', `- use: load/csv\n    with: { path: ${path} }`)
    .replace('size: 100', 'size: 10')
  const task = await taskIn(temporary(t, { 'a.yaml': text }))
  const [inside, outside] = [temporary(t, {}), temporary(t, {})]
  symlinkSync(folder, join(inside, 'link'))
  const told = async (...data: string[]) => {
    const definitions = new Definitions({}, new Folders({ data }))
    t.teardown(() => definitions.close())
    return (await refusal(definitions, task)).message
  }
  t.match(await told(outside), /rows\.csv may not be read: it does not lie below .*; --data names other folders/)
  t.match(await told(inside), /may not be read/)
  t.equal((await definitionsIn(t, folder).check(definitionsIn(t, folder).pointOf(task), task)).name, 'small')
  t.equal(
    (await definitionsIn(t, join(inside, 'link')).check(definitionsIn(t, folder).pointOf(task), task)).name,
    'small',
  )
})

function definitionsIn(t: Test, ...data: string[]): Definitions {
  const definitions = new Definitions({}, new Folders({ data }))
  t.teardown(() => definitions.close())
  return definitions
}

t.test('a queue names no code but that of the folder that the worker was told to trust', async (t) => {
  const text = pipeline.replace('- use: shuffle/rows', '- use: ./same.mjs')
  const folder = temporary(t, { 'a.yaml': text, 'same.mjs': stage })
  const task = await taskIn(folder)
  const trusting = definitionsOf(t, { plugins: folder })
  t.equal((await trusting.check(trusting.pointOf(task), task)).name, 'small')
  const told = async (trust: object, changed = task) => (await refusal(definitionsOf(t, trust), changed)).message
  const onlyNamed =
    /same\.mjs is code; for a definition from elsewhere, it is loaded only from the folder that --plugins/
  t.match(await told({}), onlyNamed)
  t.match(await told({ plugins: temporary(t, {}) }), onlyNamed)
  t.match(await told({ plugins: false }), /which --no-plugins or MILLRACE_NO_PLUGINS forbids$/)
})

t.test('a package is found from the folder of --plugins, never from the temporary folder of the worker', async (t) => {
  const folder = temporary(t, { 'a.yaml': pipeline.replace('shuffle/rows', 'evil') })
  const home = join(folder, 'node_modules/evil')
  mkdirSync(home, { recursive: true })
  writeFileSync(join(home, 'package.json'), '{"type":"module","main":"index.js"}')
  writeFileSync(join(home, 'index.js'), stage)
  const task = await taskIn(folder)
  const temporaryFolder = process.env.TMPDIR
  process.env.TMPDIR = folder
  t.teardown(() => {
    if (temporaryFolder === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = temporaryFolder
  })
  const [careful, trusting] = [definitionsOf(t), definitionsOf(t, { plugins: folder })]
  t.match((await refusal(careful, task)).message, /no stage named "evil"/)
  t.equal((await trusting.check(trusting.pointOf(task), task)).name, 'small')
})

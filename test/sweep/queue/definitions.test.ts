import { join } from 'node:path'
import t from 'tap'
import { planSweep } from '../../../dist/sweep/index.js'
import { Definitions } from '../../../dist/sweep/queue/definitions.js'
import { Tasks } from '../../../dist/sweep/queue/index.js'
import { errorOf, temporary } from '../../stages/harness.js'
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

t.test('a point is the same wherever it is read', async (t) => {
  const task = await taskIn(temporary(t, { 'a.yaml': pipeline }))
  const definitions = new Definitions({})
  t.teardown(() => definitions.close())
  const point = definitions.pointOf(JSON.parse(JSON.stringify(task)))
  t.equal(await definitions.difference(point, task), undefined)
  t.match(point, { key: task.key, seed: 1, settings: { eta: 0.1 }, set: [] })
})

t.test('another version, and other data, make it another point', async (t) => {
  const task = await taskIn(temporary(t, { 'a.yaml': pipeline }))
  const definitions = new Definitions({})
  t.teardown(() => definitions.close())
  const point = definitions.pointOf(task)
  t.match(
    await definitions.difference(point, { ...task, millrace: '0.0.1' }),
    /^submitted by Millrace 0\.0\.1, the worker has/,
  )
  const [data] = task.data
  t.match(
    await definitions.difference(point, { ...task, data: [{ ...data!, sha256: 'f', bytes: 7 }] }),
    /digits\.csv is another file here: \d+ bytes, SHA-256 \w{64}; on the machine that submitted .*: 7 bytes, SHA-256 f$/,
  )
  t.equal(
    await definitions.difference(point, { ...task, data: [] }),
    'the point reads 1 files here, 0 on the machine that submitted it',
  )
})

t.test('a queue names no stage file that the worker was not told to trust', async (t) => {
  const text = pipeline.replace('- use: shuffle/rows', '- use: ./same.mjs')
  const folder = temporary(t, { 'a.yaml': text, 'same.mjs': stage })
  const task = await taskIn(folder)
  const [trusting, careful, strict] = [{ plugins: folder }, {}, { plugins: false }].map(
    (trust) => new Definitions(trust),
  )
  for (const each of [trusting!, careful!, strict!]) t.teardown(() => each.close())
  t.equal(await trusting!.difference(trusting!.pointOf(task), task), undefined)
  t.match((await errorOf(careful!.difference(careful!.pointOf(task), task)))[1], /same\.mjs leads out of/)
  t.match(
    (await errorOf(strict!.difference(strict!.pointOf(task), task)))[1],
    /which --no-plugins or MILLRACE_NO_PLUGINS forbids$/,
  )
})

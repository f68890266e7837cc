import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { tableFromIPC } from '@uwdata/flechette'
import t from 'tap'
import { Pipeline, run } from '../dist/index.js'

t.test('an Arrow reader that is not ours opens every Arrow file of a run', async (t) => {
  const out = join(t.testdir(), 'run')
  const pipeline = (await Pipeline.load('digits', { set: ['epochs=2'] }))
    .insertAfter('csv', { use: 'sink/arrow', from: 'metrics' })
    .insertAfter('csv', { use: 'sink/arrow', id: 'wire', from: 'examples', with: { path: 'examples.arrows' } })
  const { history, parameters } = await run(pipeline, { out, kernel: 'reference' })

  const metrics = tableFromIPC(readFileSync(join(out, 'metrics.arrows')))
  t.same(metrics.toArray(), history)

  const written = tableFromIPC(readFileSync(join(out, 'parameters.arrow')))
  t.same([...(written.getChild('name') as Iterable<string>)], ['W', 'b'])
  t.same(
    Array.from(written.getChild('values').get(1) as Iterable<number>),
    Array.from(parameters.b!.data as Iterable<number>),
  )
  t.match(Object.fromEntries(written.schema.metadata ?? []), { model: 'softmax', epoch: '2' })

  const examples = tableFromIPC(readFileSync(join(out, 'examples.arrows')))
  t.equal(examples.numRows, 1797)
  t.equal((examples.getChild('features').get(0) as Uint8Array).length, 64)
})

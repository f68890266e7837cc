import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import { concat, EMPTY, NEVER, of, throwError } from 'rxjs'
import t from 'tap'
import { modelOf, positionOf } from '../../../dist/pipeline/stage-kit.js'
import { openStage, runStage } from '../harness.js'
import { parameters } from '../tables.js'

const entry = '- use: sink/parameters\n  from: model'
const at = (step: number) => ({ epoch: 1, step, epochs: 1, steps: 2 })

t.test('sink/parameters writes the last parameters with all that describes them', async (t) => {
  const last = parameters(
    [
      [1.5, 0.1],
      [-2, 3],
    ],
    [0.25, 1 / 3],
    at(2),
    0.5,
  )
  const { directory } = await runStage(t, entry, { parameters: [parameters([[9, 9]], [9], at(1)), last] })
  const bytes = readFileSync(join(directory, 'parameters.arrow'))
  t.equal(bytes.toString('latin1', 0, 6), 'ARROW1', 'an Arrow file, not a stream')
  const read = tableFromIPC(bytes)
  t.strictSame(positionOf(read), at(2))
  const { arrays, ...model } = modelOf(read)
  t.strictSame(model, {
    learner: 'softmax',
    options: {},
    shape: [2],
    names: undefined,
    classes: ['a', 'b'],
    affine: undefined,
    lambda: 0.5,
    eta: 0.1,
  })
  t.strictSame(
    arrays.map(({ name, shape }) => [name, shape]),
    [
      ['W', [2, 2]],
      ['b', [2]],
    ],
  )
  t.strictSame(
    read.toArray().map((row) => [...row.values]),
    [
      [1.5, 0.1, -2, 3],
      [0.25, 1 / 3],
    ],
  )
})

t.test('the file appears whole, at the end, and not at all where there is none', async (t) => {
  const error = new Error('upstream')
  const first = parameters([[9]], [9], at(1))
  const failing = openStage(t, entry, {
    parameters: concat(
      of(first),
      throwError(() => error),
    ),
  })
  await t.rejects(
    failing.tables.forEach(() => {}),
    error,
  )
  const left = openStage(t, entry, { parameters: concat(of(first), NEVER) })
  left.tables.subscribe().unsubscribe()
  const empty = await runStage(t, entry, { parameters: EMPTY })
  for (const { directory } of [failing, left, empty]) t.strictSame(readdirSync(directory), [])
})

t.test('a file that cannot be written is a WRITE error, and leaves nothing half-written', async (t) => {
  const { directory, tables } = openStage(t, entry, { parameters: [parameters([[9]], [9], at(2))] })
  mkdirSync(join(directory, 'parameters.arrow'))
  await t.rejects(
    tables.forEach(() => {}),
    { code: 'WRITE', message: 'parameters.arrow: it is a directory' },
  )
  t.notOk(existsSync(join(directory, 'parameters.arrow.part')))
})

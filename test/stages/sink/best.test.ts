import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Table } from 'apache-arrow'
import { tableFromIPC } from 'apache-arrow'
import { Subject } from 'rxjs'
import t, { type Test } from 'tap'
import { metricsTable, modelOf, positionOf } from '../../../dist/pipeline/stage-kit.js'
import { errorOf, openStage } from '../harness.js'
import { parameters as parametersTable } from '../tables.js'

const at = (step: number) => ({ epoch: step, step, epochs: 9, steps: 1 })

function keeping(t: Test, name: string, better: 'higher' | 'lower') {
  const [parameters, metrics] = [new Subject<Table>(), new Subject<Table>()]
  const entry = `- use: sink/best\n  with: { monitor: ${name} }`
  const { tables, directory } = openStage(t, entry, { parameters, metrics })
  let error: unknown
  tables.subscribe({
    error: (found) => {
      error = found
    },
  })
  const file = join(directory, 'best.arrow')
  return {
    step: (step: number) => parameters.next(parametersTable([[step]], [0], at(step))),
    evaluate: (step: number, value: number) =>
      metrics.next(metricsTable(at(step), { [name]: value }, { [name]: { name, title: name, better } })),
    kept: () => (existsSync(file) ? tableFromIPC(readFileSync(file)) : undefined),
    error: () => error,
  }
}

t.test('sink/best keeps the parameters of the best evaluation, the first of equals', (t) => {
  for (const [name, better, values] of [
    ['test_cost', 'lower', [3, 1, 1, 2]],
    ['test_accuracy', 'higher', [0.1, 0.4, 0.4, 0.2]],
    ['f1', 'higher', [0.1, 0.4, 0.4, 0.2]],
    ['inverse_accuracy', 'lower', [3, 1, 1, 2]],
  ] as const) {
    const { step, evaluate, kept } = keeping(t, name, better)
    for (const [i, value] of values.entries()) {
      step(i + 1)
      evaluate(i + 1, value)
    }
    t.equal(positionOf(kept()!).step, 2, name)
    t.equal(modelOf(kept()!).arrays[0]!.values[0], 2)
  }
  t.end()
})

t.test('nothing is kept of what is not a number; an evaluation of other parameters is an error', (t) => {
  const { step, evaluate, kept, error } = keeping(t, 'test_cost', 'lower')
  step(1)
  evaluate(1, Number.NaN)
  t.equal(kept(), undefined)
  step(2)
  evaluate(1, 3)
  t.match(error(), { message: 'the parameters of step 1 are gone: do both inputs come from one model?' })
  t.end()
})

t.test('a metric that does not say which direction is better is an error, and nothing is kept', async (t) => {
  const inputs = { parameters: [parametersTable([[1]], [0], at(1))], metrics: [metricsTable(at(1), { f1: 0.5 })] }
  const { directory, tables } = openStage(t, '- use: sink/best\n  with: { monitor: f1 }', inputs)
  t.match(await errorOf(tables.forEach(() => {})), [
    'DATA',
    /^the metric "f1" does not say whether higher or lower is better; the stage that makes it must: metricsTable\(/,
  ])
  t.notOk(existsSync(join(directory, 'best.arrow')))
})

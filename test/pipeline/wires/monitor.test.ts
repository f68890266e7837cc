import t from 'tap'
import type { Facts } from '../../../dist/pipeline/stage-kit.js'
import { metricsTable } from '../../../dist/pipeline/wires/metrics.js'
import { checkMetric, directionOf, metricOf } from '../../../dist/pipeline/wires/monitor.js'

const position = { epoch: 1, step: 1, epochs: 1, steps: 1 }

function problem(name: string, facts?: Facts): string | undefined {
  let found: string | undefined
  checkMetric(name, facts, (message) => {
    found = message
  })
  return found
}

t.test('a metric is looked for among those that will be computed', (t) => {
  const facts = { splits: ['train', 'test'], metrics: ['train_cost', 'test_cost', 'f1'] }
  for (const name of facts.metrics) t.equal(problem(name, facts), undefined, name)
  t.equal(problem('test_cots', facts), 'no metric named "test_cots" is computed; did you mean "test_cost"?')
  t.equal(problem('train_f1', facts), 'no metric named "train_f1" is computed; metrics: train_cost, test_cost, f1')
  t.equal(problem('x', { metrics: [] }), 'no metric named "x" is computed')
  t.end()
})

t.test('if the metrics are not known, their splits are; if nothing is known, any name may be right', (t) => {
  const facts = { splits: ['train', 'test'] }
  t.equal(problem('test_f1', facts), undefined)
  t.equal(
    problem('validation_f1', facts),
    '"validation_f1" is no metric of the splits that are evaluated: train and test',
  )
  t.equal(problem('anything', {}), undefined)
  t.equal(problem('anything'), undefined)
  t.end()
})

t.test('the value and the direction of a metric, and what is said if there is none', (t) => {
  const table = metricsTable(
    position,
    { f1: 0.5, cost: 2, time: 3 },
    {
      f1: { name: 'f1', title: 'F1', better: 'higher' },
      cost: { name: 'cost', title: 'cost', better: 'lower' },
      time: { name: 'time', title: 'seconds' },
    },
  )
  const row = { epoch: 1, step: 1, f1: 0.5, cost: Number.NaN }
  t.equal(metricOf(row, 'f1'), 0.5)
  t.ok(Number.isNaN(metricOf(row, 'cost')))
  t.throws(() => metricOf(row, 'f2'), { code: 'DATA', message: 'no metric named "f2" arrived; there are f1 and cost' })
  t.equal(directionOf(table, 'f1'), 'higher')
  t.equal(directionOf(table, 'cost'), 'lower')
  for (const name of ['time', 'other'])
    t.throws(() => directionOf(table, name), {
      code: 'DATA',
      message: `the metric "${name}" does not say whether higher or lower is better; the stage that makes it must: metricsTable(position, values, { ${name}: { name, title, better: 'higher' } })`,
    })
  t.end()
})

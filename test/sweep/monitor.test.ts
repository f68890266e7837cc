import t from 'tap'
import type { ColumnInfos } from '../../dist/pipeline/wires/metric-info.js'
import { columnInfosOf } from '../../dist/pipeline/wires/metric-info.js'
import { compareValues, defaultMonitor, directionOf, formatMonitored } from '../../dist/sweep/monitor.js'

const byName = (...columns: string[]): ColumnInfos => columnInfosOf(columns, undefined)
const f1 = { split: 'validation', name: 'f1', title: 'F1', unit: 'share', better: 'higher' } as const
const withF1: ColumnInfos = new Map([...byName('train_loss', 'eta'), ['validation_f1', f1]])

t.test('the default monitor is accuracy before loss, of validation before test before train', (t) => {
  t.equal(defaultMonitor(byName('train_loss', 'test_accuracy', 'validation_loss')), 'validation_loss')
  t.equal(defaultMonitor(byName('train_loss', 'validation_loss', 'validation_accuracy')), 'validation_accuracy')
  t.equal(defaultMonitor(byName('a_cost', 'b_cost', 'eta')), 'b_cost', 'else the last with a direction')
  t.equal(defaultMonitor(new Map([['validation_f1', f1]])), 'validation_f1')
  t.equal(defaultMonitor(byName('eta', 'validation_f1')), undefined)
  t.end()
})

t.test('the direction is that of the metadata; a metric without one is an error that names others', (t) => {
  t.equal(directionOf('validation_f1', withF1), 'higher')
  t.equal(directionOf('train_loss', withF1), 'lower')
  t.throws(() => directionOf('eta', withF1), {
    code: 'ARGUMENTS',
    message:
      'the metric "eta" does not say whether higher or lower is better; choose train_loss or validation_f1, ' +
      'or let the stage that makes it say so (better: higher or lower)',
  })
  t.throws(() => directionOf('f1', byName('f1')), {
    message:
      'the metric "f1" does not say whether higher or lower is better; ' +
      'let the stage that makes it say so (better: higher or lower)',
  })
  t.throws(() => directionOf('validation_f2', withF1), {
    message: 'no metric named "validation_f2"; did you mean "validation_f1"?',
  })
  t.end()
})

t.test('values are compared by direction', (t) => {
  t.strictSame(
    [3, 1, Infinity, 2].sort((a, b) => compareValues('lower', a, b)),
    [1, 2, 3, Infinity],
  )
  t.strictSame(
    [3, 1, Infinity, 2].sort((a, b) => compareValues('higher', a, b)),
    [Infinity, 3, 2, 1],
  )
  t.end()
})

t.test('the monitored value is shown in per cent if it is a share', (t) => {
  const outcome = {
    key: 'a',
    status: 'done',
    seconds: 1,
    final: { epoch: 1, step: 1, validation_f1: 0.5, train_loss: 1.23456789 },
  } as const
  t.equal(formatMonitored(undefined, outcome, new Map([['validation_f1', f1]])), 'validation_f1 50.00 %')
  t.equal(formatMonitored('train_loss', outcome, withF1), 'train_loss 1.2346')
  t.equal(formatMonitored('other', outcome, withF1), undefined)
  t.end()
})

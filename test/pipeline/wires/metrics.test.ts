import { tableFromIPC, tableToIPC } from 'apache-arrow'
import t from 'tap'
import { isBetter } from '../../../dist/pipeline/wires/metric-info.js'
import { metricInfosOf, metricsRows, metricsTable } from '../../../dist/pipeline/wires/metrics.js'
import { positionOf } from '../../../dist/pipeline/wires/position.js'
import { storedMetricInfos } from '../../../dist/pipeline/wires/stored-metric-infos.js'

const position = { epoch: 2, step: 7, epochs: 3, steps: 5 }
const metrics = { train_loss: 0.1 + 0.2, train_cost: Number.POSITIVE_INFINITY, test_loss: Number.NaN, tiny: 5e-324 }
const row = { epoch: 2, step: 7, ...metrics }

t.test('metrics keep every digit, their order and their position, through a file too', async (t) => {
  const table = metricsTable(position, metrics)
  for (const each of [table, tableFromIPC(tableToIPC(table, 'file'))]) {
    t.strictSame(metricsRows(each), [row])
    t.strictSame(Object.keys(metricsRows(each)[0]!), Object.keys(row))
    t.strictSame(positionOf(each), position)
    t.equal(each.schema.metadata.get('wire'), 'metrics')
  }
  t.ok(table.schema.fields.every((field) => !field.nullable))
})

t.test('everybody gets the same rows', async (t) => {
  const table = metricsTable(position, metrics)
  const read = tableFromIPC(tableToIPC(table, 'file'))
  for (const each of [table, read]) t.equal(metricsRows(each), metricsRows(each))
})

t.test('tables that follow each other are rows of one', async (t) => {
  const [a, b] = [1, 2].map((step) => metricsTable({ ...position, step }, { loss: step }))
  t.strictSame(metricsRows(a!.concat(b!)), [
    { epoch: 2, step: 1, loss: 1 },
    { epoch: 2, step: 2, loss: 2 },
  ])
})

const infos = {
  train_loss: { split: 'train', name: 'loss', title: 'cross-entropy', unit: 'nats', better: 'lower' },
  f1: { name: 'f1', title: 'F1, "macro"', unit: 'share', better: 'higher' },
  rows: { name: 'rows', title: 'Zeilen, gezählt' },
} as const
const values = { train_loss: 1, f1: 0.5, rows: 3, silent: 4 }

t.test('what the columns say about themselves stands in their metadata, through a file and a stream too', async (t) => {
  const table = metricsTable(position, values, infos)
  t.equal(metricInfosOf(table), infos, 'the very objects it was made with')
  for (const kind of ['file', 'stream'] as const) {
    const read = tableFromIPC(tableToIPC(table, kind))
    t.strictSame(metricInfosOf(read), infos)
    t.equal(metricInfosOf(read), metricInfosOf(read))
    t.strictSame(
      read.schema.fields.map(({ name, metadata }) => [name, Object.fromEntries(metadata)]),
      [
        ['epoch', {}],
        ['step', {}],
        ['train_loss', infos.train_loss],
        ['f1', infos.f1],
        ['rows', infos.rows],
        ['silent', {}],
      ],
    )
    t.strictSame(metricsRows(read), [{ epoch: 2, step: 7, ...values }])
  }
  t.strictSame(metricInfosOf(metricsTable(position, values)), {})
})

t.test('the same is checked when it is read from run.json', async (t) => {
  t.strictSame(storedMetricInfos.parse(JSON.parse(JSON.stringify(infos))), infos)
  t.strictSame(storedMetricInfos.parse({}), {})
  for (const wrong of [{ a: { name: 'a' } }, { a: { name: 'a', title: 'a', better: 'up' } }, { a: 'b' }, []])
    t.notOk(storedMetricInfos.safeParse(wrong).success, JSON.stringify(wrong))
})

t.test('isBetter compares in the direction it is given, by more than the margin; NaN is never better', async (t) => {
  const none = undefined
  const { NaN: nan, POSITIVE_INFINITY: infinity } = Number
  for (const [better, value, best, margin, expected] of [
    ['higher', 2, 1, 0, true],
    ['higher', 1, 1, 0, false],
    ['higher', 1, 2, 0, false],
    ['lower', 1, 2, 0, true],
    ['lower', 1, 1, 0, false],
    ['lower', 2, 1, 0, false],
    ['higher', 1.5, 1, 0.5, false],
    ['higher', 1.75, 1, 0.5, true],
    ['lower', 0.5, 1, 0.5, false],
    ['lower', 0.25, 1, 0.5, true],
    ['higher', -5, none, 9, true],
    ['lower', infinity, none, 0, true],
    ['lower', 1e300, infinity, 0, true],
    ['higher', infinity, 1e300, 0, true],
    ['lower', nan, none, 0, false],
    ['higher', nan, 1, 0, false],
  ] as const)
    t.equal(isBetter(better, value, best, margin), expected, `${value} against ${best}, ${better}, ${margin}`)
  t.ok(isBetter('higher', 2, 1), 'without a margin')
})

t.test('a step that its column cannot hold is an error, not a negative number', async (t) => {
  const at = (step: number) => metricsTable({ epoch: 1, step, epochs: 1, steps: step }, { loss: 1 })
  t.equal(
    at(2 ** 31 - 1)
      .getChild('step')!
      .get(0),
    2147483647,
  )
  t.throws(() => at(2 ** 31).getChild('step'), { message: /^step is 2147483648: / })
  t.equal(metricsRows(at(2 ** 31))[0]!.step, 2 ** 31, 'rows have no such limit')
})

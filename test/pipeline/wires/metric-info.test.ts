import t from 'tap'
import { columnInfosOf, mergeMetricInfos, metricInfoByName } from '../../../dist/pipeline/wires/metric-info.js'
import type { MetricInfo } from '../../../dist/pipeline/wires/metrics.js'
import { storedMetricInfos } from '../../../dist/pipeline/wires/stored-metric-infos.js'

const f1: MetricInfo = { split: 'validation', name: 'f1', title: 'F1', unit: 'share', better: 'higher' }

t.test('without metadata, names tell accuracy, loss and cost; of others nothing is known', (t) => {
  t.strictSame(metricInfoByName('train_accuracy'), {
    split: 'train',
    name: 'accuracy',
    title: 'accuracy',
    unit: 'share',
    better: 'higher',
  })
  t.strictSame(metricInfoByName('my_split_loss'), { split: 'my_split', name: 'loss', title: 'loss', better: 'lower' })
  t.strictSame(metricInfoByName('cost'), { name: 'cost', title: 'cost', better: 'lower' })
  t.strictSame(metricInfoByName('topaccuracy'), {
    name: 'topaccuracy',
    title: 'topaccuracy',
    unit: 'share',
    better: 'higher',
  })
  t.strictSame(metricInfoByName('validation_f1'), { name: 'validation_f1', title: 'validation f1' })
  t.strictSame(metricInfoByName('eta'), { name: 'eta', title: 'eta' })
  t.end()
})

t.test('with metadata, nothing is read from names', (t) => {
  const columns = ['epoch', 'step', 'validation_f1', 'train_accuracy', 'toString']
  t.strictSame(
    [...columnInfosOf(columns, { validation_f1: f1 })],
    [
      ['validation_f1', f1],
      ['train_accuracy', { name: 'train_accuracy', title: 'train accuracy' }],
      ['toString', { name: 'toString', title: 'toString' }],
    ],
  )
  t.strictSame([...columnInfosOf(columns, undefined).keys()], ['validation_f1', 'train_accuracy', 'toString'])
  t.end()
})

t.test('the stored form is checked', (t) => {
  t.strictSame(storedMetricInfos.parse({ validation_f1: { ...f1, added: 'later' } }), { validation_f1: f1 })
  t.throws(() => storedMetricInfos.parse({ a: { name: 'a', title: 'a', better: 'up' } }))
  t.end()
})

t.test('merged metadata has the first direction; two that contradict each other leave none', (t) => {
  const unknown = { name: 'a', title: 'a' }
  const merged = (...all: MetricInfo[]) => mergeMetricInfos(all.map((info) => new Map([['a', info]]))).get('a')
  t.strictSame(merged(unknown, f1, { ...f1, title: 'other' }), f1)
  t.strictSame(merged(unknown, { name: 'a', title: 'b' }), unknown)
  const { better: _, ...neither } = f1
  t.strictSame(merged(f1, { ...f1, better: 'lower' }, f1), neither)
  t.end()
})

import t from 'tap'
import { overall, reportOf } from '../../dist/report/index.js'
import { type Given, published, runFiles } from './runs.js'

const cost = (more: string): string => published(`train_cost: { ${more} }`)

const network =
  'use: gradient-step/network, with: { hidden: [50, 20], batchNorm: true, eta: { cyclical: { min: 0, max: 1, halfCycle: 5 } } }'
const hidden = 'parameters: { hidden: [50, 20], batchNorm: true, halfCycle: 5, epochs: 2 }'

/** The final training cost is 1.6. */
const cases: readonly [title: string, given: Given, verdict: string, note?: RegExp][] = [
  ['a number within the tolerance is reproduced', { published: cost('value: 1.59, tolerance: 0.02') }, 'reproduced'],
  ['a number beyond the tolerance differs', { published: cost('value: 1.5, tolerance: 0.02') }, 'differs'],
  [
    'a misprint is held against what it should have been, and says so',
    { published: cost('value: 0.39, corrected: 1.6, tolerance: 0.02, note: a misprint') },
    'reproduced',
    /^a misprint$/,
  ],
  [
    'without a tolerance there is no verdict',
    { published: cost('value: 1.6') },
    'no verdict',
    /^no verdict: no tolerance is given$/,
  ],
  [
    'a metric that the run lacks has no verdict',
    { published: published('validation_cost: { value: 1.6, tolerance: 1 }') },
    'no verdict',
    /^no verdict: the run has no such metric$/,
  ],
  [
    'a run that failed has no verdict, however near it came',
    { published: cost('value: 1.6, tolerance: 1'), status: 'failed' },
    'no verdict',
    /^no verdict: the run did not reach its end$/,
  ],
  [
    'a run with other parameters than the published has no verdict',
    { published: published('parameters: { eta: 0.01, batchSize: 100 }', 'train_cost: { value: 1.6, tolerance: 1 }') },
    'no verdict',
    /^no verdict: it was published for eta 0.01, this run has 0.1$/,
  ],
  [
    'settings inside of others, lists and switches of the training stage are compared, too',
    { training: network, published: published(hidden, 'train_cost: { value: 1.6, tolerance: 1 }') },
    'reproduced',
  ],
  [
    'a network of another shape has no verdict',
    { training: network, published: published(hidden.replace('20', '30'), 'train_cost: { value: 1.6, tolerance: 1 }') },
    'no verdict',
    /^no verdict: it was published for hidden \[50,30\], this run has \[50,20\]$/,
  ],
  [
    'a number that is not finite differs',
    { published: cost('value: 1.6, tolerance: 1'), metrics: ['epoch,step,train_cost', '1,10,NaN'] },
    'differs',
  ],
]
for (const [title, given, verdict, note] of cases)
  t.test(title, (t) => {
    const [comparison] = reportOf([runFiles(t, given)]).experiments[0]!.comparisons
    t.equal(comparison!.verdict, verdict)
    if (note) t.match(comparison!.notes.join('\n'), note)
    else t.same(comparison!.notes, [])
    t.end()
  })

t.test('of several seeds, the mean is held against the published number', (t) => {
  const given = { published: cost('value: 2, tolerance: 0.1') }
  const runs = [1.8, 2.2].map((value, seed) =>
    runFiles(t, { ...given, seed, metrics: ['epoch,step,train_cost', `1,10,${value}`] }),
  )
  const [experiment] = reportOf(runs).experiments
  t.equal(experiment!.comparisons[0]!.verdict, 'reproduced')
  t.equal(experiment!.final.get('train_cost')!.mean, 2)
  t.ok(Math.abs(experiment!.final.get('train_cost')!.deviation! - Math.sqrt(0.08)) < 1e-12, 'over n − 1')
  t.end()
})

t.test('a seed that failed does not count, and the others do', (t) => {
  const runs = [
    runFiles(t, { seed: 1 }),
    runFiles(t, { seed: 2, status: 'failed', metrics: ['epoch,step,train_cost', '1,10,99'] }),
  ]
  const [experiment] = reportOf(runs).experiments
  t.same(experiment!.final.get('train_cost'), { mean: 1.6, deviation: undefined, count: 1 })
  t.end()
})

t.test('one number that differs decides over all; none that can be judged gives no verdict', (t) => {
  const verdictOf = (...lines: string[]) =>
    overall(reportOf([runFiles(t, { published: published(...lines) })]).experiments[0]!.comparisons)
  const [near, far, open] = ['value: 1.6, tolerance: 0.1', 'value: 9, tolerance: 0.1', 'value: 9']
  t.equal(verdictOf(`train_cost: { ${near} }`, `test_cost: { ${far} }`), 'differs')
  t.equal(verdictOf(`train_cost: { ${near} }`, `test_cost: { ${open} }`), 'reproduced')
  t.equal(verdictOf(`train_cost: { ${open} }`), 'no verdict')
  t.equal(overall([]), undefined)
  t.end()
})

t.test('there is no verdict if a model that has learned nothing would be within the tolerance', (t) => {
  const better = 'lower' as const
  const metricInfos = { train_cost: { split: 'train', name: 'cost', title: 'cost', unit: 'nats', better } }
  const compared = (given: string, classes: number) => {
    const run = runFiles(t, { published: cost(given), metricInfos })
    const record = { ...run.record, examples: { load: { classes: new Array(classes).fill('x'), splits: [] } } }
    return reportOf([{ ...run, record }]).experiments[0]!.comparisons[0]!
  }
  const wide = compared('value: 2, tolerance: 1', 10)
  t.equal(wide.verdict, 'no verdict')
  t.match(wide.notes.join(), 'a model that has learned nothing (2.303) is within the tolerance, too')
  t.equal(compared('value: 1.6, tolerance: 0.1', 10).verdict, 'reproduced')
  t.equal(compared('value: 1.6, tolerance: 1', 0).verdict, 'reproduced', 'the classes are not known')
  t.end()
})

import t from 'tap'
import { reportOf } from '../../dist/report/index.js'
import { runFiles } from './runs.js'

t.test('runs that differ in their seed alone are one experiment', (t) => {
  const report = reportOf([runFiles(t, { seed: 1 }), runFiles(t, { seed: 2 }), runFiles(t, { name: 'b' })])
  t.same(
    report.experiments.map(({ label, runs }) => [label, runs.length]),
    [
      ['a', 2],
      ['b', 1],
    ],
  )
  t.equal(report.title, '2 experiments')
  t.end()
})

t.test('experiments of one name are told apart by what differs', (t) => {
  const labels = (...given: Parameters<typeof runFiles>[1][]) =>
    reportOf(given.map((each) => runFiles(t, each))).experiments.map(({ label }) => label)
  t.same(labels({ eta: 0.1 }, { eta: 0.2, lambda: 1 }), ['a, lambda 0, eta 0.1', 'a, lambda 1, eta 0.2'])
  t.same(labels({}, { published: 'published: { source: x }' }), ['a', 'a (2)'])
  t.end()
})

t.test('splits are those of the metrics, in their order', (t) => {
  t.same(reportOf([runFiles(t)]).splits, ['train', 'test'])
  t.same(reportOf([runFiles(t, { metrics: [] })]).splits, [])
  t.end()
})

t.test('a run that only checked gradients is no experiment', (t) => {
  const report = reportOf([
    runFiles(t),
    runFiles(t, { metrics: [], files: { 'gradient-check.csv': 'gradient,verdict\nstep,pass\n' } }),
  ])
  t.equal(report.experiments.length, 1)
  t.equal(report.checks.length, 1)
  t.end()
})

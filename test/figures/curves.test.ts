import t from 'tap'
import { panelsOf } from '../../dist/figures/curve-panels.js'
import { curvesFigure, cutRuns } from '../../dist/figures/curves.js'
import type { MetricsRow } from '../../dist/index.js'
import type { MetricInfo } from '../../dist/pipeline/wires/metrics.js'

const row = (epoch: number, more: Record<string, number> = {}, step = 10 * epoch): MetricsRow => ({
  epoch,
  step,
  train_loss: 2 / epoch,
  train_cost: 2 / epoch + 0.5,
  train_accuracy: 1 - 1 / (epoch + 1),
  test_loss: 3 / epoch,
  test_cost: 3 / epoch + 0.5,
  test_accuracy: 0.9 - 1 / (epoch + 1),
  ...more,
})
const rows = Array.from({ length: 20 }, (_, i) => row(i + 1))
const without = (rows: MetricsRow[], pattern: RegExp) =>
  rows.map((row) => Object.fromEntries(Object.entries(row).filter(([name]) => !pattern.test(name))) as MetricsRow)
/** The titles of the panels. */
const titles = (svg: string) =>
  [...svg.matchAll(/>([^<]*)<\/text>/g)]
    .map(([, text]) => text!)
    .filter((text) => /^(Cost|Loss|Accuracy|Generalisation|Learning|F1|Squared)/.test(text))
/** How many lines are drawn. */
const lines = (svg: string) => [...svg.matchAll(/class="mark-line[^"]*"[^>]*><path/g)].length

t.test('a run has a panel for cost, loss, accuracy and gap, and eta where it is known', async (t) => {
  t.strictSame(titles(await curvesFigure([{ name: 'a', rows }])), [
    'Cost',
    'Loss',
    'Accuracy',
    'Generalisation gap in loss',
  ])
  const eta = rows.map((row) => ({ ...row, eta: 0.1 }))
  t.ok(titles(await curvesFigure([{ name: 'a', rows: eta }])).includes('Learning rate eta'))
  const unpenalised = rows.map((row) => ({ ...row, train_cost: row.train_loss!, test_cost: row.test_loss! }))
  t.strictSame(titles(await curvesFigure([{ name: 'a', rows: unpenalised }])).slice(0, 2), [
    'Loss, which is the cost',
    'Accuracy',
  ])
  t.strictSame(
    titles(await curvesFigure([{ name: 'a', rows: without(rows, /^test/) }])),
    ['Cost', 'Loss', 'Accuracy'],
    'no gap without another split',
  )
  t.strictSame(titles(await curvesFigure([{ name: 'a', rows }], { scale: 'log', splits: ['test'] })).slice(0, 2), [
    'Cost (logarithmic)',
    'Loss (logarithmic)',
  ])
})

t.test('a run of very many evaluations is drawn', async (t) => {
  const long = Array.from({ length: 130_000 }, (_, i) => ({ epoch: i + 1, step: i + 1, test_loss: 0.5 }))
  t.equal(lines(await curvesFigure([{ name: 'a', rows: long }])), 1)
})

t.test('several runs are overlaid by name', async (t) => {
  const svg = await curvesFigure([
    { name: 'first', rows },
    { name: 'second <&>', rows: rows.map((row) => ({ ...row, train_loss: 1 })) },
  ])
  for (const name of ['first', 'second &lt;&amp;&gt;', 'train', 'test']) t.match(svg, `>${name}</text>`)
  t.ok(lines(svg) >= 4)
})

t.test('it stands up to little and to odd data', async (t) => {
  t.match(await curvesFigure([{ name: 'a', rows: [row(1)] }]), '>Cost</text>', 'one epoch')
  const odd = rows.map((row, i) => ({ ...row, train_loss: [Infinity, Number.NaN, 0, -1][i] ?? row.train_loss! }))
  for (const scale of ['linear', 'log'] as const) {
    const svg = await curvesFigure([{ name: 'a', rows: odd }], { scale })
    t.notMatch(svg, /NaN|Infinity|undefined/, scale)
  }
  const dense = [1, 2, 3].map((step) => row(1, {}, step))
  t.match(await curvesFigure([{ name: 'a', rows: dense }]), '>step</text>', 'several evaluations within an epoch')
  await t.rejects(curvesFigure([]), new RangeError('there is no evaluation to draw'))
  await t.rejects(curvesFigure([{ name: 'a', rows: [] }]), new RangeError('there is no evaluation to draw'))
})

t.test('the same metrics are the same text, also drawn at the same time', async (t) => {
  const draw = () => curvesFigure([{ name: 'a', rows }], { title: 'T' })
  const [one, two] = await Promise.all([draw(), draw()])
  t.equal(one, two)
  t.equal(await draw(), one)
})

t.test('every metric of a split has a panel, with the title and the unit of its metadata', async (t) => {
  const splits = ['train', 'test']
  const f1 = { name: 'f1', title: 'F1 of the classes', unit: 'share', better: 'higher' } as const
  const error = { name: 'error', title: 'squared error', unit: 'kg', better: 'lower' } as const
  const metricInfos = new Map<string, MetricInfo>(
    splits.flatMap((split) => [
      [`${split}_f1`, { split, ...f1 }] as const,
      [`e_${split}`, { split, ...error }] as const,
    ]),
  )
  const own = rows.map(({ epoch, step }) => ({
    ...{ epoch, step, train_f1: 1 - 1 / epoch, test_f1: 0.9 - 1 / epoch },
    ...{ e_train: 2 / epoch, e_test: 3 / epoch, train_loss: 1 },
  }))
  const series = [{ name: 'a', rows: own }]
  const linear = await curvesFigure(series, { metricInfos })
  t.strictSame(titles(linear), ['F1 of the classes', 'Squared error'])
  t.equal(lines(linear), 4)
  t.match(linear, />\d+%<\/text>/)
  t.strictSame(titles(await curvesFigure(series, { metricInfos, scale: 'log' })), [
    'F1 of the classes',
    'Squared error (logarithmic)',
  ])
  t.strictSame(titles(await curvesFigure([{ name: 'a', rows: without(rows, /loss|accuracy/) }])), ['Cost'])
})

t.test('several seeds are a mean and a band', async (t) => {
  const losses = (...values: number[]) => values.map((train_loss, i) => ({ epoch: i + 1, step: i + 1, train_loss }))
  const series = [{ name: 'a', rows: losses(1, 4), otherSeeds: [losses(3, 8), losses(5)] }]
  const infos = new Map([['train_loss', { name: 'loss', split: 'train', title: 'loss' } as MetricInfo]])
  const [{ points } = { points: [] }] = panelsOf(series, infos, ['train'], 'linear').filter(
    (panel) => panel.points.length > 0,
  )
  t.match(points, [
    { x: 1, y: 3, low: 1, high: 5 },
    { x: 2, y: 6, low: 4, high: 8 },
  ])
  t.match(await curvesFigure(series), 'mark-area')
  t.notMatch(await curvesFigure([{ name: 'a', rows: losses(1, 4) }]), 'mark-area')
})

t.test('a chaotic run is cut if that is asked for, and its panel says so', async (t) => {
  const series = [1, 1.1, 40].map((factor, i) => ({
    name: `run ${i}`,
    rows: without(rows, /cost|accuracy|test/).map((row) => ({ ...row, train_loss: factor / row.epoch })),
  }))
  t.match(await curvesFigure(series, { cut: true }), '▲ run 2 up to 40')
  t.strictSame(cutRuns(series, {}), ['run 2'])
  t.notMatch(await curvesFigure(series), '▲')
})

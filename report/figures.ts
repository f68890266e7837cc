import { curvesFigure } from '../figures/index.js'
import { listed } from '../pipeline/base/words.js'
import type { MetricsRow } from '../pipeline/wires/metrics.js'
import { dataTable, sheetTable } from './data-table.js'
import { type Html, html } from './html.js'
import { image, svgData } from './image.js'
import { curveRows, type Experiment, type Report } from './model.js'
import type { Figure } from './read.js'
import { cost, formatMetric, percent } from './tables.js'

/** Above this ratio of largest to smallest cost, the small ones need a logarithmic axis to be seen. */
const LOGARITHMIC = 4

/**
 * Curves of all experiments over each other. Of several, cost and loss are drawn for what was learned from and chosen
 * by, accuracy for `test`, as more lines could not be told apart.
 */
export async function comparisonFigures({ experiments, splits }: Report): Promise<Html | undefined> {
  const series = experiments
    .map((experiment) => ({ name: experiment.label, rows: curveRows(experiment), experiment }))
    .filter(({ rows }) => rows.length > 0 && splits.length > 0)
  if (series.length === 0) return undefined
  const seeds = series.some(({ experiment }) => experiment.runs.length > 1)
  const whose = seeds ? ' Of several seeds, the first is drawn.' : ''
  if (series.length === 1) return curves(series, splits, `Per evaluation, on ${splits.join(', ')}.${whose}`)
  const judged = splits.includes('test') && splits.length > 1 ? 'test' : undefined
  const rows = judged
    ? restricted(series, (metric) => metric.startsWith(`${judged}_`) === metric.endsWith('_accuracy'))
    : series
  const caption = judged
    ? `Cost and loss on ${listed(
        splits.filter((split) => split !== judged),
        'and',
      )}, accuracy on ${judged}.`
    : 'Per evaluation.'
  return curves(rows, splits, `${caption}${whose}`)
}

interface Series {
  readonly name: string
  readonly rows: readonly MetricsRow[]
}

function restricted(series: readonly Series[], isShown: (metric: string) => boolean): Series[] {
  return series.map(({ name, rows }) => ({
    name,
    rows: rows.map((row) => {
      const kept = Object.entries(row).filter(([name]) => /^(epoch|step)$/.test(name) || isShown(name))
      return Object.fromEntries(kept) as MetricsRow
    }),
  }))
}

/** In one column for narrow screens, in two for others. */
async function curves(
  series: readonly Series[],
  splits: readonly string[],
  caption: string,
): Promise<Html | undefined> {
  const drawn = series.filter(({ rows }) => rows.some((row) => numbersOf(row, splits).length > 0))
  if (drawn.length === 0) return undefined
  const options = { splits, scale: scaleOf(drawn, splits) } as const
  const wide = await curvesFigure(drawn, options)
  const narrow = await curvesFigure(drawn, { ...options, columns: 1 })
  const scale = options.scale === 'log' ? ' Costs are on a logarithmic axis.' : ''
  return html`<figure class="wide"><picture><source media="(max-width: 45rem)" srcset="${svgData(narrow)}">
<img src="${svgData(wide)}" alt="${curvesAlt(drawn, splits)}"></picture>
<figcaption>${caption}${scale}</figcaption></figure>`
}

function numbersOf(row: MetricsRow, splits: readonly string[]): [name: string, value: number][] {
  return Object.entries(row).filter(
    ([name, value]) => splits.some((split) => name.startsWith(`${split}_`)) && Number.isFinite(value),
  )
}

function scaleOf(series: readonly Series[], splits: readonly string[]): 'log' | 'linear' {
  let [low, high] = [Number.POSITIVE_INFINITY, 0]
  for (const { rows } of series)
    for (const row of rows)
      for (const [name, value] of numbersOf(row, splits))
        if (/_(loss|cost)$/.test(name)) [low, high] = [Math.min(low, value), Math.max(high, value)]
  return low > 0 && high / low > LOGARITHMIC ? 'log' : 'linear'
}

/** What the curves start and end at, in words. */
function curvesAlt(series: readonly Series[], splits: readonly string[]): string {
  const word = (name: string, value: number | undefined): string =>
    value === undefined ? 'nothing' : name.endsWith('accuracy') ? percent(value) : cost(value)
  const told = series.map(({ name, rows }) => {
    const [first, last] = [rows[0]!, rows.at(-1)!]
    const ends = numbersOf(last, splits)
      .filter(([metric]) => !metric.endsWith('_loss'))
      .map(([metric, value]) => `${formatMetric(metric)} from ${word(metric, first[metric])} to ${word(metric, value)}`)
    return `${name}: ${ends.join(', ')}`
  })
  return `Curves over epochs ${series[0]!.rows[0]!.epoch} to ${Math.max(...series.map(({ rows }) => rows.at(-1)!.epoch))}. ${told.join('. ')}.`
}

const captions = new Map([
  ['weights', 'Templates: the weights of each class, as an image where examples are images.'],
  ['weights-epochs', 'How the templates formed.'],
  ['confusion', 'Confusion matrix: which class was taken for which.'],
  ['predictions', 'The examples the model is most sure about: wrong, then right.'],
])
const order = [...captions.keys()]

/** The figures that lie in the run directory; of several runs, those of the first that has any. */
export function experimentFigures({ label, runs }: Experiment): Html {
  const run = runs.find(({ figures }) => figures.length > 0) ?? runs[0]!
  const place = ({ name }: Figure): number => (order.includes(name) ? order.indexOf(name) : order.length)
  const figures = run.figures
    .filter(({ name }) => !name.startsWith('curves') && !name.startsWith('gradient-check'))
    .sort((a, b) => place(a) - place(b))
  if (figures.length === 0) return html`<p class="muted">No figures lie in its run directory.</p>`
  const seed = runs.length > 1 ? ` Seed ${run.record.seed}.` : ''
  return html`<div class="figures">${figures.map((figure) => {
    const { name } = figure
    const caption = captions.get(name) ?? `${name}.`
    return html`
<figure${name !== 'weights' && name !== 'confusion' && html` class="sheet"`}>${image(figure, `${label}: ${caption}`)}<figcaption>${caption}${seed}</figcaption>
${name === 'confusion' && run.confusion && html`<details><summary>The matrix as a table</summary>${dataTable(sheetTable('confusion', `Confusion matrix of ${label}`, run.confusion))}</details>`}</figure>`
  })}</div>`
}

import { type CurveSeries, curvesFigure, cutRuns } from '../figures/index.js'
import { listed } from '../pipeline/base/words.js'
import type { ColumnInfos } from '../pipeline/wires/metric-info.js'
import type { MetricInfo, MetricsRow } from '../pipeline/wires/metrics.js'
import { dataTable, sheetTable } from './data-table.js'
import { type Html, html } from './html.js'
import { image, svgData } from './image.js'
import { formatMetric, formatterOf } from './metric-format.js'
import { curveRows, type Experiment, type Report } from './model.js'
import type { Figure } from './stored-figures.js'

/** From this ratio of the largest to the smallest cost on, small costs need a logarithmic axis to be visible. */
const LOGARITHMIC = 4

/**
 * Draws the curves of all experiments together. One experiment has every metric of every split. Of several experiments,
 * the split `test` has only the metrics of which higher values are better (accuracy), and the other splits have only
 * the other metrics (cost and loss): more lines could not be told apart. Returns undefined if there is nothing to draw.
 */
export async function comparisonFigures({ experiments, metricInfos, splits }: Report): Promise<Html | undefined> {
  if (splits.length === 0) return undefined
  const series = experiments.flatMap((experiment): CurveSeries[] => {
    const [rows, ...otherSeeds] = curveRows(experiment)
    return rows ? [{ name: experiment.label, rows, otherSeeds }] : []
  })
  if (series.length === 0) return undefined
  const seedNote = seedNoteOf(series)
  if (series.length === 1)
    return curves(series, metricInfos, splits, `Per evaluation, on ${splits.join(', ')}.${seedNote}`)
  if (!splits.includes('test') || splits.length === 1)
    return curves(series, metricInfos, splits, `Per evaluation.${seedNote}`)
  const shown = [...metricInfos].filter(([, { better, split }]) => (better === 'higher') === (split === 'test'))
  return curves(series, new Map(shown), splits, `${dividedCaption(new Map(shown), splits)}${seedNote}`)
}

/** What lines and bands are, if there are several seeds. */
function seedNoteOf(series: readonly CurveSeries[]): string {
  const lengths = series.map(({ rows, otherSeeds = [] }) => new Set([rows, ...otherSeeds].map(({ length }) => length)))
  if (!series.some(({ otherSeeds = [] }) => otherSeeds.length > 0)) return ''
  const which = lengths.some(({ size }) => size > 1) ? ' of those that have come so far' : ''
  return ` Of several seeds, the line is the mean${which}, the band goes from the lowest to the highest.`
}

/** `Cost and loss on train and validation, accuracy on test.` */
function dividedCaption(infos: ColumnInfos, splits: readonly string[]): string {
  const others = splits.filter((split) => split !== 'test')
  const parts = [others, ['test']].flatMap((group) => {
    const shown = [...infos.values()].filter(({ split }) => split !== undefined && group.includes(split))
    const titles = [...new Set(shown.sort((a, b) => rank(a) - rank(b)).map(({ title }) => title))]
    return titles.length > 0 ? [`${listed(titles, 'and')} on ${listed(group, 'and')}`] : []
  })
  const caption = parts.join(', ')
  return `${caption.charAt(0).toUpperCase()}${caption.slice(1)}.`
}

/** The figure has the cost before other metrics. */
function rank({ name }: MetricInfo): number {
  return name === 'cost' ? 0 : 1
}

/** More columns of metrics are not drawn: each metric has a panel, each split a curve in it. */
const MAX_COLUMNS = 300

/** Draws curves in one column for narrow screens and in two columns for others. */
async function curves(
  all: readonly CurveSeries[],
  infos: ColumnInfos,
  splits: readonly string[],
  caption: string,
): Promise<Html | undefined> {
  const metricInfos = new Map([...infos].slice(0, MAX_COLUMNS))
  const left = infos.size > MAX_COLUMNS ? ` The first ${MAX_COLUMNS} of ${infos.size} metrics are drawn.` : ''
  const series = all.filter((one) => rowsOf(one).some((row) => finiteMetrics(row, metricInfos).length > 0))
  if (series.length === 0) return undefined
  const options = { splits, metricInfos, scale: scaleOf(series, metricInfos), cut: true } as const
  const wide = await curvesFigure(series, options)
  const narrow = await curvesFigure(series, { ...options, columns: 1 })
  const scale = options.scale === 'log' ? ' Costs are on a logarithmic axis.' : ''
  const out = cutRuns(series, options)
  const cut =
    out.length > 0 &&
    ` At an arrow, ${listed(out, 'and')} leaves the panel: on a longer axis the others would look flat.`
  return html`<figure class="wide"><picture><source media="(max-width: 45rem)" srcset="${svgData(narrow, false)}">
<img src="${svgData(wide, false)}" alt="${curvesAlt(series, metricInfos)}"></picture>
<figcaption>${caption}${left}${scale}${cut}</figcaption></figure>`
}

interface MetricValue {
  readonly column: string
  readonly value: number
  readonly info: MetricInfo
}

/** The values of the metrics of splits in a row, as far as they are finite. */
function finiteMetrics(row: MetricsRow, infos: ColumnInfos): MetricValue[] {
  return Object.entries(row).flatMap(([column, value]) => {
    const info = infos.get(column)
    return info?.split !== undefined && Number.isFinite(value) ? [{ column, value, info }] : []
  })
}

function scaleOf(series: readonly CurveSeries[], infos: ColumnInfos): 'log' | 'linear' {
  let [low, high] = [Number.POSITIVE_INFINITY, 0]
  for (const one of series)
    for (const row of rowsOf(one))
      for (const { value, info } of finiteMetrics(row, infos))
        if (info.better === 'lower' && info.unit !== 'share')
          [low, high] = [Math.min(low, value), Math.max(high, value)]
  return low > 0 && high / low > LOGARITHMIC ? 'log' : 'linear'
}

/** The evaluations of all seeds. */
function rowsOf({ rows, otherSeeds = [] }: CurveSeries): readonly MetricsRow[] {
  return [rows, ...otherSeeds].flat()
}

/** Describes curves for readers who cannot see them: the first and the last value of each. */
function curvesAlt(series: readonly CurveSeries[], infos: ColumnInfos): string {
  const described = series.map(({ name, rows }) => {
    const [first, last] = [rows[0]!, rows.at(-1)!]
    const changes = finiteMetrics(last, infos)
      .filter(({ info }) => info.name !== 'loss')
      .map(({ column, value, info }) => {
        const format = formatterOf(info)
        const start = first[column]
        return `${formatMetric(info)} from ${start === undefined ? 'nothing' : format(start)} to ${format(value)}`
      })
    return `${name}: ${changes.join(', ')}`
  })
  const [start, end] = [series[0]!.rows[0]!.epoch, Math.max(...series.map(({ rows }) => rows.at(-1)!.epoch))]
  return `Curves over epochs ${start} to ${end}. ${described.join('. ')}.`
}

const captions = new Map([
  ['weights', 'Templates: the weights of each class, as an image where examples are images.'],
  ['weights-epochs', 'How the templates formed.'],
  ['confusion', 'Confusion matrix: which class was taken for which.'],
  ['predictions', 'The examples the model is most sure about: wrong, then right.'],
])
const order = [...captions.keys()]

/** Figures of more classes have the whole width, and more than that on narrow screens, where they scroll. */
const MANY_CLASSES = 24

/** Shows the figures in the run directory; of several runs, those of the first that has any. */
export function experimentFigures({ label, runs }: Experiment): Html {
  const run = runs.find(({ figures }) => figures.length > 0) ?? runs[0]!
  const place = ({ name }: Figure): number => (order.includes(name) ? order.indexOf(name) : order.length)
  const figures = run.figures
    .filter(({ name }) => !name.startsWith('curves') && !name.startsWith('gradient-check'))
    .sort((a, b) => place(a) - place(b))
  if (figures.length === 0) return html`<p class="muted">No figures lie in its run directory.</p>`
  const hasManyClasses = (run.confusion?.rows.length ?? 0) > MANY_CLASSES
  const seed = runs.length > 1 ? ` Seed ${run.record.seed}.` : ''
  return html`<div class="figures">${figures.map((figure) => {
    const { name } = figure
    const caption = captions.get(name) ?? `${name}.`
    const isOfClasses = name === 'weights' || name === 'confusion'
    const isLarge = isOfClasses && hasManyClasses
    const style = (!isOfClasses || isLarge) && html` class="sheet"`
    const matrix =
      name === 'confusion' &&
      run.confusion &&
      dataTable(sheetTable('confusion', `Confusion matrix of ${label}`, run.confusion))
    const alt = `${label}: ${caption}`
    const img = isLarge
      ? html`<div class="scroll large" tabindex="0" role="region" aria-label="${alt}">${image(figure, alt)}</div>`
      : image(figure, alt)
    return html`
<figure${style}>${img}<figcaption>${caption}${seed}</figcaption>
${matrix && html`<details><summary>The matrix as a table</summary>${matrix}</details>`}</figure>`
  })}</div>`
}

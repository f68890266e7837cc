import { dataTable, remarkList } from './data-table.js'
import { checkSection, definitionSection, environmentSection, timingSection } from './details.js'
import { comparisonFigures, experimentFigures } from './figures.js'
import { formatPage, type Section } from './frame.js'
import { type Html, html } from './html.js'
import type { Experiment, Report } from './model.js'
import { tablesOf } from './tables.js'
import { overall } from './verdict.js'

/**
 * Formats a report as one HTML file that needs no other file. The same runs give the same bytes, except for the section
 * `timings`, which has the attribute `data-varies`.
 */
export async function pageOf(report: Report): Promise<string> {
  const { experiments, checks } = report
  const sections: Section[] = [
    { id: 'results', title: 'Results', content: resultsSection(report) },
    { id: 'curves', title: 'Curves', content: await comparisonFigures(report) },
    { id: 'experiments', title: 'Experiments', content: experimentsSection(experiments) },
    { id: 'gradient-check', title: 'Gradient check', content: checkSection(checks) },
    { id: 'environment', title: 'Data and environment', content: environmentSection(report) },
    { id: 'definitions', title: 'Definitions', content: definitionSection(experiments) },
    { id: 'timings', title: 'Timings', content: timingSection(report) },
  ]
  return formatPage(report.title, summary(report), sections)
}

/** The summary: the verdicts, and runs that are not done. */
function summary({ experiments }: Report): Html {
  const compared = experiments.filter(({ comparisons }) => comparisons.length > 0)
  const sources = [...new Set(compared.map(({ published }) => published!.source))]
  const lines = compared.map(({ label, comparisons }) => {
    const verdict = overall(comparisons)!
    const count = verdict === 'no verdict' ? '' : ` (${countOf(comparisons)})`
    return html`<p><strong>${label}:</strong> ${verdictMark(verdict)}${count}</p>`
  })
  return html`${
    lines.length > 0 &&
    html`<div class="summary">${lines}
<p class="muted">Published: ${sources.join('; ')}. A number is reproduced if it differs from the published one by no more
than its tolerance. Tolerances are not published: the author of the pipeline has chosen them, in its block
<code>published</code>.</p></div>`
  }
${experiments.flatMap(notices)}`
}

/** `2 of 2 numbers, 1 of 1 corrected, 1 without a verdict`. */
function countOf(comparisons: Experiment['comparisons']): string {
  const decided = comparisons.filter(({ verdict }) => verdict !== 'no verdict')
  const parts = [false, true].flatMap((isCorrected) => {
    const some = decided.filter(({ corrected }) => (corrected !== undefined) === isCorrected)
    const reproduced = some.filter(({ verdict }) => verdict === 'reproduced').length
    return some.length > 0 ? [`${reproduced} of ${some.length} ${isCorrected ? 'corrected' : 'numbers'}`] : []
  })
  const open = comparisons.length - decided.length
  return [...parts, ...(open > 0 ? [`${open} without a verdict`] : [])].join(', ')
}

function notices({ label, runs }: Experiment): Html[] {
  return runs
    .filter(({ record }) => record.status !== 'done')
    .map(({ record }) => {
      const run = runs.length > 1 ? `${label}, seed ${record.seed}` : label
      const status = statusTexts[record.status as keyof typeof statusTexts]
      const error = record.error && `: ${record.error}`
      return html`<p class="notice" role="note"><strong>${run}</strong> ${status}${error}</p>`
    })
}

const statusTexts = {
  running: 'is still running, or was killed',
  failed: 'has failed',
  interrupted: 'was interrupted',
} as const

const marks = { reproduced: '✓', differs: '✗', 'no verdict': '–' } as const

function verdictMark(verdict: keyof typeof marks): Html {
  const mark = html`<span aria-hidden="true">${marks[verdict]} </span>`
  return html`<span class="verdict ${verdict.replace(' ', '-')}">${mark}${verdict}</span>`
}

function resultsSection(report: Report): Html {
  const tables = tablesOf(report)
  const empty = report.experiments.filter(({ final }) => final.size === 0)
  return html`${tables.map((table) => dataTable(table, ({ text, verdict }) => (verdict ? verdictMark(verdict) : text)))}
${empty.map(noResults)}`
}

function noResults({ label }: Experiment): Html {
  return html`<p class="muted">${label} has no evaluation: nothing can be said about its results.</p>`
}

function experimentsSection(experiments: readonly Experiment[]): Html | undefined {
  if (experiments.length === 0) return undefined
  return html`${experiments.map((experiment) => {
    const remarks = [...new Set(experiment.runs.flatMap(({ record, remarks }) => [...record.notes, ...remarks]))]
    return html`<article>
<h3>${experiment.label}</h3>
${writtenNotes(experiment)}
${experimentFigures(experiment)}
${remarkList(remarks)}
</article>
`
  })}`
}

/** Tags and notes that people have given to the runs of an experiment. */
function writtenNotes({ runs }: Experiment): Html[] {
  return runs.flatMap(({ record, notes: { tags, note } }) => {
    const text = [tags.join(', '), note].filter(Boolean).join(' – ')
    return text === '' ? [] : [html`<p><strong>Seed ${record.seed}:</strong> ${text}</p>`]
  })
}

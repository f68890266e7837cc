import { dataTable } from './data-table.js'
import { checkSection, definitionSection, environmentSection, timingSection } from './details.js'
import { comparisonFigures, experimentFigures } from './figures.js'
import { framed, type Section } from './frame.js'
import { type Html, html } from './html.js'
import type { Experiment, Report } from './model.js'
import { tablesOf } from './tables.js'
import { overall } from './verdict.js'

/**
 * The report as one HTML file that needs no other. The same runs give the same bytes, but for the section `timings`,
 * which has the attribute `data-varies`.
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
  return framed(report.title, summary(report), sections)
}

/** What a reader in a hurry should know: the verdict, and what did not end well. */
function summary({ experiments }: Report): Html {
  const judged = experiments.filter(({ comparisons }) => comparisons.length > 0)
  const sources = [...new Set(judged.map(({ published }) => published!.source))]
  const lines = judged.map(({ label, comparisons }) => {
    const verdict = overall(comparisons)!
    const count = comparisons.filter((each) => each.verdict === 'reproduced').length
    const counted = verdict === 'no verdict' ? '' : ` (${count} of ${comparisons.length} numbers)`
    return html`<p><strong>${label}:</strong> ${verdictMark(verdict)}${counted}</p>`
  })
  return html`${
    lines.length > 0 &&
    html`<div class="summary">${lines}
<p class="muted">Published: ${sources.join('; ')}.</p></div>`
  }
${experiments.flatMap(notices)}`
}

function notices({ label, runs }: Experiment): Html[] {
  return runs
    .filter(({ record }) => record.status !== 'done')
    .map(({ record }) => {
      const who = runs.length > 1 ? `${label}, seed ${record.seed}` : label
      const what = record.status === 'running' ? 'is still running, or was killed' : `${record.status}`
      return html`<p class="notice" role="note"><strong>${who}</strong> ${record.status === 'failed' ? 'has failed' : record.status === 'interrupted' ? 'was interrupted' : what}${record.error && `: ${record.error}`}</p>`
    })
}

const marks = { reproduced: '✓', differs: '✗', 'no verdict': '–' } as const

function verdictMark(verdict: keyof typeof marks): Html {
  return html`<span class="verdict ${verdict.replace(' ', '-')}"><span aria-hidden="true">${marks[verdict]} </span>${verdict}</span>`
}

function resultsSection(report: Report): Html {
  const tables = tablesOf(report)
  const empty = report.experiments.filter(({ final }) => final.size === 0)
  return html`${tables.map((table) => dataTable(table, ({ text, verdict }) => (verdict ? verdictMark(verdict) : text)))}
${empty.map(({ label }) => html`<p class="muted">${label} has no evaluation: nothing can be said about its results.</p>`)}`
}

function experimentsSection(experiments: readonly Experiment[]): Html | undefined {
  if (experiments.length === 0) return undefined
  return html`${experiments.map((experiment) => {
    const remarks = [...new Set(experiment.runs.flatMap(({ record, remarks }) => [...record.notes, ...remarks]))]
    return html`<article>
<h3>${experiment.label}</h3>
${experimentFigures(experiment)}
${remarks.length > 0 && html`<ul class="notes">${remarks.map((remark) => html`<li>${remark}</li>`)}</ul>`}
</article>
`
  })}`
}

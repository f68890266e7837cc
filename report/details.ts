import { basename } from 'node:path'
import { counted } from '../pipeline/base/words.js'
import { dataTable, remarkList, sheetTable } from './data-table.js'
import { type Html, html } from './html.js'
import { image } from './image.js'
import type { Experiment, Report } from './model.js'
import { changesOnTheWay } from './option-changes.js'
import type { RunFiles } from './read.js'
import type { Sheet } from './sheets.js'
import type { Cell } from './tables.js'

/** The section with the gradient checks of these runs: analytic gradients compared with differences of the cost. */
export function checkSection(runs: readonly RunFiles[]): Html | undefined {
  if (runs.length === 0) return undefined
  return html`${runs.map((run) => {
    const sheet = run.gradientCheck!
    const at = sheet.columns.indexOf('verdict')
    const wrong = sheet.rows.filter((row) => row[at] === 'fail').length
    const passed = sheet.rows.filter((row) => row[at] === 'pass').length
    const verdict =
      wrong > 0
        ? html`<strong class="failed">✗ ${wrong} of ${wrong + passed} comparisons failed.</strong>`
        : html`<strong class="reproduced">✓ All ${passed} comparisons passed.</strong>`
    const { name } = run.record
    const alt = `Error of the gradient of ${name} against the width of the difference.`
    const figures = run.figures.filter((figure) => figure.name.startsWith('gradient-check'))
    const everyWidth = sheetTable('gradient-check-all', `Gradient check of ${name}, every width`, sheet)
    return html`<h3>${name}</h3>
<p>${verdict}
Further rows show how the error depends on the width of the difference.</p>
${figures.map((figure) => html`<figure>${image(figure, alt)}</figure>`)}
${dataTable(sheetTable('gradient-check', `Gradient check of ${name}`, verdictRows(sheet)))}
<details><summary>All ${sheet.rows.length} rows</summary>${dataTable(everyWidth)}</details>
${run.metrics.length === 0 && remarkList(run.remarks)}`
  })}`
}

const verdictColumns = [
  'gradient',
  'lambda',
  'array',
  'method',
  'h',
  'max_absolute_error',
  'max_relative_error',
  'threshold',
  'verdict',
]

/** The rows that have a verdict, and the columns that explain it. */
function verdictRows({ columns, rows }: Sheet): Sheet {
  const shown = columns.flatMap((name, i) => (verdictColumns.includes(name) ? [i] : []))
  const at = columns.indexOf('verdict')
  return {
    columns: shown.map((i) => columns[i]!),
    rows: rows.filter((row) => row[at]).map((row) => shown.map((i) => row[i]!)),
  }
}

/** The section on the data files, named without their folders, and on software, kernels and machines. */
export function environmentSection({ experiments, checks }: Report): Html {
  const runs = [...new Set([...experiments.flatMap((experiment) => experiment.runs), ...checks])]
  const files = new Map(
    runs.flatMap(({ record }) => record.data.map((file) => [`${basename(file.path)} ${file.sha256}`, file] as const)),
  )
  const machines = new Map<string, string[]>()
  for (const { record } of runs) {
    const { versions, machine, kernel } = record
    const row = [
      Object.entries(versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', ') || '–',
      kernel ? `${kernel.name} (${kernel.detail}), ${counted(kernel.threads, 'thread')}` : '–',
      machine ? `${machine.cpu}, ${counted(machine.cores, 'core')}, ${machine.platform}` : '–',
    ]
    machines.set(JSON.stringify(row), row)
  }
  const text = (text: string): Cell => ({ text })
  return html`${
    files.size > 0 &&
    dataTable(
      {
        id: 'data',
        caption: 'Data files',
        columns: [{ name: 'file' }, { name: 'bytes', isNumeric: true }, { name: 'SHA-256' }],
        rows: [...files.values()].map(({ path, bytes, sha256 }) => [
          text(basename(path.replaceAll('\\', '/'))),
          text(bytes.toLocaleString('en')),
          text(sha256),
        ]),
        notes: [],
      },
      ({ text }) => (/^[0-9a-f]{64}$/.test(text) ? html`<span class="hash">${text}</span>` : text),
    )
  }
${dataTable({
  id: 'environment',
  caption: 'Software, kernel and machine',
  columns: ['versions', 'kernel', 'machine'].map((name) => ({ name })),
  rows: [...machines.values()].map((row) => row.map(text)),
  notes: [],
})}`
}

/** The section with the pipeline of each experiment. */
export function definitionSection(experiments: readonly Experiment[]): Html | undefined {
  const known = experiments.filter(({ runs }) => runs[0]!.text)
  if (known.length === 0) return undefined
  return html`<p>Each runs again with <code>millrace run pipeline.yaml</code>.</p>
${known.map(
  ({ label, runs }) => html`<details><summary>${label}</summary><pre tabindex="0">${runs[0]!.text}</pre></details>
${changesOnTheWay(runs[0]!.record.changes).map(
  ({ option, text }) => html`<p>${label} was changed on the way: ${option} was ${text}.</p>
`,
)}`,
)}`
}

/** The section on times. It is the only one that differs between runs of the same definition on the same data. */
export function timingSection({ experiments }: Report): Html | undefined {
  const seconds = (value: number | undefined): Cell => ({ text: value === undefined ? '–' : `${value.toFixed(2)} s` })
  const rows = experiments.flatMap(({ label, runs }) =>
    runs.map(({ directory, record: { seed, started, timings = {} } }): Cell[] => [
      { text: runs.length > 1 ? `${label}, seed ${seed}` : label },
      { text: started ?? '–' },
      ...[timings.total, timings.prepare, timings.train, timings.finish, timings.kernels].map(seconds),
      { text: timings.overhead === undefined ? '–' : `${(100 * timings.overhead).toFixed(1)} %` },
      { text: timings.steps === undefined ? '–' : timings.steps.toLocaleString('en') },
      { text: basename(directory) },
    ]),
  )
  if (rows.length === 0) return undefined
  const numeric = ['total', 'before training', 'training', 'after training', 'in kernels', 'outside kernels', 'steps']
  return dataTable({
    id: 'timings',
    caption: 'When the runs were made, and how long they took',
    columns: [
      { name: 'run' },
      { name: 'started' },
      ...numeric.map((name) => ({ name, isNumeric: true })),
      { name: 'directory' },
    ],
    rows,
    notes: [],
  })
}

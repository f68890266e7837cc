import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'csv-parse/sync'
import t from 'tap'
import { formats, plainText, readAttempts, settingsFrom, settingsTable } from '../../dist/report/index.js'
import { millrace } from '../cli/in-process.js'
import { temporary } from '../stages/harness.js'

/** A name that is a formula, markup, a command for terminals, and a line of its own. */
const nasty =
  "=cmd|' /C calc'!A0\"<script>alert(1)</script>\x1b[2J\r\x1b[2K\nFORGED `$(x)` \\input{x} & % $& $` \u202egnp"
const json = JSON.stringify(nasty)

t.test('a nasty name of a class, a column and a split is a name in every output', async (t) => {
  const cwd = temporary(t)
  const rows = Array.from(
    { length: 60 },
    (_, i) => `${i % 7},${(i * 5) % 11},"${(i % 2 ? nasty : 'b').replaceAll('"', '""')}"`,
  )
  writeFileSync(join(cwd, 'd.csv'), `"${nasty.replaceAll('"', '""')}",x,label\n${rows.join('\n')}\n`)
  writeFileSync(
    join(cwd, 'p.yaml'),
    `stages:
  - { use: load/csv, with: { path: d.csv, label: label, fractions: { train: 0.5, ${json}: 0.5 } } }
  - { id: examples, use: normalize/standardize }
  - { use: batch/rows, with: { size: 6, epochs: 2 } }
  - { id: model, use: gradient-step/softmax, with: { eta: 0.1 } }
  - { id: metrics, use: evaluate/classification, from: { parameters: model, examples: examples } }
  - { use: sink/csv }
  - { use: sink/terminal, from: metrics }
  - { use: sink/curves, from: metrics }
  - { use: sink/parameters, from: model }
  - { use: sink/weights, from: model }
  - { use: sink/confusion, from: { parameters: model, examples: examples }, with: { split: ${json} } }
  - { use: sink/predictions, from: { parameters: model, examples: examples }, with: { split: ${json} } }
`,
  )
  const run = await millrace(['run', 'p.yaml', '--out', 'r', '--kernel', 'reference'], cwd)
  if (run.code !== 0) {
    // A name with control characters may be refused. Then the message must be harmless.
    t.equal(run.code, 2, run.stderr)
    checkLines(run.stdout + run.stderr)
    return
  }
  checkLines(run.stdout + run.stderr)
  for (const format of ['text', 'md', 'csv', 'tex', 'json']) {
    const { stdout, stderr } = await millrace(['table', 'r', '--format', format], cwd)
    checkLines(stdout + stderr)
  }
  const report = await millrace(['report', 'r', '--out', 'r.html', '--tables', 'tables'], cwd)
  t.equal(report.code, 0, report.stderr)
  checkLines(report.stdout)
  const page = readFileSync(join(cwd, 'r.html'), 'utf8')
  t.notMatch(page, /<script|(?![\n\t])\p{Cc}|\u202e/u)
  for (const file of ['metrics.csv', 'figures/confusion.csv', 'figures/predictions.csv']) {
    const cells = (parse(readFileSync(join(cwd, 'r', file), 'utf8')) as string[][]).flat()
    for (const cell of cells) t.notMatch(cell, /^\s*[=+@]|^-(?!\d|Inf)/, file)
  }
  for (const file of ['curves', 'weights', 'confusion']) {
    const svg = readFileSync(join(cwd, `r/figures/${file}.svg`), 'utf8')
    t.notMatch(svg, /<script|(?![\n\t])\p{Cc}|\u202e/u, file)
  }
  const exported = await millrace(['export', 'r'], cwd)
  checkLines(exported.stdout)

  function checkLines(text: string): void {
    t.notMatch(text, /^\s*FORGED/m)
    t.notMatch(text, /(?![\n\t])\p{Cc}|\u202e/u)
  }
})

t.test('a nasty name in a table is a name in every format', async (t) => {
  const directory = temporary(t)
  mkdirSync(join(directory, 'points'))
  const points = [1, 2].map((value) => ({
    key: `k${value}`,
    settings: { [nasty]: value === 1 ? nasty : '-2+3' },
    seed: 1,
  }))
  const plan = { millrace: '1', name: nasty, pipeline: 'p', kernel: 'wasm', names: [nasty], data: [], points }
  const final = { epoch: 1, step: 1, [`${nasty}_accuracy`]: 0.5 }
  const lines = points.map(({ key }) => `${JSON.stringify({ key, status: 'done', final, seconds: 1 })}\n`)
  writeFileSync(join(directory, 'sweep.json'), JSON.stringify(plan))
  writeFileSync(join(directory, 'results.jsonl'), lines.join(''))
  const table = settingsTable(settingsFrom(readAttempts([directory])))
  const all = { ...formats, txt: plainText }
  for (const [format, write] of Object.entries(all)) {
    const text = write(table)
    t.notMatch(text, /^\s*FORGED/m, format)
    t.notMatch(text, /(?![\n\t])\p{Cc}|\u202e/u, format)
  }
  for (const cell of (parse(formats.csv(table)) as string[][]).flat()) t.notMatch(cell, /^\s*[=+@]|^-(?!\d+$)/)
  t.notMatch(formats.md(table), /(?<!\\)[<`$]|(?<!\\)&/)
  t.notMatch(formats.tex(table), /\\input|(?<!\\)%|[^\\]&(?! )/)
})

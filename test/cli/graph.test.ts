import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { type GraphFlags, graphCommand } from '../../dist/cli/graph.js'
import { builtInNames } from '../../dist/pipeline/definition/find.js'
import { errorOf, temporary } from '../stages/harness.js'
import { printed } from './printed.js'

const graph = (name: string, format: GraphFlags['format'], more: Partial<GraphFlags> = {}) =>
  printed((output) => graphCommand(name, { set: [], format, ...more }, output))

test('the text has wires, what is known of them, and what is held', async (t) => {
  const text = await graph('digits', 'text')
  t.match(
    text,
    /^digits: load\/digits\n {2}→ examples, 1×8×8 = 64 features, 10 classes, splits train, validation, test\n {2}holds/,
  )
  t.match(
    text,
    /\nmetrics: evaluate\/classification\n {2}← parameters of model\n {2}← examples of examples\n {2}→ metrics, /,
  )
  t.match(text, /\nshuffle: shuffle\/rows\n {2}← batches \(batch\) of rows\n/)
  const { stages, wires } = JSON.parse(await graph('digits', 'json'))
  t.strictSame([stages.length, wires.length], [12, 13])
  t.match(wires[0], { from: 'digits', output: 'examples', to: 'examples', input: 'examples', type: 'examples' })
})

test('measured, it says what passed the wires', async (t) => {
  const folder = temporary(t, {
    'p.yaml': `stages:
  - { use: load/digits }
  - { use: batch/rows, with: { size: 32, epochs: 1 } }
  - { id: model, use: gradient-step/softmax, with: { eta: 0.1 } }
  - { use: evaluate/classification, from: { parameters: model, examples: digits } }
  - { use: sink/csv }
`,
  })
  const text = await graph(join(folder, 'p.yaml'), 'text', { measure: true })
  t.match(text, /\n {2}→ examples, [^\n]*, 1797 × 64 in 3 tables of [\d.]+ KB at most\n/)
  t.match(text, /\n {2}→ batches \(batch\)[^\n]*, tables of 32 × 64, [\d.]+ KB at most\n/)
  t.match(text, /\nmodel: [\s\S]*→ parameters, [^\n]*, a table of [\d.]+ KB at most\n/)
  t.match(await errorOf(graph('digits', 'text', { measure: true, allowAbsolutePaths: true })), [
    'ARGUMENTS',
    /--measure writes into a temporary directory alone/,
  ])
})

test('every shipped pipeline can be drawn', async (t) => {
  for (const name of builtInNames().filter((each) => !each.endsWith('base'))) {
    const set = name.startsWith('fashion') ? ['directory=x'] : []
    const svg = await graph(name, 'svg', { set })
    t.match(svg, /^<svg [\s\S]*<\/svg>\n$/, name)
    t.notMatch(svg, /NaN|undefined/, name)
  }
})

test('hostile names are only names', async (t) => {
  const folder = temporary(t, {
    'p.yaml': "name: 'a\"] --> b; <script>'\nstages:\n  - { use: load/digits, id: end }\n  - { use: sink/arrow }\n",
  })
  const file = join(folder, 'p.yaml')
  t.equal(
    await graph(file, 'mermaid'),
    'flowchart TD\n  stage0["end<br/>load/digits"]\n  stage1["arrow<br/>sink/arrow"]\n  stage0 -->|"examples"| stage1\n',
  )
  const dot = await graph(file, 'dot')
  t.match(dot, 'digraph "a\\"] --> b; <script>" {\n')
  const drawn = spawnSync('dot', ['-Tsvg'], { input: dot })
  if (drawn.error) t.skip('needs graphviz')
  else t.equal(drawn.status, 0, 'graphviz reads it')
  t.notMatch(await graph(file, 'svg'), '<script>')
})

test('it is written to a file, and nothing is written over', async (t) => {
  const out = join(temporary(t), 'g.svg')
  t.match(await graph('digits', 'svg', { out }), /g\.svg: 12 stages\n/)
  t.match(readFileSync(out, 'utf8'), /^<svg/)
  t.match(await errorOf(graph('digits', 'svg', { out })), ['ARGUMENTS', /exists already; --force replaces it/])
  t.match(await errorOf(graph('digits', 'svg', { out: join(out, '..') })), ['ARGUMENTS', /it is a directory/])
  t.match((await errorOf(graph('digit', 'svg')))[1], /did you mean/)
})

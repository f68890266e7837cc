import { join } from 'node:path'
import t from 'tap'
import { Pipeline, run } from '../../../dist/index.js'
import { openKernels } from '../../../dist/kernels/index.js'
import { type Prepared, prepare, preparedNodes } from '../../../dist/pipeline/run/prepared.js'
import { errorOf, temporary } from '../../stages/harness.js'
import { filesOf, pipeline } from '../../sweep/sweeps.js'

const rows = `a,b,kind\n${Array.from({ length: 60 }, (_, i) => `${i},${i % 7},${i % 2 ? 'x' : 'y'}`).join('\n')}\n`
const onRows = pipeline.replace('- use: load/digits', '- use: load/csv\n    with: { path: "${here}/rows.csv" }')

/** A stage between normalising and batching that does what `body` says when it runs. */
const between = (body: string) => `import { defineStage, wire, z } from 'millrace/stage'
  export default defineStage({ name: 'between', summary: 'Passes on.', options: z.strictObject({}),
    inputs: { examples: wire.examples }, outputs: { examples: wire.examples }, example: '',
    run: (_, context) => { ${body}; return (examples) => examples } })`

async function preparedIn(folder: string, kernel: 'wasm' | 'reference' = 'reference') {
  const kernels = await openKernels({ kernel, threads: 1 })
  const loaded = await Pipeline.load(join(folder, 'a.yaml'))
  try {
    return { loaded, prepared: await prepare(loaded, kernels) }
  } finally {
    kernels.close()
  }
}

t.test('loads and what only makes examples of theirs are preparation', async (t) => {
  const { graph } = await Pipeline.load('digits')
  t.strictSame(
    preparedNodes(graph).map(({ id }) => id),
    ['digits', 'examples'],
  )
})

t.test(
  'a run on prepared data has the same bytes, notes and sources, whichever the kernel and the type of rows',
  async (t) => {
    for (const text of [pipeline, onRows])
      for (const kernel of ['wasm', 'reference'] as const) {
        const folder = temporary(t, { 'a.yaml': text, 'rows.csv': rows })
        const { loaded, prepared } = await preparedIn(folder, kernel)
        // As another thread would get it.
        const sent: Prepared = structuredClone(prepared!)
        const plain = await run(loaded, { out: join(folder, 'plain'), kernel })
        const shared = await run(loaded, { out: join(folder, 'shared'), kernel, prepared: sent })
        t.strictSame(filesOf(shared.directory), filesOf(plain.directory))
        t.strictSame(shared.record.data, plain.record.data)
        t.strictSame(shared.record.notes, plain.record.notes)
      }
  },
)

t.test('rows lie in shared memory, once; only what the rest reads is kept', async (t) => {
  const { prepared } = await preparedIn(temporary(t, { 'a.yaml': pipeline }))
  const { digits, examples } = prepared!.stages
  t.strictSame(digits!.outputs, { examples: [] })
  t.strictSame(
    examples!.outputs.examples!.map(({ split, values }) => [split, values.buffer instanceof SharedArrayBuffer]),
    [
      ['train', true],
      ['validation', true],
      ['test', true],
    ],
  )
  t.equal(prepared!.bytes, 1797 * (64 + 4 + 4))
})

t.test('whether the seed matters is known by the random numbers that were asked for', async (t) => {
  const drawing = pipeline.replace('  - use: batch/rows', '  - use: ./between.mjs\n  - use: batch/rows')
  const drawn = temporary(t, { 'a.yaml': drawing, 'between.mjs': between('context.random("x")') })
  t.equal((await preparedIn(drawn)).prepared!.usesSeed, true, 'a stage that draws')
  const split = await preparedIn(temporary(t, { 'a.yaml': pipeline }))
  t.equal(split.prepared!.usesSeed, false, 'a random split has the seed of the definition')
  const files = onRows.replace('path: "${here}/rows.csv"', 'files: { train: "${here}/rows.csv" }')
  const text = files.replace('from: { parameters: model, examples: examples }', '$&\n    with: { splits: [train] }')
  const folder = temporary(t, { 'a.yaml': text, 'rows.csv': rows })
  t.equal((await preparedIn(folder)).prepared!.usesSeed, false)
})

t.test('stages that do more than prepare are not replayed', async (t) => {
  const text = pipeline.replace('  - use: batch/rows', '  - use: ./between.mjs\n  - use: batch/rows')
  for (const body of [
    'context.file("x")',
    'context.state(z.number(), { snapshot: () => 1, restore: () => {} })',
    'context.stop("enough")',
  ]) {
    const folder = temporary(t, { 'a.yaml': text, 'between.mjs': between(body) })
    t.equal((await preparedIn(folder)).prepared, undefined, body)
  }
  const folder = temporary(t, { 'a.yaml': text, 'between.mjs': between('context.note("passed")') })
  const { prepared } = await preparedIn(folder)
  t.strictSame(prepared!.stages.between!.notes, ['passed'])
})

t.test('data that cannot be read fails as in a run', async (t) => {
  const [code, message] = await errorOf(preparedIn(temporary(t, { 'a.yaml': onRows })))
  t.equal(code, 'DATA')
  t.match(message, /stages\[0\] load\/csv: cannot read .*rows\.csv: no such file or directory/)
})

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { concat, firstValueFrom, NEVER, of, throwError } from 'rxjs'
import t from 'tap'
import { Pipeline, start } from '../../../dist/index.js'
import { metricsTable } from '../../../dist/pipeline/stage-kit.js'
import { openStage, problemsOf, runStage, temporary } from '../harness.js'

const metrics = [1, 2, 3].map((epoch) =>
  metricsTable(
    { epoch, step: 5 * epoch, epochs: 3, steps: 5 },
    { train_loss: 1 / epoch, train_cost: 1 / epoch + 1, train_accuracy: epoch / 4 },
  ),
)
const entry = (options = '{}') => `- use: sink/curves\n  from: metrics\n  with: ${options}`

t.test('sink/curves draws SVG and PNG at the end, the same bytes every time', async (t) => {
  const [first, second] = [await runStage(t, entry(), { metrics }), await runStage(t, entry(), { metrics })]
  for (const name of ['figures/curves.svg', 'figures/curves.png'])
    t.ok(readFileSync(join(first.directory, name)).equals(readFileSync(join(second.directory, name))), name)
  t.match(readFileSync(join(first.directory, 'figures/curves.svg'), 'utf8'), /^<svg .*>Accuracy<\/text>/s)
  t.equal(readFileSync(join(first.directory, 'figures/curves.png')).toString('latin1', 1, 4), 'PNG')
  t.strictSame([first.tables, first.notes], [[], []])
})

t.test('it writes what it is told, where it is told', async (t) => {
  const cases: [options: string, files: string[]][] = [
    ['{ path: a/b, formats: [svg] }', ['b.svg']],
    ['{ path: a/b.svg }', ['b.svg']],
    ['{ path: a/b.PNG, formats: [svg, png] }', ['b.PNG']],
    ['{ path: a/b.c, formats: [png, svg, png], scale: log, title: T }', ['b.c.png', 'b.c.svg']],
  ]
  for (const [options, files] of cases) {
    const { directory } = await runStage(t, entry(options), { metrics })
    t.strictSame(readdirSync(join(directory, 'a')).sort(), files, options)
  }
})

t.test('without metrics there is a note and no file; an error is passed on', async (t) => {
  const { directory, notes } = await runStage(t, entry(), { metrics: [] })
  t.strictSame(notes, ['no metrics arrived, there are no curves to draw'])
  t.strictSame(readdirSync(join(directory, 'figures')), [])
  const error = new Error('upstream')
  await t.rejects(
    runStage(t, entry(), {
      metrics: concat(
        of(...metrics),
        throwError(() => error),
      ),
    }),
    error,
  )
})

t.test('metrics of no split are drawn too; tables without a metric are said to have nothing to draw', async (t) => {
  const position = { epoch: 1, step: 1, epochs: 1, steps: 1 }
  const drawn = await runStage(t, entry(), { metrics: [metricsTable(position, { seconds: 3 })] })
  t.strictSame(drawn.notes, [])
  t.match(readFileSync(join(drawn.directory, 'figures/curves.svg'), 'utf8'), '>Seconds</text>')
  const { directory, notes } = await runStage(t, entry(), { metrics: [metricsTable(position, {})] })
  t.strictSame(notes, ['the metrics (epoch, step) have nothing that is drawn here'])
  t.notOk(existsSync(join(directory, 'figures/curves.svg')))
})

t.test('a resumed run to which no further table comes has the same figure', async (t) => {
  const position = { epoch: 1, step: 1, epochs: 1, steps: 3 }
  const table = metricsTable(position, { speed: 3 }, { speed: { name: 'speed', title: 'rows per second' } })
  const whole = await runStage(t, entry(), { metrics: [table] })
  const killed = openStage(t, entry(), { metrics: concat(of(table), NEVER) })
  const subscription = killed.tables.subscribe()
  const state = await killed.snapshot()
  subscription.unsubscribe()
  const resumed = await runStage(t, entry(), { metrics: [] }, { state })
  const [first, second] = [whole, resumed].map(({ directory }) =>
    readFileSync(join(directory, 'figures/curves.svg'), 'utf8'),
  )
  t.match(first, '>Rows per second</text>')
  t.equal(second, first)
})

t.test('a run of very many evaluations can be resumed', async (t) => {
  const count = 200_000
  const values = Float64Array.from({ length: 3 * count }, (_, i) => (i % 3 === 2 ? 1 : Math.floor(i / 3) + 1))
  const state = { columns: ['epoch', 'step', 'train_loss'], values }
  const { directory } = await runStage(t, entry(), { metrics: [] }, { state })
  t.match(readFileSync(join(directory, 'figures/curves.svg'), 'utf8'), /^<svg /)
})

t.test('a split that is not evaluated is a mistake in the definition', async (t) => {
  const before = `- use: load/digits\n- id: examples\n  use: normalize/scale\n- use: batch/rows\n  with: { size: 9, epochs: 1 }
- id: model\n  use: gradient-step/softmax\n  with: { eta: 1 }\n- id: metrics\n  use: evaluate/classification\n  from: { parameters: model, examples: examples }\n`
  t.match(
    await problemsOf(t, before + entry('{ splits: [train, tets] }')),
    /stages\[5\] sink\/curves: splits\[1\]: no split named "tets" is evaluated; there is train, validation and test/,
  )
})

t.test('nobody waits for the figures of a run that is stopped', async (t) => {
  const stop = new AbortController()
  const out = join(temporary(t), 'run')
  const { metrics, result } = start(await Pipeline.load('digits', { set: ['epochs=100000'] }), {
    out,
    kernel: 'reference',
    signal: stop.signal,
  })
  const first = firstValueFrom(metrics).then(() => stop.abort())
  await t.rejects(result, { code: 'ABORTED' })
  await first
  t.strictSame(readdirSync(join(out, 'figures')), [])
})

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Table } from 'apache-arrow'
import { tableFromIPC } from 'apache-arrow'
import { readParquet } from 'parquet-wasm/node'
import { concat, EMPTY, from, lastValueFrom, NEVER, Subject } from 'rxjs'
import t from 'tap'
import { exampleFields, examplesTable, metricsTable, positionOf } from '../../../dist/pipeline/stage-kit.js'
import { errorOf, openFilesIn, openStage, problemsOf, runStage } from '../harness.js'
import { countedBatches, examples, parameters } from '../tables.js'

const entry = (options = '') => `- use: sink/parquet\n  with: { path: out.parquet, ${options} }`

/** The rows of a Parquet file, by a reader that is not related to the writer. */
function rowsIn(directory: string, name = 'out.parquet'): Record<string, unknown>[] {
  const table = tableFromIPC(readParquet(readFileSync(join(directory, name))).intoIPCStream())
  return table.toArray().map((row) => plain(row?.toJSON()) as Record<string, unknown>)
}

/** Vectors and typed arrays as lists of numbers. */
function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Symbol.iterator in value) return [...(value as Iterable<unknown>)].map(plain)
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]))
}

const at = (step: number) => ({ epoch: step, step: 10 * step, epochs: 3, steps: 10 })

t.test('another reader finds every wire as it was', async (t) => {
  const kept = (features: string) => `features: ${features}`
  const layout = { split: 'tést', shape: [2], classes: ['a', 'é'] }
  const cases: [title: string, options: string, tables: Table[], rows: object[]][] = [
    [
      'metrics',
      '',
      [1, 2].map((step) => metricsTable(at(step), { loss: 1 / step, accuracy: step === 1 ? Number.NaN : 1 / 3 })),
      [
        { epoch: 1, step: 10, loss: 1, accuracy: Number.NaN },
        { epoch: 2, step: 20, loss: 0.5, accuracy: 1 / 3 },
      ],
    ],
    [
      'batches of bytes',
      '',
      countedBatches([2, 1], 1),
      [
        { epoch: 1, step: 1, split: 'train', features: [0, 1], label: 0 },
        { epoch: 1, step: 1, split: 'train', features: [10, 11], label: 1 },
        { epoch: 1, step: 2, split: 'train', features: [20, 21], label: 2 },
      ],
    ],
    [
      'examples of bytes, without a place',
      '',
      [examples([[1, 255]], [1], layout)],
      [{ split: 'tést', features: [1, 255], label: 1 }],
    ],
    [
      'bytes as columns',
      kept('columns'),
      [examples([[1, 255]], [1], layout)],
      [{ split: 'tést', feature_0: 1, feature_1: 255, label: 1 }],
    ],
    [
      'floats',
      '',
      [examples([[0.5, -1]], [0], layout, Float32Array), examples([[2, 3]], [-1], layout, Float32Array)],
      [
        { split: 'tést', feature_0: 0.5, feature_1: -1, label: 0 },
        { split: 'tést', feature_0: 2, feature_1: 3, label: -1 },
      ],
    ],
    [
      'floats as lists',
      kept('one-column'),
      [examples([[0.5, -1]], [0], layout, Float32Array)],
      [{ split: 'tést', features: [0.5, -1], label: 0 }],
    ],
    [
      'parameters',
      'compression: none',
      [parameters([[1], [-1]], [0, 2], at(1))],
      [
        { epoch: 1, step: 10, eta: 0.1, draw: 0, name: 'W', shape: [2, 1], values: [1, -1] },
        { epoch: 1, step: 10, eta: 0.1, draw: 0, name: 'b', shape: [2], values: [0, 2] },
      ],
    ],
    ['a split without rows', '', [examples([], [], layout)], []],
  ]
  for (const [title, options, tables, rows] of cases) {
    const { directory } = await runStage(t, entry(options), { tables })
    t.strictSame(rowsIn(directory), rows, title)
  }
})

t.test('class names and shape are in the metadata, and names of features are those of the columns', async (t) => {
  const values = Float32Array.of(1, 2)
  const fields = exampleFields({ shape: [2], classes: ['no', 'yes'], names: ['age', 'größe'] }, values)
  const { directory } = await runStage(t, entry(), {
    tables: [examplesTable(fields, values, Int32Array.of(1), 'train')],
  })
  const bytes = readFileSync(join(directory, 'out.parquet'))
  t.strictSame(Object.keys(rowsIn(directory)[0]!), ['split', 'age', 'größe', 'label'])
  const schema = readParquet(bytes).schema.metadata() as Map<string, string>
  t.match(JSON.parse(schema.get('millrace')!), { wire: 'examples', shape: [2], classes: ['no', 'yes'] })
})

t.test('a killed run goes on in the middle of a row group, and gives the same bytes', async (t) => {
  const tables = countedBatches(new Array(20).fill(9), 2)
  for (const options of ['rowGroup: 1024', 'rowGroup: 100000']) {
    const whole = await runStage(t, entry(options), { tables })
    const expected = readFileSync(join(whole.directory, 'out.parquet'))
    t.equal(rowsIn(whole.directory).length, 360)
    for (const seen of [1, 17, 40]) {
      const source = new Subject<Table>()
      const killed = openStage(t, entry(options), { tables: source })
      const subscription = killed.tables.subscribe()
      const state = await taking(killed, source, tables.slice(0, seen))
      // What comes after the checkpoint is lost.
      for (const table of tables.slice(seen, seen + 20)) source.next(table)
      await new Promise((resolve) => setTimeout(resolve, 20))
      subscription.unsubscribe()
      const { directory } = await runStage(t, entry(options), { tables }, { state, directory: killed.directory })
      t.ok(readFileSync(join(directory, 'out.parquet')).equals(expected), `${options}, after ${seen} tables`)
      t.strictSame(
        readdirSync(directory).filter((name) => name.startsWith('out')),
        ['out.parquet'],
      )
    }
  }
})

/** Passes tables on, and returns the state once they are written. */
async function taking(stage: ReturnType<typeof openStage>, source: Subject<Table>, tables: readonly Table[]) {
  for (const table of tables) source.next(table)
  return stage.snapshot()
}

t.test('a run that fails leaves a file of the rows until then', async (t) => {
  const source = new Subject<Table>()
  const run = openStage(t, entry(), { tables: source })
  const ended = lastValueFrom(run.tables, { defaultValue: undefined })
  await taking(run, source, countedBatches([2, 1], 1))
  source.error(new Error('above'))
  await t.rejects(ended, { message: 'above' })
  t.equal(rowsIn(run.directory).length, 3)
  t.strictSame(openFilesIn(run.directory) ?? [], [])
})

t.test('without rows there is no file, and a note', async (t) => {
  const { directory, notes } = await runStage(t, entry(), { tables: EMPTY })
  t.strictSame(
    readdirSync(directory).filter((name) => name.startsWith('out')),
    [],
  )
  t.strictSame(notes, ['no rows came, so there is no out.parquet'])
})

t.test('until its end the file has the name of a part', async (t) => {
  const run = openStage(t, entry(), { tables: concat(from(countedBatches([2], 1)), NEVER) })
  const subscription = run.tables.subscribe()
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.ok(existsSync(join(run.directory, 'out.parquet.part')))
  t.notOk(existsSync(join(run.directory, 'out.parquet')))
  subscription.unsubscribe()
  t.strictSame(rowsIn(run.directory).length, 2, 'interrupted, it is readable')
})

t.test('errors say what is wrong', async (t) => {
  const named = (names: string[]) => {
    const values = Float32Array.of(1, 2)
    return examplesTable(
      exampleFields({ shape: [2], classes: ['a'], names }, values),
      values,
      Int32Array.of(0),
      'train',
    )
  }
  t.strictSame(await errorOf(runStage(t, entry(), { tables: [named(['label', 'x'])] })), [
    'DATA',
    'a Parquet file cannot have two columns with the name "label"; rename the feature, or set `features: one-column`',
  ])
  t.match(
    await errorOf(runStage(t, entry(), { tables: [metricsTable(at(1), { a: 1 }), metricsTable(at(2), { b: 1 })] })),
    ['DATA', /^out\.parquet has rows of .*a: Float64, and now come rows of .*b: Float64; put the stage back/],
  )
  t.match(
    await problemsOf(t, '- use: load/digits\n- use: sink/parquet\n  with: { rowGroup: 10 }'),
    /sink\/parquet: rowGroup: expected .*1024/,
  )
})

t.test('a file that a resumed run finds too short is an error', async (t) => {
  const tables = countedBatches(new Array(40).fill(9), 1)
  const source = new Subject<Table>()
  const killed = openStage(t, entry('rowGroup: 1024'), { tables: source })
  const subscription = killed.tables.subscribe()
  const state = (await taking(killed, source, tables)) as { bytes: number }
  subscription.unsubscribe()
  t.equal(positionOf(tables[39]!).step, 40)
  const [code, message] = await errorOf(
    runStage(t, entry('rowGroup: 1024'), { tables }, { state: { ...state, bytes: 1e6 }, directory: killed.directory }),
  )
  t.equal(code, 'DATA')
  t.match(message, /bytes, less than the 1000000 it had when the checkpoint was made/)
})

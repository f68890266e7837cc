import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Table } from 'apache-arrow'
import t from 'tap'
import { loadModel, Pipeline, run } from '../../../dist/index.js'
import { exampleFields, examplesTable, type Model, parametersTables } from '../../../dist/pipeline/stage-kit.js'
import { modelWith, storedModel } from '../../models.js'
import { errorOf, failureOf, problemsOf, runStage, temporary } from '../harness.js'

const classes = ['no', 'yes']
const affine = { mean: Float64Array.of(1, 2, 3), scale: Float64Array.of(0.5, 2, 0.1) }

const parameters = (parts: Partial<Model> = {}): Table =>
  parametersTables(modelWith(parts))({ epoch: 2, step: 6, epochs: 2, steps: 3 }, 0.1)

const fieldsOf = (values: Float32Array | Uint8Array, layout = {}) =>
  exampleFields({ shape: [3], classes, ...layout }, values)

/** Rows of a split: floats as they were loaded. */
function rows(values: readonly number[], labels: readonly number[], split = 'data', row?: readonly number[]): Table {
  const floats = Float32Array.from(values)
  const perRow = row && { row: Int32Array.from(row) }
  return examplesTable(fieldsOf(floats), floats, Int32Array.from(labels), split, undefined, undefined, perRow)
}

const entry = '- use: evaluate/predictions'

const json = (tables: readonly Table[]) => tables.flatMap((table) => table.toArray().map((row) => row.toJSON()))

t.test('each row gets its class and a probability for each, as in a program', async (t) => {
  const values = [1, 2, 3, 4, 1, 0, 0, 4, 7]
  const { tables } = await runStage(t, entry, {
    parameters: [parameters(), parameters({ affine })],
    examples: [rows(values.slice(0, 6), [0, -1]), rows(values.slice(6), [1])],
  })
  const model = await loadModel(storedModel(t, { affine }), { kernel: 'reference' })
  const { values: own, labels } = model.predict(values)
  model.free()
  t.strictSame(
    json(tables),
    [0, 1, 2].map((i) => ({
      row: i,
      label: ['no', null, 'yes'][i],
      predicted: labels[i],
      probability_no: own[2 * i],
      probability_yes: own[2 * i + 1],
    })),
    'with the last parameters',
  )
  t.strictSame(Object.fromEntries(tables[0]!.schema.metadata), {
    wire: 'predictions',
    split: 'data',
    classes: '["no","yes"]',
    kind: 'probability',
    epoch: '2',
    step: '6',
    epochs: '2',
    steps: '3',
  })
})

t.test('rows are numbered as the load stage says, else within their split; classes go by name', async (t) => {
  const floats = Float32Array.of(0, 0, 0)
  const swapped = exampleFields({ shape: [3], classes: ['yes', 'no', 'other'] }, floats)
  const { tables } = await runStage(t, `${entry}\n  with: { splits: [a, b] }`, {
    parameters: [parameters({ learner: 'hinge' })],
    examples: [
      rows([0, 0, 0, 0, 0, 0], [0, 0], 'a', [17, 3]),
      rows([0, 0, 0], [0], 'not asked'),
      rows([0, 0, 0], [0], 'b'),
      examplesTable(swapped, floats, Int32Array.of(0), 'b'),
      examplesTable(swapped, floats, Int32Array.of(2), 'b'),
    ],
  })
  const found = json(tables)
  t.strictSame(
    found.map(({ row }) => row),
    [17, 3, 0, 1, 2],
  )
  t.strictSame(
    found.map(({ label }) => label),
    ['no', 'no', 'no', 'yes', null],
    'a class that the model lacks is not known',
  )
  t.strictSame(Object.keys(found[0]!).slice(3), ['score_no', 'score_yes'])
  t.strictSame([found[0]!.score_no, found[0]!.score_yes], [0.25, -0.5])
})

t.test('rows that are standardised already stay so, and must be so as in training', async (t) => {
  const bytes = Uint8Array.of(1, 2, 3, 9, 8, 7)
  const table = (map: typeof affine) =>
    examplesTable(exampleFields({ shape: [3], classes, affine: map }, bytes), bytes, new Int32Array(2), 'test')
  const inputs = (map: typeof affine) => ({ parameters: [parameters({ affine })], examples: [table(map)] })
  const same = await runStage(t, entry, inputs(affine))
  const raw = await runStage(t, entry, {
    parameters: [parameters({ affine })],
    examples: [rows([...bytes], [0, 0], 'test')],
  })
  const [a, b] = [json(same.tables), json(raw.tables)]
  t.ok(a.every((row, i) => Math.abs((row.probability_yes as number) - (b[i]!.probability_yes as number)) < 1e-6))
  const other = { ...affine, mean: Float64Array.of(0, 2, 3) }
  t.strictSame(await errorOf(runStage(t, entry, inputs(other))), [
    'DATA',
    'the split "test" is standardised in another way than the rows that the model was trained on; give the rows as they were loaded, or behind normalize/as-trained',
  ])
  const wide = Float32Array.of(1, 2)
  const narrow = examplesTable(exampleFields({ shape: [2], classes }, wide), wide, new Int32Array(1), 'x')
  t.strictSame(await errorOf(runStage(t, entry, { parameters: [parameters()], examples: [narrow] })), [
    'DATA',
    'the parameters are for 3 features, the examples have 2',
  ])
  const none = await runStage(t, entry, { parameters: [], examples: [rows([1, 2, 3], [0])] })
  t.strictSame(none.tables, [], 'a run that was stopped before its first step')
})

/** A pipeline that applies a stored model to the digits. */
const applied = (model: string, more = '') => `- id: model
  use: load/parameters
  with: { path: ${model} }
- use: load/digits
  with: { model: ${model} }
- id: examples
  use: normalize/as-trained
  with: { model: ${model} }
- id: metrics
  use: evaluate/classification
  from: { parameters: model, examples: examples }
${more}`

t.test('what is wrong with a stored model is told before data is read', async (t) => {
  const folder = temporary(t)
  const cases: [entries: string, message: RegExp][] = [
    [applied(folder), /load\/parameters: path: .* holds no parameters\.arrow/],
    [applied(storedModel(t, { learner: 'mine' })), /made by the learner "mine", expected softmax, hinge or network/],
    [applied(storedModel(t, { type: undefined })), /path: .* does not say how features were standardised/],
    [
      `- id: model\n  use: load/parameters\n  with: { path: ${storedModel(t)} }\n- use: load/digits\n` +
        '- id: p\n  use: evaluate/predictions\n  from: { parameters: model, examples: digits }\n  with: { splits: [tset] }',
      /the parameters are for 3 features, the examples have 64\n.*splits\[0\]: no split named "tset"/,
    ],
    [
      `${applied(storedModel(t))}- use: sink/csv\n  from: digits\n`,
      /the input "metrics" takes a "metrics" or a "predictions" wire, got an "examples" wire/,
    ],
  ]
  for (const [entries, message] of cases) t.match(await problemsOf(t, entries), message)
  t.match(
    (await failureOf(t, applied(storedModel(t))))[1],
    /expected examples of 3, as the model was trained on, found 1 × 8 × 8/,
  )
})

t.test('a trained network is stored, loaded and evaluated to the same numbers', async (t) => {
  const folder = temporary(t)
  const pipelineOf = async (name: string, stages: string) => {
    writeFileSync(join(folder, name), `stages:\n${stages.replaceAll(/^/gm, '  ')}\n`)
    return Pipeline.load(join(folder, name))
  }
  const training = await pipelineOf(
    'train.yaml',
    `- use: load/digits
  with: { fractions: { train: 1 } }
- id: examples
  use: normalize/standardize
- use: batch/rows
  with: { size: 100, epochs: 2 }
- id: model
  use: gradient-step/network
  with: { hidden: [10], batchNorm: true, eta: 0.1, lambda: 0.01 }
- id: metrics
  use: evaluate/classification
  from: { parameters: model, examples: examples }
- use: sink/parameters
  from: model
- id: predictions
  use: evaluate/predictions
  from: { parameters: model, examples: examples }
- use: sink/csv
- use: sink/jsonl
  from: predictions
  with: { path: predictions.jsonl }`,
  )
  const trained = await run(training, { out: join(folder, 'run'), kernel: 'wasm' })
  const applying = await pipelineOf(
    'apply.yaml',
    `${applied(join(folder, 'run'))}- id: predictions
  use: evaluate/predictions
  from: { parameters: model, examples: digits }
- use: sink/csv
  with: { path: predictions.csv }`,
  )
  const again = await run(applying, { out: join(folder, 'again'), kernel: 'wasm' })
  const [before, after] = [trained.history.at(-1)!, again.history.at(-1)!]
  for (const name of ['loss', 'cost', 'accuracy'])
    t.ok(Math.abs(before[`train_${name}`]! - after[`data_${name}`]!) < 1e-9, name)
  t.strictSame([after.epoch, after.step], [2, 36])
  const csv = readFileSync(join(folder, 'again/predictions.csv'), 'utf8').trim().split('\n')
  t.match(csv[0], /^row,label,predicted,probability_0,/)
  t.equal(csv.length, 1798)
  const right = csv.slice(1).filter((line) => line.split(',')[1] === line.split(',')[2]).length
  t.ok(Math.abs(right / 1797 - after.data_accuracy!) < 1e-12, 'as the evaluation counts')
  const stored = await loadModel(join(folder, 'run'), { kernel: 'wasm' })
  const bytes = Uint8Array.from(
    readFileSync('stages/load/digits/digits.csv', 'utf8')
      .trim()
      .split('\n')
      .flatMap((line) => line.split(',').slice(0, 64).map(Number)),
  )
  t.strictSame(
    stored.predict(bytes).labels,
    csv.slice(1).map((line) => line.split(',')[2]),
    'as in a program',
  )
  stored.free()
  const [first] = readFileSync(join(folder, 'run/predictions.jsonl'), 'utf8').split('\n')
  t.match(JSON.parse(first!), { row: Number, label: String, predicted: String, probability_0: Number })
  t.equal(dirname(again.directory), folder)
})

import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadModel } from '../../dist/index.js'
import { exportOnnx, hinge, network, softmax } from '../../dist/learners/index.js'
import { randomStream } from '../../dist/pipeline/base/random.js'
import {
  type AnyLearner,
  type Column,
  defineLearner,
  featureNames,
  learnerWith,
  type Model,
  modelOf,
  readStoredModel,
  z,
} from '../../dist/pipeline/stage-kit.js'
import { storedModel } from '../models.js'
import { temporary } from '../stages/harness.js'

const python = ['python3', '/usr/bin/python3'].find((each) => spawnSync(each, ['-c', 'import onnx']).status === 0)

const random = randomStream(1, 'test', 'onnx')
const [features, hidden, classes, rows] = [20, 8, 4, 50]
const normal = (length: number, scale = 1) => Float32Array.from({ length }, () => scale * random.normal())
const positive = (length: number) => Float32Array.from({ length }, () => 0.5 + random.uniform())
const array = (
  name: string,
  shape: number[],
  values = normal(
    shape.reduce((a, b) => a * b, 1),
    0.3,
  ),
) => ({ name, shape, values })

const linear = [array('W', [classes, features]), array('b', [classes])]
const layers = [
  array('W1', [hidden, features]),
  array('b1', [hidden]),
  array('gamma1', [hidden], positive(hidden)),
  array('beta1', [hidden]),
  array('mean1', [hidden]),
  array('variance1', [hidden], positive(hidden)),
  array('W2', [classes, hidden]),
  array('b2', [classes]),
  array('batchesSeen', [1], Float32Array.of(9)),
]
const bytesMap = {
  mean: Float64Array.from(normal(features)).map((x) => 128 + 30 * x),
  scale: new Float64Array(features).fill(1 / 60),
}
const farMap = { mean: new Float64Array(features).fill(1e6), scale: Float64Array.from(positive(features)) }

/** Columns whose names and texts are as awkward as they may be. */
const columns: Column[] = [
  { kind: 'number', name: 'age', fill: 30 },
  { kind: 'category', name: 'label', encode: 'one-hot', categories: ['f', 'm'], unseen: 'error' },
  { kind: 'number', name: 'label' },
  { kind: 'category', name: '', encode: 'ordinal', categories: ['lo', 'mid', 'hi'], fill: 'mid', unseen: 'ignore' },
  { kind: 'category', name: '"W1"\n', encode: 'one-hot', categories: ['é, "1"', 'a\nb', 'é'], unseen: 'ignore' },
  { kind: 'category', name: 'W1', encode: 'one-hot', categories: ['?', 'NaN'], unseen: 'ignore' },
]
/** Columns of numbers far from 0, and a text beside them. */
const far: Column[] = [
  { kind: 'number', name: 'time', offset: 1.7e9, fill: 1.7e9 + 2 },
  { kind: 'number', name: 'x' },
  { kind: 'category', name: 'c', encode: 'ordinal', categories: ['a', 'b'], unseen: 'error' },
]
const farRows = [
  [1.7e9 + 1, 0.5, 'a'],
  [1.7e9 + 3.25, -2, 'b'],
  [Number.NaN, 1, 'b'],
] as const
const ofColumns = [array('W', [classes, 10]), array('b', [classes])]
const tabularMap = { mean: Float64Array.from(normal(10)), scale: Float64Array.from(positive(10)) }

const options = { hidden: [hidden], loss: 'cross-entropy', dropout: 0, smoothing: 0 }
interface Case {
  readonly learner: AnyLearner
  readonly parts: Partial<Model>
  readonly kind: 'bytes' | 'floats' | 'far'
}

const cases: Record<string, Case> = {
  'a linear model of bytes': {
    learner: softmax,
    parts: { arrays: linear, affine: bytesMap, type: 'uint8' },
    kind: 'bytes',
  },
  'a linear model of floats far from 0': { learner: softmax, parts: { arrays: linear, affine: farMap }, kind: 'far' },
  'a hinge model': { learner: hinge, parts: { learner: 'hinge', arrays: linear }, kind: 'floats' },
  'a network': {
    learner: network,
    parts: {
      learner: 'network',
      options: { ...options, batchNorm: false },
      arrays: layers.filter(({ name }) => /^[Wb]\d/.test(name)),
    },
    kind: 'floats',
  },
  'a network with batch norm': {
    learner: network,
    parts: {
      learner: 'network',
      options: { ...options, batchNorm: true },
      arrays: layers,
      affine: bytesMap,
      type: 'uint8',
    },
    kind: 'bytes',
  },
}

const withColumns = {
  learner: softmax,
  parts: { arrays: ofColumns, shape: [10], columns, names: featureNames(columns), affine: tabularMap },
}

function inputs(kind: 'bytes' | 'floats' | 'far'): Uint8Array | Float32Array {
  const length = rows * features
  if (kind === 'bytes') return Uint8Array.from({ length }, () => random.below(256))
  return normal(length).map((x) => (kind === 'far' ? Math.fround(1e6 + x) : x))
}

/** Writes the model as ONNX. */
function exported(t: Test, { learner, parts }: Pick<Case, 'learner' | 'parts'>): { file: string; stored: string } {
  const stored = storedModel(t, { shape: [features], classes: ['a', 'b', 'c', 'd'], ...parts })
  const { table } = readStoredModel(stored)
  const bytes = exportOnnx(table, learnerWith(learner, modelOf(table).options), '1.2.3')
  t.strictSame(exportOnnx(table, learnerWith(learner, modelOf(table).options), '1.2.3'), bytes, 'the same bytes')
  const file = join(temporary(t), 'model.onnx')
  writeFileSync(file, bytes)
  return { file, stored }
}

const check = `
import sys, json, onnx
for file in sys.argv[1:]:
    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    print(json.dumps({p.key: p.value for p in model.metadata_props}))`

t.test('the checker of ONNX finds no fault', { skip: !python && 'python3 with onnx is not installed' }, (t) => {
  const files = [...Object.values(cases), withColumns].map((each) => exported(t, each).file)
  const about = execFileSync(python!, ['-c', check, ...files], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.strictSame(about[0], {
    classes: '["a","b","c","d"]',
    inputs: '["features"]',
    shape: '20',
    learner: 'softmax',
    epoch: '2',
    step: '6',
    millrace: '1.2.3',
  })
  t.equal(about.length, files.length)
  t.end()
})

/** Runs models of onnxruntime-web in a process of its own, which it keeps alive. */
const runtime = `
const ort = require(process.argv[1])
ort.env.wasm.numThreads = 1
ort.env.logLevel = 'error'
const jobs = JSON.parse(require('node:fs').readFileSync(0, 'utf8'))
const make = { uint8: (v) => Uint8Array.from(v, Number), float32: (v) => Float32Array.from(v, Number), float64: (v) => Float64Array.from(v, Number), string: (v) => v }
;(async () => {
  const results = []
  for (const { file, feeds } of jobs) {
    const session = await ort.InferenceSession.create(file, { executionProviders: ['wasm'] })
    const tensors = Object.entries(feeds).map(([name, { type, values, dims }]) =>
      [name, new ort.Tensor(type, make[type](values), dims.map(Number))])
    const found = await session.run(Object.fromEntries(tensors))
    const last = found.probability ?? found.score
    results.push({ labels: [...found.label.data].map(Number), values: [...last.data].map(String), names: session.outputNames })
  }
  process.stdout.write(JSON.stringify(results), () => process.exit(0))
})()`

interface Feed {
  readonly type: 'uint8' | 'float32' | 'float64' | 'string'
  readonly values: readonly (string | number)[]
  readonly dims: readonly number[]
}

/** What onnxruntime makes of files of models. Numbers go as texts, because JSON has no NaN. */
function inRuntime(jobs: readonly { readonly file: string; readonly feeds: Readonly<Record<string, Feed>> }[]) {
  const module = createRequire(import.meta.url).resolve('onnxruntime-web')
  const input = JSON.stringify(jobs, (_, value) => (typeof value === 'number' ? String(value) : value))
  const text = execFileSync(process.execPath, ['-e', runtime, module], { input, encoding: 'utf8', maxBuffer: 1 << 26 })
  const results: { labels: number[]; values: string[]; names: string[] }[] = JSON.parse(text)
  return results.map(({ values, ...others }) => ({ ...others, values: values.map(Number) }))
}

/** Rows of the model with columns, by column, and whether Millrace refuses them. */
const texts: [cells: (number | string)[], isRefused?: boolean][] = [
  [[20, 'f', 0.5, 'lo', 'a\nb', '?']],
  [[Number.NaN, 'm', -2, '', 'é', 'NaN']],
  [[70, 'm', 1, 'another', 'é, "1"', 'another']],
  [[70, 'x', 1, 'hi', 'a\nb', '?'], true],
  [[70, '', 1, 'hi', 'a\nb', '?'], true],
  [[70, 'f', Number.NaN, 'hi', 'a\nb', '?'], true],
  [[70, 'f', Number.POSITIVE_INFINITY, 'hi', 'a\nb', '?'], true],
  [[70, 'f', 1, 'hi', 'another', ''], true],
]

t.test('onnxruntime predicts what Millrace predicts', async (t) => {
  const jobs = Object.entries(cases).map(([name, each]) => {
    const given = inputs(each.kind)
    const type = each.kind === 'bytes' ? ('uint8' as const) : ('float32' as const)
    const { file, stored } = exported(t, each)
    return { name, stored, given, file, feeds: { features: { type, values: [...given], dims: [rows, features] } } }
  })
  const { file, stored } = exported(t, withColumns)
  const names = ['age', 'label_2', 'label_3', 'column 3', '"W1"\n', 'W1']
  const feeds = names.map((name, j): [string, Feed] => [
    name,
    {
      type: columns[j]!.kind === 'number' ? 'float32' : 'string',
      values: texts.map(([cells]) => cells[j]!),
      dims: [texts.length, 1],
    },
  ])
  const results = inRuntime([...jobs, { file, feeds: Object.fromEntries(feeds) }])
  for (const [i, { name, stored, given }] of jobs.entries()) {
    const model = await loadModel(stored, { kernel: 'reference' })
    const own = model.predict(given)
    model.free()
    t.strictSame(results[i]!.labels, [...own.indices], `${name}: labels`)
    t.strictSame(results[i]!.names, ['label', own.kind])
    t.ok(new Set(own.indices).size > 1, 'not one class alone')
    const error = Math.max(...own.values.map((value, k) => Math.abs(value - results[i]!.values[k]!)))
    t.ok(error < 1e-5, `${name}: the largest difference is ${error}`)
  }
  const model = await loadModel(stored, { kernel: 'reference' })
  const { labels, values } = results.at(-1)!
  for (const [i, [cells, isRefused]] of texts.entries()) {
    const found = values.slice(i * classes, (i + 1) * classes)
    if (isRefused) {
      t.throws(() => model.predict([cells]), { code: 'DATA' }, `row ${i} is refused`)
      t.strictSame([labels[i], ...found], [-1, ...found.map(() => Number.NaN)], `row ${i}: NaN`)
      continue
    }
    const own = model.predict([cells])
    t.equal(labels[i], own.indices[0], `row ${i}`)
    t.ok(
      found.every((value, k) => Math.abs(value - own.values[k]!) < 1e-6),
      `row ${i}: probabilities`,
    )
  }
  model.free()
})

t.test('numbers far from 0 are float64 until their offset is subtracted', async (t) => {
  const scale = { mean: Float64Array.of(1, 0, 0), scale: Float64Array.of(1, 1, 2) }
  const models = [2, 3].map((width) => ({
    width,
    ...exported(t, {
      learner: softmax,
      parts: {
        shape: [width],
        columns: far.slice(0, width),
        arrays: [array('W', [classes, width]), array('b', [classes])],
        affine: { mean: scale.mean.slice(0, width), scale: scale.scale.slice(0, width) },
      },
    }),
  }))
  const column = (j: number, type: Feed['type']): Feed => ({
    type,
    values: farRows.map((row) => row[j]!),
    dims: [3, 1],
  })
  const features: Feed = { type: 'float64', values: farRows.flatMap((row) => row.slice(0, 2)), dims: [3, 2] }
  const results = inRuntime([
    { file: models[0]!.file, feeds: { features } },
    { file: models[1]!.file, feeds: { time: column(0, 'float64'), x: column(1, 'float32'), c: column(2, 'string') } },
  ])
  for (const [i, { stored, width }] of models.entries()) {
    const model = await loadModel(stored, { kernel: 'reference' })
    const own = model.predict(farRows.map((row) => row.slice(0, width)))
    model.free()
    t.strictSame(results[i]!.labels, [...own.indices])
    const error = Math.max(...own.values.map((value, k) => Math.abs(value - results[i]!.values[k]!)))
    t.ok(error < 1e-6, `the largest difference is ${error}`)
  }
})

t.test('a learner that is no network cannot be written', (t) => {
  const mine = defineLearner({
    ...softmax,
    name: 'mine',
    options: z.strictObject({}),
    network: undefined,
  } as unknown as typeof softmax)
  const { table } = readStoredModel(storedModel(t))
  t.throws(() => exportOnnx(table, mine), { code: 'DATA', message: /"mine" is no network of dense layers/ })
  const damaged = readStoredModel(storedModel(t, { arrays: [array('W', [2, 3])] })).table
  t.throws(() => exportOnnx(damaged, softmax), {
    code: 'DATA',
    message: 'the model has no numbers for the array b, expected 2',
  })
  t.end()
})

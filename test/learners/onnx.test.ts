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
  defineLearner,
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

const options = { hidden: [hidden], loss: 'cross-entropy', dropout: 0, smoothing: 0 }
const cases: Record<string, { learner: AnyLearner; parts: Partial<Model>; kind: 'bytes' | 'floats' | 'far' }> = {
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

function inputs(kind: 'bytes' | 'floats' | 'far'): Uint8Array | Float32Array {
  const length = rows * features
  if (kind === 'bytes') return Uint8Array.from({ length }, () => random.below(256))
  return normal(length).map((x) => (kind === 'far' ? Math.fround(1e6 + x) : x))
}

/** Writes the model as ONNX. */
function exported(t: Test, name: string): { file: string; stored: string } {
  const { learner, parts } = cases[name]!
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
  const files = Object.keys(cases).map((name) => exported(t, name).file)
  const about = execFileSync(python!, ['-c', check, ...files], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.strictSame(about[0], {
    classes: '["a","b","c","d"]',
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
const jobs = JSON.parse(require('node:fs').readFileSync(0, 'utf8'))
;(async () => {
  const results = []
  for (const { file, type, values, dims } of jobs) {
    const session = await ort.InferenceSession.create(file, { executionProviders: ['wasm'] })
    const data = type === 'uint8' ? Uint8Array.from(values) : Float32Array.from(values)
    const found = await session.run({ features: new ort.Tensor(type, data, dims) })
    const last = found.probability ?? found.score
    results.push({ labels: [...found.label.data].map(Number), values: [...last.data], names: session.outputNames })
  }
  process.stdout.write(JSON.stringify(results), () => process.exit(0))
})()`

t.test('onnxruntime predicts what Millrace predicts', async (t) => {
  const jobs = Object.keys(cases).map((name) => {
    const { file, stored } = exported(t, name)
    const { kind } = cases[name]!
    const values = inputs(kind)
    return {
      name,
      stored,
      given: values,
      job: { file, type: kind === 'bytes' ? 'uint8' : 'float32', values: [...values], dims: [rows, features] },
    }
  })
  const module = createRequire(import.meta.url).resolve('onnxruntime-web')
  const results = JSON.parse(
    execFileSync(process.execPath, ['-e', runtime, module], {
      input: JSON.stringify(jobs.map(({ job }) => job)),
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    }),
  )
  for (const [i, { name, stored, given }] of jobs.entries()) {
    const model = await loadModel(stored, { kernel: 'reference' })
    const own = model.predict(given)
    model.free()
    t.strictSame(results[i].labels, [...own.indices], `${name}: labels`)
    t.strictSame(results[i].names, ['label', own.kind])
    t.ok(new Set(own.indices).size > 1, 'not one class alone')
    const error = Math.max(...own.values.map((value, k) => Math.abs(value - results[i].values[k])))
    t.ok(error < 1e-5, `${name}: the largest difference is ${error}`)
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

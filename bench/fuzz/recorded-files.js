import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import {
  ArrowStreamWriter,
  arrowFile,
  exampleFields,
  examplesTable,
  kernelRows,
  layoutOf,
  metricsRows,
  metricsTable,
  modelOf,
  parametersTables,
  positioned,
  positionOf,
  predictionsTable,
  splitOf,
} from '../../dist/pipeline/stage-kit.js'
import { parameters } from '../../dist/stages/load/parameters.js'
import { wire } from '../../dist/stages/load/wire.js'
import { load } from './load.js'
import { absurdNumbers, mutated, prototypeKeys } from './mutations.js'

/** What `sink/arrow` writes of these tables. */
function recorded(tables) {
  const parts = []
  const writer = new ArrowStreamWriter((part) => parts.push(Buffer.from(part)), false)
  for (const table of tables) for (const batch of positioned(table)) writer.write(batch)
  return Buffer.concat(parts)
}

const placeOf = (step) => ({ epoch: Math.ceil(step / 2), step, epochs: 2, steps: 2 })
const steps = [1, 2, 3, 4]
const layout = { shape: [3], classes: ['no', 'yes'] }
const rowsOf = (values, step) =>
  examplesTable(exampleFields(layout, values), values, Int32Array.of(0, 1), 'train', step && placeOf(step))
const model = parametersTables({
  learner: 'network',
  options: { hidden: [2] },
  type: 'float32',
  ...layout,
  lambda: 0.1,
  arrays: [
    { name: 'W1', shape: [2, 3], values: Float32Array.of(1, 2, 3, 4, 5, 6) },
    { name: 'b1', shape: [2], values: new Float32Array(2) },
    { name: 'W2', shape: [2, 2], values: Float32Array.of(1, 2, 3, 4) },
    { name: 'b2', shape: [2], values: new Float32Array(2) },
  ],
})
const models = steps.map((step) => model(placeOf(step), 0.5 ** step))
const accuracy = { accuracy: { name: 'accuracy', title: 'Accuracy', better: 'higher' } }
const predictions = {
  classes: ['no', 'yes'],
  kind: 'probability',
  rows: Int32Array.of(0, 1),
  labels: Int32Array.of(1, -1),
  predicted: Int32Array.of(1, 0),
  values: Float64Array.of(0.25, 0.75, 0.5, 0.5),
}

/** What is recorded of each wire, and what the stages below read of it. */
const recordings = {
  examples: [
    [rowsOf(Uint8Array.of(1, 2, 3, 4, 5, 6))],
    (table) => [kernelRows(table), layoutOf(table), splitOf(table)],
  ],
  batch: [
    steps.map((step) => rowsOf(Float32Array.of(1, 2, 3, 4, 5, 6), step)),
    (table) => [kernelRows(table), layoutOf(table), positionOf(table)],
  ],
  parameters: [models, (table) => [modelOf(table), positionOf(table)]],
  metrics: [
    steps.map((step) => metricsTable(placeOf(step), { accuracy: 0.5 }, accuracy)),
    (table) => [metricsRows(table), positionOf(table)],
  ],
  predictions: [[predictionsTable(predictions, 'test', placeOf(4))], (table) => table.toArray().map(String)],
}

const bases = Object.values(recordings).flatMap(([tables]) => [recorded(tables), recorded(tables.slice(0, 1))])
const tokens = [
  [0, 0, 0, 0],
  [255, 255, 255, 255],
  [255, 255, 255, 127],
  [1, 0, 0, 0],
  [16, 0],
  ...[...prototypeKeys, ...absurdNumbers, 'network', 'hinge', '[3]', '[]', '{}', 'W1', 'features', 'label'].map(String),
].map((token) => Buffer.from(token))

async function replay({ content, wire: type }, folder) {
  const path = join(folder, 'x.arrows')
  writeFileSync(path, content)
  return load(wire, { path, wire: type }, 'x.arrows', recordings[type][1])
}

async function loadModel({ content }, folder) {
  const path = join(folder, 'parameters.arrow')
  writeFileSync(path, content)
  return load(parameters, { path }, 'parameters.arrow', modelOf)
}

/** The readers of what a run has recorded. */
export const recordedFiles = [
  {
    name: 'recorded wires',
    weight: 8,
    inputs: fc.record({ content: mutated(bases, tokens), wire: fc.constantFrom(...Object.keys(recordings)) }),
    check: replay,
  },
  {
    name: 'trained parameters',
    weight: 4,
    inputs: fc.record({ content: mutated([Buffer.from(arrowFile(models[0]))], tokens) }),
    check: loadModel,
  },
]

import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { tableFromIPC } from 'apache-arrow'
import { parse } from 'csv-parse/sync'
import t, { type Test } from 'tap'
import { exportParameters, Pipeline, readParameters, run } from '../../../dist/index.js'
import { npyOfNumbers } from '../../../dist/pipeline/formats/npy.js'
import { kernelRows, layoutOf, widthOf } from '../../../dist/pipeline/stage-kit.js'
import { temporary } from '../../stages/harness.js'

const skip = spawnSync('python3', ['-c', 'import numpy']).status !== 0 && 'python3 with numpy is not installed'

/** Predicts from the export alone and from features as they were loaded. */
const program = `
import json, numpy as np
p, x = np.load('p.npz'), np.load('x.npy').astype(float)
s = ((x - p['mean']) * p['scale']) @ p['W'].T + p['b']
e = np.exp(s - s.max(1, keepdims=True))
print(json.dumps({'predicted': p['classes'][s.argmax(1)].tolist(), 'score': s.max(1).tolist(),
                  'probability': (e.max(1) / e.sum(1)).tolist(), 'names': p['feature_names'].tolist() if 'feature_names' in p else None}))`

interface Predicted {
  readonly predicted: readonly string[]
  readonly score: readonly number[]
  readonly probability: readonly number[]
  readonly names: readonly string[] | null
}

/** What Millrace and NumPy say about the rows of the split `test`; `load` and `examples` are ids of the pipeline. */
async function bothOn(t: Test, pipeline: Pipeline, load: string, kernel: 'reference' | 'wasm') {
  const folder = temporary(t)
  const { directory } = await run(
    pipeline
      .insertAfter(load, { id: 'raw', use: 'sink/arrow', from: load, with: { path: 'raw.arrows' } })
      .insertAfter('metrics', {
        id: 'all',
        use: 'sink/predictions',
        from: { parameters: 'model', examples: 'examples' },
        with: { path: 'all', count: 1000, split: 'test', formats: ['svg'] },
      }),
    { out: join(folder, 'run'), kernel },
  )
  const parameters = readParameters(join(directory, 'parameters.arrow'))
  writeFileSync(join(folder, 'p.npz'), exportParameters(parameters, 'npz'))
  const raw = tableFromIPC(readFileSync(join(directory, 'raw.arrows')))
  const { values } = kernelRows(raw)
  const width = widthOf(layoutOf(raw).shape)
  const rows = [...raw.getChild('split')!].flatMap((split, i) => (split === 'test' ? [i] : []))
  const features = rows.flatMap((i) => [...values.subarray(i * width, (i + 1) * width)])
  writeFileSync(join(folder, 'x.npy'), npyOfNumbers(Float64Array.from(features), [rows.length, width]))
  const numpy: Predicted = JSON.parse(execFileSync('python3', ['-c', program], { cwd: folder, encoding: 'utf8' }))
  const millrace: Record<string, string>[] = parse(readFileSync(join(directory, 'all.csv')), { columns: true })
  t.equal(millrace.length, rows.length, 'every row of the split is there')
  const numbers = raw.getChild('row')!
  /** Where the rows of the source stand in the split. */
  const places = new Map(rows.map((i, place) => [Number(numbers.get(i)), place]))
  return { numpy, millrace, places, isBytes: values instanceof Uint8Array }
}

function compare(t: Test, { numpy, millrace, places }: Awaited<ReturnType<typeof bothOn>>, tolerance: number): void {
  const kind = 'probability' in millrace[0]! ? 'probability' : 'score'
  for (const { row, predicted, [kind]: confidence } of millrace) {
    const i = places.get(Number(row))!
    t.equal(numpy.predicted[i], predicted, `row ${i}`)
    const off = Math.abs(numpy[kind][i]! - Number(confidence))
    t.ok(off <= tolerance * Math.max(1, Math.abs(Number(confidence))), `${kind} of row ${i} is off by ${off}`)
  }
}

t.test('NumPy predicts digits from the export as Millrace does, from uint8 features', { skip }, async (t) => {
  const pipeline = await Pipeline.load('digits', { set: ['epochs=3'] })
  for (const [kernel, tolerance] of [
    ['reference', 1e-10],
    ['wasm', 1e-4],
  ] as const) {
    const both = await bothOn(t, pipeline, 'digits', kernel)
    t.ok(both.isBytes)
    t.equal(both.numpy.names, null)
    compare(t, both, tolerance)
  }
})

t.test('NumPy predicts the rows of a CSV as Millrace does, from float features far from zero', { skip }, async (t) => {
  const lines = Array.from({ length: 90 }, (_, i) => {
    const [x, y, z] = [1e4 + ((i * 37) % 50), 0.001 * ((i * 11) % 17), -5 + (i % 3)]
    return `${x},${y},${['rot', 'blau', 'grün'][i % 3]},${z + (i % 7) / 3},4`
  })
  const folder = temporary(t, { 'data.csv': `länge,"b, c",kind,z,constant\n${lines.join('\n')}\n` })
  const stages = [
    {
      id: 'csv',
      use: 'load/csv',
      with: { path: `${folder}/data.csv`, label: 'kind', fractions: { train: 0.6, test: 0.4 } },
    },
    { use: 'normalize/standardize' },
    { id: 'examples', use: 'normalize/scale', with: { subtract: 0.5, divideBy: 2 } },
    { use: 'batch/rows', with: { size: 10, epochs: 20 } },
    { id: 'model', use: 'gradient-step/softmax', with: { eta: 0.3 } },
    { id: 'metrics', use: 'evaluate/classification', from: { parameters: 'model', examples: 'examples' } },
    { use: 'sink/parameters', from: 'model' },
  ]
  const pipeline = await Pipeline.define({ name: 'small', stages })
  for (const [kernel, tolerance] of [
    ['reference', 1e-5],
    ['wasm', 1e-4],
  ] as const) {
    const both = await bothOn(t, pipeline, 'csv', kernel)
    t.notOk(both.isBytes)
    t.strictSame(both.numpy.names, ['länge', 'b, c', 'z', 'constant'])
    compare(t, both, tolerance)
  }
})

t.test('NumPy predicts with the learner of examples/hinge.js as Millrace does', { skip }, async (t) => {
  const file = fileURLToPath(new URL('../../../examples/hinge.yaml', import.meta.url))
  const pipeline = await Pipeline.load(file, { set: ['epochs=3'] })
  const both = await bothOn(t, pipeline, 'digits', 'reference')
  t.ok('score' in both.millrace[0]!)
  compare(t, both, 1e-10)
})

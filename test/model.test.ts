import { copyFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { tableFromArrays, vectorFromArray } from 'apache-arrow'
import t from 'tap'
import { type GivenRows, loadModel } from '../dist/index.js'
import { hostKernelNames, type KernelName } from '../dist/kernels/index.js'
import { implementations } from '../dist/kernels/registry.js'
import { softmax } from '../dist/learners/index.js'
import { type Column, defineLearner, exampleFields, examplesTable, z } from '../dist/pipeline/stage-kit.js'
import { storedModel } from './models.js'

const affine = { mean: Float64Array.of(1, 2, 3), scale: Float64Array.of(0.5, 2, 0) }

/** What the model of `storedModel` makes of a row: computed by hand. */
function expected(row: readonly number[], { mean, scale } = affine): number[] {
  const z = row.map((x, j) => (x - mean[j]!) * scale[j]!)
  const scores = [z[0]! - z[2]! + 0.25, 0.5 * z[0]! + 2 * z[1]! + z[2]! - 0.5]
  const powers = scores.map(Math.exp)
  return powers.map((power) => power / (powers[0]! + powers[1]!))
}

const rows = [
  [1, 2, 3],
  [4, 1, 0],
  [0, 4, 7],
]

for (const kernel of hostKernelNames as readonly KernelName[])
  t.test(`the ${kernel} kernel predicts what the formula says`, async (t) => {
    const missing = await implementations[kernel].missing()
    if (missing !== undefined) return t.pass(missing)
    const model = await loadModel(storedModel(t, { affine, names: ['a', 'b', 'c'] }), { kernel })
    t.teardown(model.free)
    t.match(model, {
      classes: ['no', 'yes'],
      shape: [3],
      names: ['a', 'b', 'c'],
      learner: 'softmax',
      version: undefined,
    })
    // One row is scored in another way than many.
    for (const given of [rows, rows.slice(0, 1), rows.slice(1, 2)]) {
      const { values, labels, indices, count, kind } = model.predict(given)
      t.equal(count, given.length)
      t.equal(kind, 'probability')
      for (const [i, row] of given.entries()) {
        const [no, yes] = expected(row)
        t.ok(Math.abs(values[2 * i]! - no!) < 1e-6 && Math.abs(values[2 * i + 1]! - yes!) < 1e-6)
        t.equal(labels[i], yes! > no! ? 'yes' : 'no')
        t.equal(indices[i], yes! > no! ? 1 : 0)
      }
    }
    const { label, confidence, values } = model.predict(rows).row(2)
    t.strictSame([label, confidence], ['yes', values.yes])
    t.throws(() => model.predict(rows).row(3), RangeError)
  })

t.test('rows of any kind are the same rows', async (t) => {
  const model = await loadModel(storedModel(t, { affine, names: ['a', 'b', 'c'], label: 'ill' }), {
    kernel: 'reference',
  })
  const { values } = model.predict(rows)
  const flat = rows.flat()
  const fields = exampleFields({ shape: [3], classes: ['no', 'yes'] }, new Float32Array(0))
  const kinds: Record<string, GivenRows> = {
    'lists of typed arrays': rows.map((row) => Float64Array.from(row)),
    'one list of numbers': flat,
    bytes: Uint8Array.from(flat),
    float32: Float32Array.from(flat),
    float64: Float64Array.from(flat),
    int16: Int16Array.from(flat),
    'objects in any order': rows.map(([a, b, c]) => ({ c, a, b })),
    'objects with the label': rows.map(([a, b, c]) => ({ a, b, c, ill: 'yes' })),
    'texts and bigints of numbers': rows.map(([a, b, c]) => ({ a: String(a), b: BigInt(b!), c })),
    'columns of an Arrow table': tableFromArrays({
      b: Int32Array.from(rows, (row) => row[1]!),
      c: Float64Array.from(rows, (row) => row[2]!),
      a: Float32Array.from(rows, (row) => row[0]!),
    }),
    'an Arrow table of examples': examplesTable(fields, Float32Array.from(flat), new Int32Array(3), 'x'),
  }
  for (const [kind, given] of Object.entries(kinds)) {
    const found = model.predict(given)
    t.equal(found.count, 3, kind)
    t.ok(
      found.values.every((value, i) => Math.abs(value - values[i]!) < 1e-12),
      kind,
    )
  }
  const slice = examplesTable(fields, Float32Array.from(flat), new Int32Array(3), 'x').slice(1, 3)
  t.strictSame(model.predict(slice).labels, model.predict(rows.slice(1)).labels, 'a slice of a table')
  t.strictSame(model.predict({ a: 1, b: 2, c: 3 }).count, 1, 'one object is one row')
  for (const none of [[], new Float32Array(0)]) t.equal(model.predict(none).count, 0, 'no rows')
  const [first, second] = [model.predict(rows), model.predict([[9, 9, 9]])]
  t.notSame(first.values.slice(0, 2), second.values, 'a later call does not change an earlier result')
  t.strictSame(first.values, values)
  model.free()
  model.free()
  t.throws(() => model.predict(rows), { code: 'ARGUMENTS', message: 'the model has been freed' })
})

const columns: Column[] = [
  { kind: 'number', name: 'age', fill: 30 },
  { kind: 'category', name: 'sex', encode: 'one-hot', categories: ['f', 'm'], unseen: 'error' },
]

t.test('flat lists may hold a BigInt', async (t) => {
  const model = await loadModel(storedModel(t), { kernel: 'reference' })
  t.teardown(model.free)
  const { values } = model.predict([1, 2, 3])
  for (const given of [[1n, 2n, 3n], [1, 2n, 3], BigInt64Array.of(1n, 2n, 3n)])
    t.same(model.predict(given as unknown as GivenRows).values, values)
})

t.test('texts become the features of their category, missing cells are filled', async (t) => {
  const model = await loadModel(storedModel(t, { columns, names: ['age', 'sex=f', 'sex=m'] }), { kernel: 'reference' })
  t.teardown(model.free)
  const encoded = model.predict([30, 0, 1]).values
  for (const row of [[30, 'm'], [null, 'm'], { sex: 'm', age: undefined }, { sex: 'm', age: Number.NaN }])
    t.strictSame(model.predict([row] as GivenRows).values, encoded)
})

t.test('rows that are not what the model takes are told by row and column', async (t) => {
  const named = await loadModel(storedModel(t, { columns, names: ['age', 'sex=f', 'sex=m'], label: 'ill' }), {
    kernel: 'reference',
  })
  const plain = await loadModel(storedModel(t), { kernel: 'reference' })
  t.teardown(() => [named, plain].map((model) => model.free()))
  const good = { age: 1, sex: 'f' }
  const wrong: [model: typeof named, rows: unknown, message: RegExp | string][] = [
    [named, [good, { age: 1 }], 'row 1: the column sex of the model is missing'],
    [named, [{ Age: 1, sex: 'f' }], 'row 0: the column age of the model is missing; got Age instead'],
    [named, [{ ...good, x: 1 }], 'row 0: the model has no column "x"; columns: age, sex'],
    [named, [good, { age: 'old', sex: 'f' }], 'row 1: column age: expected a finite number, got "old"'],
    [named, [{ age: ' ', sex: 'f' }], /^row 0: column age: expected a number, got " +"$/],
    [named, [{ age: true, sex: 'f' }], 'row 0: column age: expected a number, got true'],
    [named, [{ age: [5], sex: 'f' }], 'row 0: column age: expected a number, got a list'],
    [named, [{ age: 1e300, sex: 'f' }], /^row 0: column age: expected a number that float32 can hold/],
    [named, [{ age: 1, sex: 'x' }], 'row 0: column sex: expected one of f, m, got "x"'],
    [named, [{ age: 1, sex: null }], 'row 0: column sex: expected a category, got nothing'],
    [named, [[1]], 'row 0: expected 2 columns (column age, column sex), got 1'],
    [named, [1, 'f'], /^expected 3 features for each row, got 2 numbers; a row that is not all numbers/],
    [named, [3, Number.NaN, 1], 'row 0: feature 1: expected a finite number, got NaN'],
    [named, [good, null], 'row 1: expected a list or an object of cells, got null'],
    [
      plain,
      [
        [1, 2, 3],
        [1, 2],
      ],
      'row 1: expected 3 features, got 2',
    ],
    [plain, [[1, 2, 'x']], 'row 0: feature 2: expected a finite number, got "x"'],
    [plain, [[1, null, 3]], 'row 0: feature 1: expected a finite number, got null'],
    [plain, new Float32Array(4), /^expected 3 features for each row, got 4 numbers/],
    [
      plain,
      Float64Array.of(1, 2, 3, 4, Number.POSITIVE_INFINITY, 6),
      'row 1: feature 1: expected a finite number, got Infinity',
    ],
    [plain, [{ a: 1 }], 'row 0: the model knows no names of its 3 features; give a list of numbers'],
    [plain, tableFromArrays({ a: Int32Array.of(1) }), /^the table: the model knows no names/],
    [plain, null, 'expected rows, got null'],
    [plain, 'x', 'expected rows, got string'],
    [
      named,
      tableFromArrays({ age: Int32Array.of(1), s: vectorFromArray(['f']) }),
      'the table: the column sex of the model is missing; got s instead',
    ],
  ]
  for (const [model, rows, message] of wrong)
    t.throws(() => model.predict(rows as GivenRows), { code: 'DATA', message }, String(message))
})

t.test('a network predicts with running averages, a hinge model gives scores', async (t) => {
  const arrays = [
    { name: 'W1', shape: [2, 3], values: Float32Array.of(1, 2, 3, -1, 0, 1) },
    { name: 'b1', shape: [2], values: Float32Array.of(0.5, -1) },
    { name: 'gamma1', shape: [2], values: Float32Array.of(2, 1) },
    { name: 'beta1', shape: [2], values: Float32Array.of(0, 0.5) },
    { name: 'mean1', shape: [2], values: Float32Array.of(3, 1) },
    { name: 'variance1', shape: [2], values: Float32Array.of(4, 0.25) },
    { name: 'W2', shape: [2, 2], values: Float32Array.of(1, -1, 0.5, 1) },
    { name: 'b2', shape: [2], values: Float32Array.of(0, 1) },
    { name: 'batchesSeen', shape: [1], values: Float32Array.of(7) },
  ]
  const options = { hidden: [2], loss: 'hinge', batchNorm: true, dropout: 0, smoothing: 0 }
  const path = storedModel(t, { learner: 'network', options, arrays })
  const hidden = [
    Math.max(0, (2 * (1 + 4 + 9 + 0.5 - 3)) / Math.sqrt(4 + 1e-5)),
    Math.max(0, (-1 + 3 - 1 - 1) / Math.sqrt(0.25 + 1e-5) + 0.5),
  ]
  const scores = [hidden[0]! - hidden[1]!, 0.5 * hidden[0]! + hidden[1]! + 1]
  for (const kernel of ['wasm', 'reference'] as const) {
    const model = await loadModel(path, { kernel })
    for (const count of [1, 5]) {
      const { values, kind } = model.predict(Array.from({ length: count }, () => [1, 2, 3]))
      t.equal(kind, 'score')
      t.ok(
        Math.abs(values[0]! - scores[0]!) < 1e-5 && Math.abs(values[1]! - scores[1]!) < 1e-5,
        `${kernel}, ${count} rows`,
      )
    }
    model.free()
  }
})

t.test('a learner that does not come with Millrace is given', async (t) => {
  const path = storedModel(t, { learner: 'mine' })
  await t.rejects(loadModel(path), {
    code: 'DATA',
    message: /made by the learner "mine", which does not come with Millrace/,
  })
  const mine = defineLearner({ ...softmax, name: 'mine', options: z.strictObject({}) })
  const model = await loadModel(path, { learners: [mine], kernel: 'reference' })
  t.equal(model.learner, 'mine')
  model.free()
})

t.test('a learner with the name of one that comes with Millrace is never taken for it', async (t) => {
  const path = storedModel(t)
  const run = dirname(path)
  const opposite = defineLearner({ ...softmax, scores: 'other', options: z.strictObject({}) })
  const given = await loadModel(path, { learners: [opposite], kernel: 'reference' })
  t.equal(given.predict([[1, 2, 3]]).kind, 'score')
  given.free()
  const write = (...uses: string[]): void =>
    writeFileSync(join(run, 'pipeline.yaml'), `stages: [${uses.map((use) => `{ use: ${use} }`)}]`)
  write('load/digits', './mine.js')
  await t.rejects(loadModel(run), {
    code: 'DATA',
    message: /by a learner "softmax" of a stage file of the run, not by/,
  })
  write('load/digits', './noise.js', 'gradient-step/softmax')
  const own = await loadModel(run, { kernel: 'reference' })
  t.equal(own.predict([[1, 2, 3]]).kind, 'probability')
  own.free()
})

t.test('arrays that do not fit the learner are told', async (t) => {
  const [W, b] = ['W', 'b'].map((name) => ({ name, shape: [2, 2], values: new Float32Array(4) }))
  const message = 'the model does not fit its learner "softmax": expected the array W of 2×3, found 2×2'
  await t.rejects(loadModel(storedModel(t, { arrays: [W!, b!] })), { code: 'DATA', message })
  const options = { hidden: [2], loss: 'hinge', batchNorm: true }
  const other = loadModel(storedModel(t, { learner: 'network', options }))
  await t.rejects(other, { code: 'DATA', message: /its learner "network": expected the array W1 of 2×3, found none$/ })
  const broken = loadModel(storedModel(t, { learner: 'network', options: { hidden: 'x' } }))
  await t.rejects(broken, { code: 'DATA' })
})

t.test('the run says which version made the model; its best parameters are a file of their own', async (t) => {
  const path = storedModel(t)
  const run = dirname(path)
  copyFileSync(storedModel(t, { classes: ['a', 'b'] }), join(run, 'best.arrow'))
  writeFileSync(join(run, 'run.json'), '{ "versions": { "millrace": "1.2.3" } }')
  const [last, best] = [await loadModel(run), await loadModel(run, { which: 'best' })]
  t.teardown(() => [last, best].map((model) => model.free()))
  t.strictSame([last.version, last.classes, best.classes], ['1.2.3', ['no', 'yes'], ['a', 'b']])
  await t.rejects(loadModel(run, { which: 'nope.arrow' }), { code: 'DATA', message: /holds no nope\.arrow: it has / })
  const old = loadModel('test/fixtures/0.1.0/digits')
  await t.rejects(old, {
    code: 'DATA',
    message: /does not say how features were standardised, as in files of version 0/,
  })
})

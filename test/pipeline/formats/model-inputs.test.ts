import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { storedModelFile } from '../../../dist/pipeline/formats/model-inputs.js'
import { type Column, modelFacts, readModelInputs, readStoredModel } from '../../../dist/pipeline/stage-kit.js'
import { storedModel } from '../../models.js'
import { temporary } from '../../stages/harness.js'

const columns: Column[] = [
  { kind: 'number', name: 'age', fill: 30 },
  { kind: 'category', name: 'sex', encode: 'one-hot', categories: ['f', 'm'], unseen: 'error' },
]

t.test('a model knows its columns, label, classes, shape and type', (t) => {
  const names = ['age', 'sex=f', 'sex=m']
  const path = storedModel(t, { names, columns, label: 'ill', type: 'float32' })
  const found = { shape: [3], names, columns, label: 'ill', classes: ['no', 'yes'], type: 'float32' }
  t.strictSame(readModelInputs(path), found)
  t.strictSame(readModelInputs(dirname(path)), found, 'a run directory')
  t.equal(readStoredModel(path).source.sha256.length, 64)
  const old = storedModel(t, { type: undefined })
  t.equal(readModelInputs(old).type, undefined)
  t.throws(() => readStoredModel(old), { code: 'DATA', message: /does not say how features were standardised/ })
  t.end()
})

t.test('features that have names alone are number columns; features without names are not named', (t) => {
  const { columns } = readModelInputs(storedModel(t, { names: ['a', 'b', 'c'] }))
  t.strictSame(columns, [
    { kind: 'number', name: 'a' },
    { kind: 'number', name: 'b' },
    { kind: 'number', name: 'c' },
  ])
  t.match(readModelInputs(storedModel(t)), { columns: undefined, names: undefined, label: undefined, type: 'float32' })
  t.end()
})

t.test('what is no model says so', (t) => {
  const path = storedModel(t)
  const folder = dirname(path)
  const empty = temporary(t)
  const besides = temporary(t)
  copyFileSync(path, join(besides, 'best.arrow'))
  const linked = temporary(t)
  symlinkSync(path, join(linked, 'parameters.arrow'))
  mkdirSync(join(folder, 'folder.arrow'))
  writeFileSync(join(folder, 'cut.arrow'), readFileSync(path).subarray(0, 300))
  writeFileSync(join(folder, 'empty.arrow'), '')
  writeFileSync(join(folder, 'text.arrow'), 'a,b\n1,2\n')
  const cases: [path: string, message: RegExp][] = [
    [join(folder, 'nope'), /^cannot read .*nope: no such file or directory$/],
    [empty, /holds no parameters\.arrow: a run writes parameters\.arrow with sink\/parameters/],
    [besides, /holds no parameters\.arrow: it has .*best\.arrow; give that file$/],
    [linked, /parameters\.arrow: it is a symbolic link, which is not followed$/],
    [join(folder, 'cut.arrow'), /cut\.arrow does not hold parameters: /],
    [join(folder, 'empty.arrow'), /empty\.arrow does not hold parameters: /],
    [join(folder, 'text.arrow'), /text\.arrow does not hold parameters: /],
    [join(folder, 'folder.arrow'), /holds no parameters\.arrow/],
    [storedModel(t, { columns: columns.slice(0, 1) }), /expected columns that make 3 features$/],
    [storedModel(t, { columns: [{ kind: 'lists' }] as unknown as Column[] }), /expected columns that make 3 features$/],
    [storedModel(t, { type: 'int8' as 'uint8' }), /the metadata is damaged$/],
  ]
  for (const [given, message] of cases) t.throws(() => readModelInputs(given), { code: 'DATA', message }, given)
  t.end()
})

t.test('facts are known before data is read, and tell a damaged model', (t) => {
  const problems: string[] = []
  const problem = (path: string, message: string) => problems.push(`${path}: ${message}`)
  t.strictSame(modelFacts(storedModel(t), problem), { splits: ['data'], shape: [3], classes: ['no', 'yes'] })
  t.strictSame(modelFacts('nope', problem), { splits: ['data'] }, 'the check of the input files tells that')
  t.strictSame(problems, [])
  t.strictSame(modelFacts(temporary(t), problem), { splits: ['data'] })
  t.match(problems, [/^model: .* holds no parameters\.arrow/])
  t.end()
})

t.test('the best parameters are a file beside the last', (t) => {
  const path = storedModel(t)
  const folder = dirname(path)
  t.equal(storedModelFile(folder), folder)
  t.throws(() => storedModelFile(folder, 'best'), {
    code: 'DATA',
    message: /holds no best\.arrow: it has .*parameters/,
  })
  copyFileSync(path, join(folder, 'best.arrow'))
  t.equal(storedModelFile(folder, 'best'), join(folder, 'best.arrow'))
  t.equal(storedModelFile(path, 'best'), path, 'a file is itself')
  t.throws(() => storedModelFile(folder, '../other.arrow'), { code: 'DATA', message: /it lies outside of/ })
  symlinkSync(path, join(folder, 'linked.arrow'))
  t.throws(() => storedModelFile(folder, 'linked.arrow'), { code: 'DATA', message: /it is a symbolic link/ })
  t.end()
})

import { resolve } from 'node:path'
import t from 'tap'
import { builtInFolder, builtInNames, findDefinition } from '../../../dist/pipeline/definition/find.js'
import { inside } from '../../stages/harness.js'

t.test('the built-in pipelines are listed by the names that run takes', async (t) => {
  const names = builtInNames()
  for (const name of ['digits', 'csv', 'cifar10/experiment-1', 'cifar10/experiment-4']) t.ok(names.includes(name), name)
  t.strictSame(names, [...names].sort())
  for (const name of names) t.equal(findDefinition(name), `${builtInFolder}/${name}.yaml`)
})

t.test('findDefinition prefers a file, then a built-in pipeline by its name or the last part of it', async (t) => {
  inside(t, t.testdir({ 'mine.yaml': '', bare: '', 'digits.yaml': '', csv: {}, folder: {} }))
  for (const [name, path] of [
    ['mine.yaml', 'mine.yaml'],
    ['./mine.yaml', 'mine.yaml'],
    [resolve('mine.yaml'), 'mine.yaml'],
    ['bare', 'bare'],
    ['digits.yaml', 'digits.yaml'],
    ['digits', `${builtInFolder}/digits.yaml`],
    ['experiment-3', `${builtInFolder}/cifar10/experiment-3.yaml`],
    ['csv', `${builtInFolder}/csv.yaml`],
    ['folder', 'folder'],
  ] as const)
    t.equal(findDefinition(name), resolve(path), name)
})

t.test('an unknown name is refused, with the most similar name or a list of all', async (t) => {
  const folder = t.testdir({ 'a.csv': '' })
  t.throws(() => findDefinition('a.csv', folder), {
    code: 'DEFINITION',
    message: 'a.csv is data, no pipeline; millrace create --from a.csv --out a.yaml makes a pipeline for it',
  })
  t.throws(() => findDefinition('digit'), {
    code: 'DEFINITION',
    message: 'no file and no built-in pipeline named "digit"; did you mean "digits"?',
  })
  t.throws(() => findDefinition('teleportation'), { message: /named "teleportation"; built in: .*digits/ })
  t.throws(() => findDefinition(''), { message: /named ""; built in: / })
})

t.test('the name of a missing file is returned, and reading it fails later', async (t) => {
  for (const name of ['gone.yaml', 'gone.yml']) t.equal(findDefinition(name), name)
})

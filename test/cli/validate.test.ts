import { readdirSync } from 'node:fs'
import t from 'tap'
import { millrace } from './in-process.js'

t.test('validate says which pipelines are sound', async (t) => {
  const { code, stdout } = await millrace(['validate', 'digits', 'cifar10/experiment-1'], t.testdir())
  t.equal(code, 0)
  t.equal(stdout, 'digits: sound, 12 stages\ncifar10/experiment-1: sound, 13 stages\n')
})

t.test('validate lists the problems of every file, counts them, exits 2 and creates nothing', async (t) => {
  const cwd = t.testdir({ 'a.yaml': 'stages: 3\n', 'b.yaml': 'stages:\n  - use: load/digits\n    wiht: {}\n' })
  const { code, stderr } = await millrace(['validate', 'a.yaml', 'digits', 'b.yaml'], cwd)
  t.equal(code, 2)
  t.equal(
    stderr,
    [
      'a.yaml:1:9  stages: expected a list of mappings with use, id, with and from, got 3',
      'b.yaml:3:5  stages[0]: unknown key "wiht"; did you mean "with"?',
      '2 problems',
      '',
    ].join('\n'),
  )
  t.same(readdirSync(cwd).sort(), ['a.yaml', 'b.yaml'])
})

t.test('validate --json is for programs', async (t) => {
  const cwd = t.testdir({ 'a.yaml': 'stages: 3\n' })
  const { code, stdout } = await millrace(['validate', '--json', 'a.yaml'], cwd)
  t.equal(code, 2)
  t.match(JSON.parse(stdout), { valid: false, problems: [{ where: 'a.yaml:1:9' }] })
})

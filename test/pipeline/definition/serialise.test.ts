import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readDefinition } from '../../../dist/pipeline/definition/read.js'
import { serialise, serialiseVars } from '../../../dist/pipeline/definition/serialise.js'
import { plain } from '../../../dist/pipeline/definition/value.js'

function definition(t: Test, text: string) {
  const file = join(t.testdir(), 'p.yaml')
  writeFileSync(file, text)
  return readDefinition(file, { environment: { HOME: '/home/${b}' } })
}

t.test('options are serialised with their references, and a literal "${" is escaped', (t) => {
  const { stages, vars } = definition(
    t,
    'vars: { a: 1, b: { c: x } }\nstages:\n  - use: load/csv\n' +
      '    with: { x: "${a}", y: ["${b}", "${a}0"], z: "$${a}", h: "${HOME}" }\n',
  )
  t.strictSame(serialise(stages[0]!.with, vars), { x: '${a}', y: ['${b}', '10'], z: '$${a}', h: '/home/$${b}' })
  t.strictSame(serialise(stages[0]!.with), { x: 1, y: [{ c: 'x' }, '10'], z: '$${a}', h: '/home/$${b}' })
  t.strictSame(plain(stages[0]!.with), { x: 1, y: [{ c: 'x' }, '10'], z: '${a}', h: '/home/${b}' })
  t.end()
})

t.test('the vars are those that stages, the seed or other vars refer to; the environment is resolved', (t) => {
  const found = definition(
    t,
    `seed: "\${s}"
vars: { unused: 1, s: 7, a: "\${b}", b: { c: ["\${d}"] }, d: "\${HOME}", part: 3, m: model }
stages:
  - use: load/digits
    with: { x: { y: "\${a}" }, z: "z\${part}" }
  - use: sink/csv
    from: "\${m}"
`,
  )
  t.equal(found.seed, 7)
  t.equal(found.seedReference, 's')
  t.strictSame(serialiseVars(found), { s: 7, a: '${b}', b: { c: ['${d}'] }, d: '/home/$${b}', m: 'model' })
  t.end()
})

t.test('a seed from the command line refers to no var', (t) => {
  const file = join(t.testdir({ 'p.yaml': 'seed: "${s}"\nvars: { s: 7 }\nstages:\n  - use: load/digits\n' }), 'p.yaml')
  t.equal(readDefinition(file, { seed: 3 }).seedReference, undefined)
  t.equal(readDefinition(file, { set: ['s=3'] }).seedReference, 's')
  t.end()
})

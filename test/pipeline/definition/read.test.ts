import t, { type Test } from 'tap'
import { defaultId } from '../../../dist/pipeline/definition/entries.js'
import { type Definition, type ReadOptions, readDefinition } from '../../../dist/pipeline/definition/read.js'
import { plain } from '../../../dist/pipeline/definition/value.js'

/** Reads `p.yaml` in a folder with these files. */
function read(t: Test, files: Record<string, string>, options: ReadOptions = {}): Definition {
  return readDefinition(`${t.testdir(files)}/p.yaml`, { environment: {}, ...options })
}

/** Stages as `id use options from`, for comparing. */
function stagesOf({ stages }: Definition) {
  return stages.map((stage) => [stage.id, stage.use, plain(stage.with), stage.from && plain(stage.from)])
}

const base = `name: base
seed: 3
description: The base.
vars: { n: 1, m: 2 }
stages:
  - use: a/load
    with: { n: "\${n}", m: "\${m}" }
  - id: model
    use: a/model
    from: load
    with: { eta: 1, init: { normal: 1 } }
`
const load = ['load', 'a/load', { n: 1, m: 2 }, undefined]
const model = ['model', 'a/model', { eta: 1, init: { normal: 1 } }, 'load']

t.test('a definition is read with its references resolved', async (t) => {
  const definition = read(t, { 'p.yaml': base })
  t.match(definition, { name: 'base', seed: 3, description: 'The base.' })
  t.strictSame(stagesOf(definition), [load, model])
  t.strictSame(
    [...definition.vars].map(([name, value]) => [name, plain(value)]),
    [
      ['n', 1],
      ['m', 2],
    ],
  )
})

t.test('the default name is that of the file, the default seed is 0', async (t) => {
  const definition = read(t, { 'p.yaml': 'stages:\n  - use: a/load\n' })
  t.match(definition, { name: 'p', seed: 0, description: undefined })
})

t.test('the seed of the splits is the one in the file, whatever the seed of the run', async (t) => {
  const stages = 'stages:\n  - use: a/load\n'
  const varied = `vars: { s: 3 }\nseed: "\${s}"\n${stages}`
  const cases: [text: string, options: ReadOptions, seed: number, splitSeed: number][] = [
    [`seed: 3\n${stages}`, {}, 3, 3],
    [`seed: 3\n${stages}`, { seed: 7 }, 7, 3],
    [`seed: 3\n${stages}`, { set: ['seed=7'] }, 7, 3],
    [varied, { set: ['s=7'] }, 7, 3],
    [stages, { seed: 7 }, 7, 0],
    [`seed: 3\nsplitSeed: 5\n${stages}`, { seed: 7 }, 7, 5],
    [`seed: 3\n${stages}`, { set: ['splitSeed=5'] }, 3, 5],
  ]
  for (const [text, options, seed, splitSeed] of cases)
    t.match(read(t, { 'p.yaml': text }, options), { seed, splitSeed })
  t.match(read(t, { 'base.yaml': `splitSeed: 4\n${stages}`, 'p.yaml': 'extends: base.yaml\nseed: 9\n' }), {
    seed: 9,
    splitSeed: 4,
  })
  t.throws(() => read(t, { 'p.yaml': `splitSeed: -1\n${stages}` }), {
    message: /p\.yaml:1:12 {2}splitSeed: expected a non-negative integer, got -1$/,
  })
})

t.test('a seed may be a reference', async (t) => {
  t.equal(read(t, { 'p.yaml': 'seed: ${SEED:-7}\nstages:\n  - use: a/load\n' }).seed, 7)
  t.equal(read(t, { 'p.yaml': 'seed: ${SEED:-7}\nstages:\n  - use: a/load\n' }, { environment: { SEED: '9' } }).seed, 9)
})

t.test('keys that begin with "x-" are ignored; they are for anchors and notes', async (t) => {
  const definition = read(t, {
    'p.yaml': 'x-step: &step { n: 1 }\nx-note: any\nstages:\n  - use: a/load\n    with: *step\n',
  })
  t.strictSame(stagesOf(definition), [['load', 'a/load', { n: 1 }, undefined]])
})

t.test('the default id is the last part of "use"', async (t) => {
  for (const [use, id] of [
    ['load/csv', 'csv'],
    ['./stages/my-step.js', 'my-step'],
    ['../x.test.mts', 'x-test'],
    ['@scope/package', 'package'],
    ['./a.js#second', 'a-js-second'],
    ['plain', 'plain'],
  ] as const)
    t.equal(defaultId(use), id, use)
})

t.test('extends inherits: each own var replaces one, own stages replace all', async (t) => {
  const own = read(t, { 'base.yaml': base, 'p.yaml': 'extends: base.yaml\nvars: { m: 5, k: 6 }\n' })
  t.match(own, { name: 'p', seed: 3, description: 'The base.' })
  t.strictSame(stagesOf(own), [['load', 'a/load', { n: 1, m: 5 }, undefined], model])
  const replaced = read(t, { 'base.yaml': base, 'p.yaml': 'extends: base.yaml\nseed: 0\nstages:\n  - use: b/load\n' })
  t.equal(replaced.seed, 0)
  t.strictSame(stagesOf(replaced), [['load', 'b/load', {}, undefined]])
})

t.test('extends works over several files, each path relative to its own file', async (t) => {
  const folder = t.testdir({
    'p.yaml': 'extends: deep/middle.yaml\nvars: { n: 7 }\n',
    deep: { 'middle.yaml': 'extends: ../base.yaml\nvars: { n: 8, m: "${here}" }\n' },
    'base.yaml': base,
  })
  const definition = readDefinition(`${folder}/p.yaml`, { environment: {} })
  t.strictSame(stagesOf(definition)[0], ['load', 'a/load', { n: 7, m: `${folder}/deep` }, undefined])
})

t.test('extends finds a file beside the definition, and then a built-in pipeline by its name', async (t) => {
  const folder = t.testdir({
    'p.yaml': 'extends: digits\nvars: { epochs: 2 }\n',
    'q.yaml': 'extends: experiment-3\n',
    sub: { 'r.yaml': 'extends: csv\n', csv: base },
    digits: {},
  })
  const inherited = (name: string) => readDefinition(`${folder}/${name}`, { environment: {} })
  t.equal(inherited('p.yaml').stages[0]!.use, 'load/digits')
  t.equal(plain(inherited('p.yaml').vars.get('epochs')!), 2)
  t.equal(inherited('q.yaml').stages[0]!.use, 'load/cifar10')
  t.equal(inherited('sub/r.yaml').stages[0]!.use, 'a/load')
})

t.test('patch changes inherited stages with four verbs, one after the other', async (t) => {
  const patched = (patch: string) =>
    stagesOf(read(t, { 'base.yaml': base, 'p.yaml': `extends: base.yaml\npatch:\n${patch}` }))
  for (const [patch, stages] of [
    [
      '  - { set: model, with: { eta: 2, lambda: 3 } }\n',
      [load, ['model', 'a/model', { eta: 2, init: { normal: 1 }, lambda: 3 }, 'load']],
    ],
    ['  - { set: model, with: { init: zeros } }\n', [load, ['model', 'a/model', { eta: 1, init: 'zeros' }, 'load']]],
    ['  - { replace: model, use: b/other, with: { x: "${n}" } }\n', [load, ['model', 'b/other', { x: 1 }, 'load']]],
    ['  - { replace: model, use: b/other, from: x }\n', [load, ['model', 'b/other', {}, 'x']]],
    ['  - { insertAfter: load, use: b/other }\n', [load, ['other', 'b/other', {}, undefined], model]],
    ['  - { insertAfter: model, id: last, use: b/other }\n', [load, model, ['last', 'b/other', {}, undefined]]],
    ['  - { remove: load }\n', [model]],
    [
      '  - { insertAfter: load, use: b/x }\n  - { set: x, with: { y: 1 } }\n',
      [load, ['x', 'b/x', { y: 1 }, undefined], model],
    ],
  ] as const)
    t.strictSame(patched(patch), stages, patch)
})

t.test('inherited patches come first, and are dropped if the stages are replaced', async (t) => {
  const middle = 'extends: base.yaml\npatch:\n  - { set: model, with: { eta: 2, k: 1 } }\n'
  const files = { 'base.yaml': base, 'middle.yaml': middle }
  const both = read(t, { ...files, 'p.yaml': 'extends: middle.yaml\npatch:\n  - { set: model, with: { eta: 3 } }\n' })
  t.strictSame(stagesOf(both)[1], ['model', 'a/model', { eta: 3, init: { normal: 1 }, k: 1 }, 'load'])
  const own = read(t, { ...files, 'p.yaml': 'extends: middle.yaml\nstages:\n  - { id: model, use: c/c }\n' })
  t.strictSame(stagesOf(own), [['model', 'c/c', {}, undefined]])
})

t.test('overrides win over the definition, later ones over earlier ones', async (t) => {
  const set = ['n=5', 'n=6', 'model.eta=9', 'model.init.normal=8', 'model.lambda=7', 'load.m=4', 'model.use=c/c']
  const definition = read(t, { 'p.yaml': base }, { set })
  t.strictSame(stagesOf(definition), [
    ['load', 'a/load', { n: 6, m: 4 }, undefined],
    ['model', 'c/c', { eta: 9, init: { normal: 8 }, lambda: 7 }, 'load'],
  ])
})

t.test('the seed may be overridden by set and by seed; seed wins', async (t) => {
  t.equal(read(t, { 'p.yaml': base }, { set: ['seed=5'] }).seed, 5)
  t.equal(read(t, { 'p.yaml': base }, { set: ['seed=5'], seed: 6 }).seed, 6)
})

t.test('paths of stage files are relative to the file that names them', async (t) => {
  const folder = t.testdir({ sub: { 'base.yaml': 'stages:\n  - use: ./x.js\n' }, 'p.yaml': 'extends: sub/base.yaml\n' })
  t.equal(readDefinition(`${folder}/p.yaml`).stages[0]!.folder, `${folder}/sub`)
})

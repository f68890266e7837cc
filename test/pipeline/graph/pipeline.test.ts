import { mkdirSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { Pipeline, PipelineError } from '../../../dist/index.js'
import { type AnyStage, defineStage, wire, z } from '../../../dist/pipeline/stage-kit.js'
import { batchRows, loadDigits } from '../../../dist/stages/index.js'
import { inside } from '../../stages/harness.js'

function inFolder(t: Test, files: Parameters<Test['testdir']>[0] = {}): void {
  inside(t, t.testdir(files))
}

const pass = defineStage({
  name: 'mine/pass',
  summary: 'Passes batches on.',
  options: z.strictObject({ note: z.string().default('') }),
  inputs: { batches: wire.batch },
  outputs: { batches: wire.batch },
  example: '',
  run: () => (batches) => batches,
})

const spec = {
  name: 'toy',
  seed: 3,
  stages: [
    { use: 'load/digits' },
    { id: 'examples', use: 'normalize/standardize' },
    { use: 'batch/rows', with: { size: 100, epochs: 2 } },
    { id: 'shuffle', use: 'shuffle/rows' },
    { id: 'model', use: 'gradient-step/softmax', with: { eta: 0.01, lambda: 0.1 } },
    { id: 'metrics', use: 'evaluate/classification', from: { parameters: 'model', examples: 'examples' } },
    { use: 'sink/csv' },
  ],
} as const

const uses = (pipeline: Pipeline) => pipeline.definition.stages.map(({ use }) => use)
const optionsOf = (pipeline: Pipeline, id: string) => pipeline.graph.nodes.find((node) => node.id === id)!.options

/** What a call that must fail throws. */
function failure(call: () => unknown): PipelineError {
  try {
    call()
  } catch (error) {
    if (error instanceof PipelineError) return error
    throw error
  }
  throw new Error('it did not fail')
}

t.test('define wires stages as YAML does, with the defaults filled in', async (t) => {
  const pipeline = await Pipeline.define(spec)
  t.equal(pipeline.name, 'toy')
  t.equal(pipeline.seed, 3)
  t.strictSame(
    pipeline.graph.nodes.map(({ id, inputs }) => [id, Object.fromEntries([...inputs])]),
    [
      ['digits', {}],
      ['examples', { examples: { id: 'digits', port: 'examples' } }],
      ['rows', { examples: { id: 'examples', port: 'examples' } }],
      ['shuffle', { batches: { id: 'rows', port: 'batches' } }],
      ['model', { batches: { id: 'shuffle', port: 'batches' } }],
      ['metrics', { parameters: { id: 'model', port: 'parameters' }, examples: { id: 'examples', port: 'examples' } }],
      ['csv', { metrics: { id: 'metrics', port: 'metrics' } }],
    ],
  )
  t.match(optionsOf(pipeline, 'model'), { eta: 0.01, lambda: 0.1, init: 'normal', onDivergence: 'stop' })
  t.equal((await Pipeline.define({ name: 'x', stages: [{ use: 'load/digits' }] })).seed, 0)
})

t.test('define reports all mistakes at once, with their stage', async (t) => {
  const wrong = Pipeline.define({
    name: 'two\nlines',
    seed: -1,
    stages: [{ use: 'load/digitz' }, { use: pass, with: { note: 3 } }, { use: pass, from: 'nowhere' }],
  })
  const error = await wrong.then(
    () => t.fail('accepted') as never,
    (error: PipelineError) => error,
  )
  t.equal(error.code, 'DEFINITION')
  t.strictSame(error.message.split('\n'), [
    'code  name: expected 1 to 100 characters in one line, without blanks around them and without control characters, got "two\\nlines"',
    'code  seed: expected a non-negative integer, got -1',
    'code  stages[0]: no stage named "load/digitz"; did you mean "load/digits"?',
    'code  stages[1] mine/pass: note: expected a string, got 3',
    'code  stages[2] mine/pass: from: no stage with id "nowhere"; ids: digitz, pass, mine-pass',
  ])
})

t.test('a stage without an id has the last part of its name, or the whole where that is taken', async (t) => {
  const pipeline = await Pipeline.define({
    name: 'ids',
    stages: [
      { use: 'load/digits' },
      { use: 'batch/rows', with: { size: 10, epochs: 1 } },
      { use: 'shuffle/rows' },
      { use: 'gradient-step/softmax', with: { eta: 0.1 } },
    ],
  })
  t.strictSame(
    pipeline.definition.stages.map(({ id }) => id),
    ['digits', 'rows', 'shuffle-rows', 'softmax'],
  )
  t.match(pipeline.toYAML(), '- id: shuffle-rows\n    use: shuffle/rows\n')
})

t.test('define refuses what is no data and what is no stage', async (t) => {
  const load = { use: 'load/digits' }
  for (const [stage, message] of [
    [{ use: pass, with: { note: () => 1 } }, 'with: note: expected plain data, got a function'],
    [{ use: pass, with: { note: { deep: [1n] } } }, 'with: note.deep[0]: expected plain data, got a bigint'],
    [{ use: { name: 'no stage' } }, 'use: expected the name of a stage, or what defineStage() returns'],
    [{}, 'use: expected the name of a stage, or what defineStage() returns'],
  ] as const)
    await t.rejects(Pipeline.define({ name: 'x', stages: [load, stage as never] }), { code: 'ARGUMENTS', message })
  for (const [given, message] of [
    [{ name: undefined }, 'name: expected a text, which also names the run directory, got undefined'],
    [{ name: 5 }, 'name: expected a text, which also names the run directory, got number'],
    [{ stages: undefined }, 'stages: expected a list of stages, got undefined'],
    [{ stages: [undefined] }, 'use: expected the name of a stage, or what defineStage() returns'],
    [{ checkpoint: { every: () => 1 } }, 'checkpoint.every: expected plain data, got a function'],
    [{ published: { source: [undefined] } }, 'published.source[0]: expected plain data, got undefined'],
    [{ seed: 1n }, 'seed: expected plain data, got a bigint'],
  ] as const)
    await t.rejects(Pipeline.define({ name: 'x', stages: [load], ...given } as never), { code: 'ARGUMENTS', message })
  const left = { seed: undefined, memory: undefined, checkpoint: undefined, published: undefined, parallel: undefined }
  await t.resolves(Pipeline.define({ name: 'x', stages: [load], ...left }), 'what is undefined is left out')
})

t.test('an option with the value undefined is as good as left out', async (t) => {
  const pipeline = await Pipeline.define({
    name: 'x',
    stages: [{ use: 'load/digits', with: { stratify: undefined } }],
  })
  t.equal(optionsOf(pipeline, 'digits').stratify, false)
})

t.test('strings given in code are taken as they are: nothing is a reference', async (t) => {
  const pipeline = await Pipeline.define({
    name: 'x',
    stages: [
      { use: 'load/digits' },
      { use: 'batch/rows', with: { size: 1, epochs: 1 } },
      { use: pass, with: { note: '${HOME}' } },
    ],
  })
  t.equal(optionsOf(pipeline, 'pass').note, '${HOME}')
})

t.test('replace, insertAfter, remove and set give a new pipeline and leave the old one as it was', async (t) => {
  const pipeline = await Pipeline.define(spec)
  const before = pipeline.toYAML()
  const plainOrder = pipeline.replace('shuffle', 'shuffle/none')
  t.strictSame(uses(plainOrder)[3], 'shuffle/none')
  t.equal(plainOrder.graph.nodes[3]!.id, 'shuffle', 'the id stays')
  t.strictSame([...plainOrder.graph.nodes[4]!.inputs.values()], [{ id: 'shuffle', port: 'batches' }])

  const longer = pipeline.insertAfter('rows', { use: pass, id: 'seen', with: { note: 'n' } })
  t.strictSame(uses(longer)[3], 'mine/pass')
  t.strictSame([...longer.graph.nodes[4]!.inputs.values()], [{ id: 'seen', port: 'batches' }])

  const shorter = pipeline.remove('shuffle')
  t.equal(shorter.graph.nodes.length, 6)
  t.strictSame([...shorter.graph.nodes[3]!.inputs.values()], [{ id: 'rows', port: 'batches' }])

  const set = pipeline.set('model', { eta: 0.5 })
  t.match(optionsOf(set, 'model'), { eta: 0.5, lambda: 0.1 }, 'the other options stay')

  const all = pipeline.set('model', { eta: 1 }).replace('shuffle', pass).remove('csv').set('rows', { size: 7 })
  t.match([optionsOf(all, 'model').eta, optionsOf(all, 'rows').size, all.graph.nodes.length], [1, 7, 6])

  t.equal(pipeline.toYAML(), before)
  t.equal(optionsOf(pipeline, 'model').eta, 0.01)
})

t.test('replace keeps the wires that "from" named', async (t) => {
  const pipeline = (await Pipeline.define(spec)).replace('metrics', 'evaluate/classification', { every: { epochs: 2 } })
  t.strictSame(
    [...pipeline.graph.nodes[5]!.inputs].map(([port, { id }]) => [port, id]),
    [
      ['parameters', 'model'],
      ['examples', 'examples'],
    ],
  )
})

t.test('a change is checked again, whole', async (t) => {
  const pipeline = await Pipeline.define(spec)
  for (const [change, code, problem] of [
    [() => pipeline.remove('rows'), 'DEFINITION', 'takes a "batch" wire, got an "examples" wire'],
    [() => pipeline.remove('model'), 'DEFINITION', 'from.parameters: no stage with id "model"'],
    [() => pipeline.set('model', { eta: -1 }), 'DEFINITION', 'eta: expected a positive number, a mapping'],
    [() => pipeline.set('model', { etta: 1 }), 'DEFINITION', 'unknown option "etta"; did you mean "eta"?'],
    [() => pipeline.set('rows', { split: 'dev' }), 'DEFINITION', 'no split named "dev" reaches this stage'],
    [
      () => pipeline.replace('model', 'sink/csv'),
      'DEFINITION',
      'the input "metrics" takes a "metrics" or a "predictions" wire',
    ],
    [() => pipeline.replace('model', 'nope/nope'), 'DEFINITION', 'no stage named "nope/nope"'],
    [() => pipeline.replace('model', './x.js'), 'DEFINITION', './x.js is a file; import it and give the stage itself'],
    [() => pipeline.insertAfter('rows', { use: pass, id: 'model' }), 'DEFINITION', 'duplicate id "model"'],
    [() => pipeline.remove('modle'), 'ARGUMENTS', 'no stage with id "modle"; did you mean "model"?'],
    [() => pipeline.set('nope', {}), 'ARGUMENTS', 'no stage with id "nope"; ids: digits, examples, rows'],
    [() => pipeline.set('model', { eta: Symbol('x') }), 'ARGUMENTS', 'with: eta: expected plain data, got a symbol'],
  ] as const) {
    const error = failure(change)
    t.equal(error.code, code, problem)
    t.ok(error.message.includes(problem), error.message)
  }
})

t.test('toYAML writes what load reads back as the same pipeline', async (t) => {
  inFolder(t)
  const pipeline = await Pipeline.define({ ...spec, description: 'One line,\nand another: with "quotes"' })
  writeFileSync('again.yaml', pipeline.toYAML())
  const again = await Pipeline.load('again.yaml')
  t.equal(again.toYAML(), pipeline.toYAML())
  t.strictSame(
    again.graph.nodes.map(({ id, options, inputs }) => [id, options, [...inputs]]),
    pipeline.graph.nodes.map(({ id, options, inputs }) => [id, options, [...inputs]]),
  )
  t.equal(again.seed, 3)
  t.equal(again.definition.description, pipeline.definition.description)
})

t.test('toYAML writes a built-in stage that was given as an object by its name', async (t) => {
  const stages = [{ use: loadDigits }, { use: batchRows, with: { size: 10, epochs: 1 } }] as const
  t.equal(
    (await Pipeline.define({ name: 'x', stages })).toYAML(),
    'name: x\nseed: 0\nstages:\n  - use: load/digits\n  - use: batch/rows\n    with:\n      size: 10\n      epochs: 1\n',
  )
})

t.test('toYAML says only what was given', async (t) => {
  const pipeline = await Pipeline.define({
    name: 'x',
    stages: [{ use: 'load/digits' }, { use: 'normalize/standardize' }],
  })
  t.equal(pipeline.toYAML(), 'name: x\nseed: 0\nstages:\n  - use: load/digits\n  - use: normalize/standardize\n')
})

t.test('toYAML keeps the vars that options refer to, and resolves environment and inheritance', async (t) => {
  inFolder(t, {
    'base.yaml':
      'seed: 5\nvars: { n: 4 }\nstages:\n  - use: load/digits\n  - use: batch/rows\n    with: { size: "${n}", epochs: "${EPOCHS}" }\n',
    'p.yaml': 'extends: base.yaml\nvars: { n: 8 }\n',
  })
  const pipeline = await Pipeline.load('p.yaml', { environment: { EPOCHS: '2' }, set: ['rows.dropLast=true'] })
  t.equal(
    pipeline.toYAML(),
    'name: p\nseed: 5\nvars:\n  n: 8\nstages:\n  - use: load/digits\n  - use: batch/rows\n    with:\n      size: ${n}\n      epochs: 2\n      dropLast: true\n',
  )
})

t.test('set drops the reference of what it changes, and of nothing else', async (t) => {
  inFolder(t, {
    'p.yaml':
      'vars: { n: 4, e: 2 }\nstages:\n  - use: load/digits\n  - use: batch/rows\n    with: { size: "${n}", epochs: "${e}", dropLast: true }\n',
  })
  const pipeline = (await Pipeline.load('p.yaml')).set('rows', { size: 9, dropLast: undefined })
  t.equal(
    pipeline.toYAML(),
    'name: p\nseed: 0\nvars:\n  e: 2\nstages:\n  - use: load/digits\n  - use: batch/rows\n    with:\n      size: 9\n      epochs: ${e}\n',
  )
  t.notMatch(pipeline.replace('rows', 'batch/rows', { size: 1, epochs: 1 }).toYAML(), 'vars')
})

t.test('toYAML keeps a literal "${" a literal', async (t) => {
  inFolder(t)
  const noting = (note: string) =>
    Pipeline.define({ name: 'x', stages: [{ use: 'load/csv', with: { path: note, drop: [note] } }] })
  for (const note of ['${HOME}', '$${HOME}', '$$${', '$', '${', 'a ${b:-c} $${d}', ': "#\n', '0x10', 'null', 'é ☃']) {
    writeFileSync('again.yaml', (await noting(note)).toYAML())
    t.match(optionsOf(await Pipeline.load('again.yaml'), 'csv'), { path: note, drop: [note] }, note)
  }
})

const stageFile = `import { defineStage, wire, z } from 'millrace/stage'
export const first = defineStage({ name: 'first', summary: '', options: z.strictObject({}),
  inputs: { examples: wire.examples }, outputs: { examples: wire.examples }, example: '', run: () => (x) => x })
export const second = { ...first, name: 'second' }
`

t.test('toYAML names stage files as seen from the folder it is for', async (t) => {
  inFolder(t, {
    project: {
      'stages.js': stageFile,
      'p.yaml': 'stages:\n  - use: load/digits\n  - use: ./stages.js#second\n    id: mine\n',
    },
    other: {},
  })
  const pipeline = await Pipeline.load('project/p.yaml')
  for (const [base, use] of [
    ['.', './project/stages.js#second'],
    ['project', './stages.js#second'],
    ['other', '../project/stages.js#second'],
  ] as const) {
    const text = pipeline.toYAML(`${process.cwd()}/${base}`)
    t.ok(text.includes(`use: ${use}\n`), text)
    mkdirSync(base, { recursive: true })
    writeFileSync(`${base}/again.yaml`, text)
    t.equal((await Pipeline.load(`${base}/again.yaml`, { plugins: 'project' })).graph.nodes[1]!.stage.name, 'second')
  }
})

t.test(
  'toYAML refuses a stage that was given as an object, by its name, also where it hides a built-in one',
  async (t) => {
    const pipeline = await Pipeline.define(spec)
    const hiding: AnyStage = { ...pass, name: 'shuffle/rows' }
    for (const [stage, use] of [
      [pass, 'mine/pass'],
      [hiding, 'shuffle/rows'],
    ] as const) {
      const error = failure(() => pipeline.replace('shuffle', stage).toYAML())
      t.equal(error.code, 'ARGUMENTS')
      t.equal(
        error.message,
        `the stage "shuffle" (${use}) was given as an object and cannot be written as YAML; put it into a file and use "./file.js"`,
      )
    }
  },
)

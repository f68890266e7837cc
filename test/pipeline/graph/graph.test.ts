import t from 'tap'
import { Pipeline, type PipelineError, type StageSpec } from '../../../dist/index.js'
import {
  type AnyLearner,
  type AnyStage,
  defineStage,
  type Facts,
  type Ports,
  wire,
  z,
} from '../../../dist/pipeline/stage-kit.js'

const never = () => {
  throw new Error('not run here')
}

/** A stage that only has ports, and facts where they are given. */
function stage(name: string, inputs: Ports, outputs: Ports, facts?: AnyStage['facts']): AnyStage {
  return defineStage({
    name,
    summary: '',
    options: z.strictObject({ n: z.number().optional(), list: z.array(z.number()).optional() }),
    inputs,
    outputs,
    example: '',
    run: never,
    ...(facts && { facts }),
  }) as AnyStage
}

const { examples, batch, metrics, parameters, any } = wire
const known: Facts = { splits: ['train'], shape: [2, 3], classes: ['a', 'b'] }
const source = stage('source', {}, { examples }, () => ({ examples: known }))
const pass = stage('pass', { examples }, { examples })
const parted = stage('parted', { examples }, { batches: batch, rest: examples })
const twins = stage('twins', { examples }, { left: batch, right: batch })
const train = stage('train', { batches: batch }, { parameters })
const judge = stage('judge', { parameters, examples }, { metrics })
const sink = stage('sink', { tables: any }, {})

const define = (...stages: StageSpec[]) => Pipeline.define({ name: 'x', stages })
const wires = ({ graph }: Pipeline) =>
  graph.nodes.map(({ id, inputs }) => [id, ...[...inputs].map(([port, from]) => `${port}=${from.id}.${from.port}`)])

/** The problems of a definition that must be refused. */
async function problems(...stages: StageSpec[]): Promise<string[]> {
  const error = await define(...stages).then(
    () => {
      throw new Error('accepted')
    },
    (error: PipelineError) => error,
  )
  return error.problems.map(({ message }) => message)
}

t.test('a list is a chain: an input comes from the nearest stage above that has an output', async (t) => {
  t.strictSame(wires(await define({ use: source }, { use: pass }, { use: sink }, { use: parted })), [
    ['source'],
    ['pass', 'examples=source.examples'],
    ['sink', 'tables=pass.examples'],
    ['parted', 'examples=pass.examples'],
  ])
})

t.test('of several outputs the one that fits is taken, without being named', async (t) => {
  t.strictSame(wires(await define({ use: source }, { use: parted }, { use: train }, { use: pass, from: 'parted' })), [
    ['source'],
    ['parted', 'examples=source.examples'],
    ['train', 'batches=parted.batches'],
    ['pass', 'examples=parted.rest'],
  ])
})

t.test('where several outputs fit, or none, one must be named', async (t) => {
  t.strictSame(await problems({ use: source }, { use: twins }, { use: train }), [
    'stages[2] train: from: "twins" has the outputs left, right; name one: twins.left',
  ])
  t.strictSame(await problems({ use: source }, { use: parted }, { use: sink }), [
    'stages[2] sink: from: "parted" has the outputs batches, rest; name one: parted.batches',
  ])
  t.strictSame(wires(await define({ use: source }, { use: twins }, { use: train, from: 'twins.right' })).at(-1), [
    'train',
    'batches=twins.right',
  ])
})

t.test('"from" may name the only input, and stages further down', async (t) => {
  const pipeline = await define(
    { use: judge, from: { parameters: 'train', examples: 'pass' } },
    { use: train, from: { batches: 'parted' } },
    { use: parted, from: 'pass' },
    { use: pass, from: 'source' },
    { use: source },
  )
  t.strictSame(wires(pipeline), [
    ['source'],
    ['pass', 'examples=source.examples'],
    ['parted', 'examples=pass.examples'],
    ['train', 'batches=parted.batches'],
    ['judge', 'parameters=train.parameters', 'examples=pass.examples'],
  ])
  t.equal(pipeline.graph.nodes.at(-1)!.title, 'stages[0] judge', 'titles keep the order of the file')
})

t.test('an "any" input takes every kind of wire', async (t) => {
  for (const from of ['source', 'parted.batches', 'train', 'judge'])
    await t.resolves(
      define(
        { use: source },
        { use: parted },
        { use: train },
        { use: judge, from: { parameters: 'train', examples: 'source' } },
        { use: sink, from },
      ),
    )
})

t.test('every circle is told once, and what hangs on it is still checked', async (t) => {
  t.strictSame(
    await problems(
      { use: source },
      { id: 'a', use: pass, from: 'b' },
      { id: 'b', use: pass, from: 'a' },
      { id: 'c', use: pass, from: 'c' },
      { id: 'd', use: train, from: 'a' },
    ),
    [
      'stages[4] train: the input "batches" takes a "batch" wire, got an "examples" wire from the output "examples" of stages[1] pass at code',
      'stages[1] pass: the wires form a circle: a ← b ← a',
      'stages[3] pass: the wires form a circle: c ← c',
    ],
  )
})

t.test('facts flow from load to sink, and each stage may change them', async (t) => {
  const narrow = stage('narrow', { examples }, { examples }, ({ inputs }) => ({
    examples: { ...inputs.examples, shape: [1] },
  }))
  const silent = stage('silent', { examples }, { examples }, () => ({}))
  const { graph } = await define(
    { use: source },
    { use: pass },
    { use: narrow },
    { use: sink },
    { id: 'quiet', use: silent },
    { use: parted, from: 'quiet' },
    { use: train, from: 'parted.batches' },
  )
  const facts = Object.fromEntries(graph.nodes.map((node) => [node.id, node.inputFacts]))
  t.strictSame(facts, {
    source: {},
    pass: { examples: known },
    narrow: { examples: known },
    sink: { tables: { ...known, shape: [1] } },
    quiet: { examples: { ...known, shape: [1] } },
    parted: { examples: {} },
    train: { batches: {} },
  })
})

t.test(
  'without facts, a stage with one input keeps its facts, and nothing is known about a stage with several',
  async (t) => {
    const { graph } = await define(
      { use: source },
      { use: parted },
      { use: train },
      { use: judge, from: { parameters: 'train', examples: 'source' } },
      { use: sink },
    )
    const facts = Object.fromEntries(graph.nodes.map((node) => [node.id, node.facts]))
    t.strictSame(facts, {
      source: { examples: known },
      parted: { batches: known, rest: known },
      train: { parameters: { ...known, learner: null } },
      judge: { metrics: {} },
      sink: {},
    })
    t.strictSame(graph.nodes.at(-1)!.inputFacts, { tables: {} })
  },
)

t.test('parameters say which learner made them, also past stages that make others of them', async (t) => {
  const learner = { name: 'mine' } as AnyLearner
  const learning = { ...train, learner }
  const average = stage('average', { examples, parameters }, { mean: parameters, last: parameters })
  const silent = stage('silent', { parameters }, { parameters }, () => ({}))
  const knowing = stage('knowing', {}, { parameters }, () => ({ parameters: { learner } }))
  const other = { ...silent, learner: { name: 'other' } as AnyLearner }
  const { graph } = await define(
    { use: source },
    { use: parted },
    { id: 'named', use: learning },
    { id: 'nameless', use: train, from: 'parted' },
    { id: 'mean', use: average, from: { examples: 'source', parameters: 'named' } },
    { id: 'none', use: average, from: { examples: 'source', parameters: 'nameless' } },
    { id: 'kept', use: silent, from: 'mean.last' },
    { id: 'taught', use: other, from: 'mean.mean' },
    { id: 'known', use: knowing },
    { use: sink, from: 'kept' },
  )
  const names = (id: string) =>
    Object.values(graph.nodes.find((node) => node.id === id)!.facts).map(({ learner }) => learner?.name ?? learner)
  t.strictSame(
    ['named', 'nameless', 'mean', 'none', 'kept', 'taught', 'known', 'source'].map((id) => [id, ...names(id)]),
    [
      ['named', 'mine'],
      ['nameless', null],
      ['mean', 'mine', 'mine'],
      ['none', null, null],
      ['kept', 'mine'],
      ['taught', 'other'],
      ['known', 'mine'],
      ['source', undefined],
    ],
  )
})

t.test('the metric of an evaluation with two inputs and no facts may be monitored, whatever its name', async (t) => {
  await t.resolves(
    define(
      { use: source },
      { use: parted },
      { use: train },
      { use: judge, from: { parameters: 'train', examples: 'source' } },
      { use: 'stop/patience', with: { monitor: 'validation_f1' } },
    ),
  )
})

t.test('a wire of a type of its own connects ports of that type, and no others', async (t) => {
  const embeddings = { type: 'embeddings' }
  const embed = stage('embed', { examples }, { embeddings })
  const project = stage('project', { embeddings }, { embeddings })
  const other = stage('other', { vectors: { type: 'vectors' } }, {})
  t.strictSame(wires(await define({ use: source }, { use: embed }, { use: project }, { use: sink })), [
    ['source'],
    ['embed', 'examples=source.examples'],
    ['project', 'embeddings=embed.embeddings'],
    ['sink', 'tables=project.embeddings'],
  ])
  t.strictSame(await problems({ use: source }, { use: embed }, { use: other }, { use: train }), [
    'stages[2] other: the input "vectors" takes a "vectors" wire, got an "embeddings" wire from the output "embeddings" of stages[1] embed at code',
    'stages[3] train: the input "batches" takes a "batch" wire, got an "embeddings" wire from the output "embeddings" of stages[1] embed at code',
  ])
  t.strictSame(await problems({ use: source }, { use: project }), [
    'stages[1] project: the input "embeddings" takes an "embeddings" wire, got an "examples" wire from the output "examples" of stages[0] source at code',
  ])
})

t.test('a stage reports what does not fit, at the option it is about', async (t) => {
  const picky = stage('picky', { examples }, {}, ({ options, problem }) => {
    const { list = [] } = options as { list?: number[] }
    for (const [i, n] of list.entries()) if (n < 0) problem(`list[${i}]`, 'is negative')
    problem('', 'does not fit at all')
    return {}
  })
  t.strictSame(await problems({ use: source }, { use: picky, with: { list: [1, -1] } }), [
    'stages[1] picky: list[1]: is negative',
    'stages[1] picky: does not fit at all',
  ])
})

t.test('a stage whose options are wrong is not asked about facts', async (t) => {
  const picky = stage('picky', { examples }, {}, () => {
    throw new Error('asked')
  })
  t.strictSame(await problems({ use: source }, { use: picky, with: { n: 'x' } }), [
    'stages[1] picky: n: expected a number, got "x"',
  ])
})

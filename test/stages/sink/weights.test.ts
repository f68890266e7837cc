import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode } from 'fast-png'
import { EMPTY, lastValueFrom } from 'rxjs'
import t from 'tap'
import { Pipeline } from '../../../dist/index.js'
import { softmax } from '../../../dist/learners/index.js'
import { type AnyLearner, defineStage, parametersTables, wire, z } from '../../../dist/pipeline/stage-kit.js'
import { errorOf, openStage, problemsOf, runStage } from '../harness.js'

const entry = (options = '{}') => `- use: sink/weights\n  from: model\n  with: ${options}`

/** Parameters after each step, over the one memory that a model has. */
function model(shape: readonly number[], W: Float64Array, classes: string[], epochs = 1, steps = 1) {
  const arrays = [
    { name: 'W', shape: [classes.length, W.length / classes.length], values: W },
    { name: 'b', shape: [classes.length], values: new Float64Array(classes.length) },
  ]
  const table = parametersTables({ learner: 'softmax', options: {}, shape, classes, lambda: 0, arrays })
  return Array.from({ length: epochs * steps }, (_, i) =>
    table({ epoch: Math.floor(i / steps) + 1, step: i + 1, epochs, steps }, 0.1),
  )
}

const pngs = (svg: string) =>
  [...svg.matchAll(/base64,([^"]+)"/g)].map(([, data]) => decode(Buffer.from(data!, 'base64')))
const read = (directory: string, name: string) => readFileSync(join(directory, 'figures', name), 'utf8')

t.test('a row of W is an image of the shape and colours of the data, over its own range', async (t) => {
  const W = Float64Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10.2, -1, -1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 1)
  const parameters = model([3, 2, 2], W, ['cat', 'dog'])
  const { directory } = await runStage(t, entry('{ tiles: 1x2 }'), { parameters })
  const svg = read(directory, 'weights.svg')
  const [cat, dog] = pngs(svg)
  t.strictSame([cat!.width, cat!.height, cat!.channels], [2, 2, 3])
  t.strictSame(
    [...cat!.data],
    [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 10.2].map((w) => Math.round((w / 10.2) * 255)),
  )
  t.strictSame([...dog!.data], [0, 128, 255, 0, 128, 255, 0, 128, 255, 0, 128, 255])
  for (const words of ['cat', 'dog', 'epoch 1; each over its own range']) t.match(svg, `>${words}</text>`)
  const again = await runStage(t, entry('{ tiles: 1x2 }'), { parameters })
  for (const name of ['figures/weights.svg', 'figures/weights.png'])
    t.ok(readFileSync(join(again.directory, name)).equals(readFileSync(join(directory, name))), name)
})

t.test('100 classes in grey make a sheet', async (t) => {
  const classes = Array.from({ length: 100 }, (_, c) => `class ${c}`)
  const W = Float64Array.from({ length: 400 }, (_, i) => i % 7)
  const { directory } = await runStage(t, entry('{ formats: [svg] }'), { parameters: model([1, 2, 2], W, classes) })
  const images = pngs(read(directory, 'weights.svg'))
  t.equal(images.length, 100)
  t.equal(images[0]!.channels, 1)
})

t.test('snapshots show the weights as they were, and the sheet of them how they came about', async (t) => {
  const W = new Float64Array(8)
  const tables = model([2, 2], W, ['a', 'b'], 5, 2)
  const stage = openStage(t, entry('{ every: { epochs: 2 }, formats: [svg] }'), {
    parameters: (function* () {
      for (const [i, table] of tables.entries()) {
        W.fill(0)
        W[i % 4] = 1
        W[4 + (i % 4)] = -1
        yield table
      }
    })(),
  })
  await lastValueFrom(stage.tables, { defaultValue: undefined })
  const { directory } = stage
  t.strictSame(readdirSync(join(directory, 'figures')).sort(), [
    'weights-epoch-0002.svg',
    'weights-epoch-0004.svg',
    'weights-epochs.svg',
    'weights.svg',
  ])
  const image = (at: number) => Array.from({ length: 4 }, (_, i) => (i === at ? 255 : 0))
  t.strictSame([...pngs(read(directory, 'weights-epoch-0002.svg'))[0]!.data], image(3), 'step 4')
  t.strictSame([...pngs(read(directory, 'weights-epoch-0004.svg'))[0]!.data], image(7 % 4), 'step 8')
  const sheet = read(directory, 'weights-epochs.svg')
  t.strictSame(
    [0, 2, 4].map((i) => [...pngs(sheet)[i]!.data]),
    [3, 3, 1].map(image),
    'with the last',
  )
  for (const words of ['epoch 2', 'epoch 4', 'epoch 5', 'a', 'b']) t.match(sheet, `>${words}</text>`)
})

t.test('a network shows the units of its first layer, whatever tiles would fit its classes', async (t) => {
  const W1 = Float64Array.from({ length: 12 }, (_, i) => i)
  const [b1, W2, b2] = [new Float64Array(3), new Float64Array(6), new Float64Array(2)]
  const table = parametersTables({
    learner: 'network',
    options: { hidden: [3], batchNorm: false, smoothing: 0 },
    shape: [2, 2],
    classes: ['a', 'b'],
    lambda: 0,
    arrays: [
      { name: 'W1', shape: [3, 4], values: W1 },
      { name: 'b1', shape: [3], values: b1 },
      { name: 'W2', shape: [2, 3], values: W2 },
      { name: 'b2', shape: [2], values: b2 },
    ],
  })
  const parameters = [table({ epoch: 1, step: 1, epochs: 1, steps: 1 }, 0.1)]
  const { directory } = await runStage(t, entry('{ tiles: 1x2, formats: [svg] }'), { parameters })
  const svg = read(directory, 'weights.svg')
  t.equal(pngs(svg).length, 3)
  for (const words of ['unit 1', 'unit 3', 'Weights of each unit of the first layer']) t.match(svg, `>${words}</text>`)
})

t.test('data that is no image gets a bar chart of its largest weights, and a note', async (t) => {
  const W = Float64Array.of(0.5, -3, 1, 0, 2, 0)
  const { directory, notes } = await runStage(t, entry('{ every: { epochs: 1 }, formats: [svg] }'), {
    parameters: model([3], W, ['a', 'b']),
  })
  const names = [...read(directory, 'weights.svg').matchAll(/>(feature \d)</g)].map(([, name]) => name)
  t.strictSame(names, ['feature 1', 'feature 2', 'feature 0', 'feature 1', 'feature 0', 'feature 2'])
  t.strictSame(notes, ['the features are no image (shape 3): a bar chart of the largest weights'])
  t.strictSame(readdirSync(join(directory, 'figures')).sort(), ['weights-epoch-0001.svg', 'weights.svg'])
})

t.test('a run that trained nothing has no weights to draw', async (t) => {
  const { directory } = await runStage(t, entry(), { parameters: EMPTY })
  t.strictSame(readdirSync(join(directory, 'figures')), [])
})

t.test('tiles that are too few, or none, are mistakes in the definition', async (t) => {
  const head =
    '- id: examples\n  use: load/digits\n- use: batch/rows\n  with: { size: 9, epochs: 1 }\n- id: model\n  use: gradient-step/softmax\n  with: { eta: 1 }\n'
  t.match(await problemsOf(t, head + entry('{ tiles: 3x3 }')), /sink\/weights: tiles: 3x3 is too few for 10 classes/)
  t.match(await problemsOf(t, head + entry('{ tiles: ten }')), /tiles: expected rows x columns, such as 2x5/)
})

t.test(
  'the array that is drawn is the one that the learner names; without one, there is nothing to draw',
  async (t) => {
    const V = Float64Array.of(0, 0, 1, 1, 1, 1, 0, 0)
    const parameters = [
      parametersTables({
        learner: 'other',
        options: {},
        shape: [2, 2],
        classes: ['a', 'b'],
        lambda: 0,
        arrays: [
          { name: 'W', shape: [2, 4], values: new Float64Array(8) },
          { name: 'V', shape: [2, 4], values: V },
        ],
      })({ epoch: 1, step: 1, epochs: 1, steps: 1 }, 0.1),
    ]
    const other: AnyLearner = { ...softmax, name: 'other', templates: 'V' }
    const { directory } = await runStage(t, entry(), { parameters }, { learners: [other] })
    t.strictSame([...pngs(read(directory, 'weights.svg'))[0]!.data], [0, 0, 255, 255])

    const { templates: _, ...without } = other
    t.strictSame(await errorOf(runStage(t, entry(), { parameters }, { learners: [without] })), [
      'DATA',
      'the learner "other" has no weights per class to draw',
    ])
    const train = defineStage({
      name: 'train',
      summary: 'Trains.',
      options: z.strictObject({}),
      inputs: {},
      outputs: { parameters: wire.parameters },
      learner: without,
      example: '',
      run: () => EMPTY,
    })
    await t.rejects(Pipeline.define({ name: 'x', stages: [{ use: train }, { use: 'sink/weights' }] }), {
      code: 'DEFINITION',
      message: 'code  stages[1] sink/weights: the learner "other" has no weights per class to draw',
    })
  },
)

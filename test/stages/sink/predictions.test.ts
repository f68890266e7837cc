import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode } from 'fast-png'
import t from 'tap'
import { softmax } from '../../../dist/learners/index.js'
import { runStage } from '../harness.js'
import { examples, parameters } from '../tables.js'

const entry = (options = '{}') =>
  `- use: sink/predictions\n  from: { parameters: model, examples: examples }\n  with: ${options}`
const classes = ['a', 'b']
/** The logit of b is the first pixel above that of a; images are 2×2. */
const model = parameters(
  [
    [0, 0, 0, 0],
    [1, 0, 0, 0],
  ],
  [0, 0],
)
const firsts = [1, 4, 2, 3, 0, 4]
const labels = [1, 1, 0, 0, 1, 0]
const images = (shape: number[]) =>
  examples(
    firsts.map((x) => [x, 0, 8, 4]),
    labels,
    { classes, split: 'test', shape },
  )
const share = (logit: number) => 1 / (1 + Math.exp(-logit))

t.test('it lists the surest wrong and right rows, the surest first', async (t) => {
  const { directory, notes } = await runStage(t, entry('{ count: 2 }'), {
    parameters: [model],
    examples: [images([1, 2, 2])],
  })
  const [names, ...rows] = readFileSync(join(directory, 'figures/predictions.csv'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(','))
  t.strictSame(names, ['row', 'class', 'predicted', 'probability', 'right'])
  t.strictSame(
    rows.map(([row, name, predicted, , right]) => [row, name, predicted, right]),
    [
      ['5', 'a', 'b', 'false'],
      ['3', 'a', 'b', 'false'],
      ['1', 'b', 'b', 'true'],
      ['0', 'b', 'b', 'true'],
    ],
  )
  for (const [i, logit] of [4, 3, 4, 1].entries()) t.ok(Math.abs(Number(rows[i]![3]) - share(logit)) < 1e-14)
  t.strictSame(notes, [])

  const svg = readFileSync(join(directory, 'figures/predictions.svg'), 'utf8')
  for (const words of ['Wrong', 'Right', 'b: 98 %', 'is a']) t.match(svg, `>${words}</text>`)
  const [first] = [...svg.matchAll(/base64,([^"]+)"/g)].map(([, data]) => decode(Buffer.from(data!, 'base64')))
  t.strictSame([...first!.data], [128, 0, 255, 128], 'all on the scale from 0 to 8')
})

t.test('of data that is no image there is the CSV and a note, and the same bytes every time otherwise', async (t) => {
  const { directory, notes } = await runStage(t, entry(), { parameters: [model], examples: [images([4])] })
  t.strictSame(notes, ['the examples are no images (shape 4): there is only the CSV'])
  t.notOk(existsSync(join(directory, 'figures/predictions.svg')))
  t.equal(readFileSync(join(directory, 'figures/predictions.csv'), 'utf8').trim().split('\n').length, 7)

  const inputs = { parameters: [model], examples: [images([2, 2])] }
  const [one, two] = [await runStage(t, entry(), inputs), await runStage(t, entry(), inputs)]
  for (const name of ['figures/predictions.png', 'figures/predictions.svg'])
    t.ok(readFileSync(join(one.directory, name)).equals(readFileSync(join(two.directory, name))), name)
})

t.test('a model that is always right has no wrong ones to show', async (t) => {
  const right = examples([[5, 0, 0, 0]], [1], { classes, shape: [2, 2] })
  const { directory } = await runStage(t, entry('{ formats: [svg] }'), { parameters: [model], examples: [right] })
  t.notMatch(readFileSync(join(directory, 'figures/predictions.svg'), 'utf8'), '>Wrong<')
})

t.test('scores that are no logits are shown as scores, not as probabilities', async (t) => {
  const inputs = { parameters: [model], examples: [images([2, 2])] }
  const { directory } = await runStage(t, entry('{ count: 1, formats: [svg] }'), inputs, {
    learners: [{ ...softmax, scores: 'other' }],
  })
  t.equal(
    readFileSync(join(directory, 'figures/predictions.csv'), 'utf8'),
    'row,class,predicted,score,right\n5,a,b,4,false\n1,b,b,4,true\n',
  )
  const svg = readFileSync(join(directory, 'figures/predictions.svg'), 'utf8')
  for (const words of ['b: 4.00', 'predicted class and its score']) t.match(svg, `>${words}</text>`)
  t.notMatch(svg, /probability|%<\/text>/)
})

import t from 'tap'
import { confusionFigure, confusionOf } from '../../dist/figures/confusion.js'

const classes = ['cat', 'dog', 'frog']

t.test('counts, precision, recall and F1', (t) => {
  const confusion = confusionOf([0, 0, 0, 0, 1, 1, 1, 2], [0, 0, 0, 1, 1, 1, 0, 1], classes)
  t.strictSame([...confusion.counts], [3, 1, 0, 1, 2, 0, 0, 1, 0])
  t.equal(confusion.accuracy, 5 / 8)
  t.strictSame(confusion.perClass, [
    { rows: 4, precision: 3 / 4, recall: 3 / 4, f1: 6 / 8 },
    { rows: 3, precision: 2 / 4, recall: 2 / 3, f1: 4 / 7 },
    { rows: 1, precision: Number.NaN, recall: 0, f1: 0 },
  ])
  t.throws(() => confusionOf([3], [0], classes), new RangeError('expected class indices below 3, got 3 and 0'))
  t.end()
})

t.test('the figure shows them; a share without a denominator is a dash', async (t) => {
  const svg = await confusionFigure(confusionOf([0, 0, 1, 2], [0, 1, 1, 1], classes))
  for (const words of ['Accuracy 50.0 % on 4 rows', 'frog', '33.3 %', '–', 'predicted class'])
    t.match(svg, `>${words}</text>`)
  t.equal(await confusionFigure(confusionOf([0, 0, 1, 2], [0, 1, 1, 1], classes)), svg)
})

t.test('2, 20, 100 and 600 classes fit', async (t) => {
  for (const [count, width] of [
    [2, 700],
    [20, 1200],
    [100, 1500],
    [600, 1800],
  ] as const) {
    const names = Array.from({ length: count }, (_, i) => `a rather long class name ${i}`)
    const labels = names.map((_, i) => i)
    const svg = await confusionFigure(confusionOf(labels, labels.toReversed(), names))
    t.ok(Number(/width="(\d+)"/.exec(svg)![1]) < width, `${count} classes`)
    t.ok(svg.length < 400_000, `${svg.length}`)
  }
})

t.test('more classes than a matrix can show are refused', async (t) => {
  const classes = Array.from({ length: 150_000 }, (_, i) => String(i))
  t.throws(() => confusionOf([0], [1], classes), {
    name: 'RangeError',
    message: '150000 classes: a confusion matrix has 8192 at most, with 67108864 counts',
  })
})

import t from 'tap'
import { problemsOf, runStage } from '../harness.js'
import { examples, featuresIn } from '../tables.js'

const position = { epoch: 1, step: 1, epochs: 1, steps: 1 }
const crop = (options: string) => `- use: augment/crop\n  with: { ${options} }`

t.test('augment/crop moves images by all steps up to the padding, all channels together', async (t) => {
  // Channels last: the pixel (y, x) of channel c is 9 + 3 * (3 * y + x) + c.
  const image = Array.from({ length: 36 }, (_, i) => 9 + i)
  const batches = [examples(new Array(500).fill(image), new Array(500).fill(0), { shape: [4, 3, 3], position })]
  const { tables } = await runStage(t, crop('pad: 1, fill: 7'), { batches })
  const seen = new Map<string, number>()
  for (const row of featuresIn(tables[0]!)) seen.set(String(row), (seen.get(String(row)) ?? 0) + 1)
  const expected = [-1, 0, 1].flatMap((down) =>
    [-1, 0, 1].map((right) =>
      String(
        image.map((_, i) => {
          const [y, x, c] = [Math.floor(i / 9) + down, (Math.floor(i / 3) % 3) + right, i % 3]
          return y < 0 || y > 3 || x < 0 || x > 2 ? 7 : 9 + 3 * (3 * y + x) + c
        }),
      ),
    ),
  )
  t.strictSame([...seen.keys()].sort(), expected.sort())
  for (const [row, count] of seen) t.ok(count > 25 && count < 90, `${count} times ${row}`)
})

t.test('a padding as large as the image is refused', async (t) => {
  const above = '- use: load/digits\n- use: batch/rows\n  with: { size: 1, epochs: 1 }\n'
  t.equal(
    await problemsOf(t, above + crop('pad: 8')),
    'pipeline.yaml:6:18  stages[2] augment/crop: pad: expected less than 8, the smaller side of the images, got 8: they could be empty',
  )
  t.match(await problemsOf(t, above + crop('pad: 0')), /pad: expected a positive integer, got 0/)
})

import t from 'tap'
import { errorOf, runStage } from '../harness.js'
import { countedBatches, examples, featuresIn, labelsIn, positionsOf } from '../tables.js'

const entry = (size: number): string => `- use: shuffle/buffer\n  with: { size: ${size} }`

/** Which row stands where, in each of two epochs of 11 rows. */
async function order(size: number, seed = 1, id = 'shuffle'): Promise<number[][]> {
  const { tables } = await runStage(
    t,
    `${entry(size)}\n  id: ${id}`,
    { batches: countedBatches([4, 4, 3], 2) },
    { seed },
  )
  const rows = tables.flatMap(featuresIn).map(([x]) => x! / 10)
  return [rows.slice(0, 11), rows.slice(11)]
}

t.test('every row comes once in an epoch, with its label, in batches of the same sizes and positions', async (t) => {
  // A buffer smaller than a batch, one larger, as many rows as there are, and more.
  for (const size of [2, 6, 11, 100]) {
    const batches = countedBatches([4, 4, 3], 2)
    const { tables } = await runStage(t, entry(size), { batches })
    t.strictSame(
      tables.map(({ numRows }) => numRows),
      [4, 4, 3, 4, 4, 3],
    )
    t.strictSame(positionsOf(tables), positionsOf(batches))
    for (const rows of await order(size))
      t.strictSame(
        [...rows].sort((a, b) => a - b),
        [...Array(11).keys()],
      )
    for (const [x, y, label] of tables.flatMap((each) =>
      featuresIn(each).map((row, i) => [...row, labelsIn(each)[i]!]),
    ))
      t.strictSame([y, label], [x! + 1, (x! / 10) % 3])
  }
})

t.test('no row comes before those in front of it have filled the buffer', async (t) => {
  for (const size of [2, 5])
    for (const rows of await order(size))
      for (const [place, row] of rows.entries()) t.ok(place > row - size, `${row} at ${place}`)
})

t.test('the order depends on seed, id and epoch, and on nothing else', async (t) => {
  const [first, second] = await order(6)
  t.strictSame(await order(6), [first, second])
  t.notSame(first, [...Array(11).keys()])
  t.notSame(second, first, 'epoch')
  t.notSame((await order(6, 2))[0], first, 'seed')
  t.notSame((await order(6, 1, 'other'))[0], first, 'id')
})

/** The share of a batch that its most frequent label has, on average: 20,000 rows sorted by 10 labels, batches of 100. */
async function purity(size: number): Promise<[share: number, notes: readonly string[]]> {
  const steps = 200
  const batches = Array.from({ length: steps }, (_, b) =>
    examples(
      Array.from({ length: 100 }, () => [0]),
      Array.from({ length: 100 }, () => Math.floor(b / 20)),
      { position: { epoch: 1, step: b + 1, epochs: 1, steps }, classes: [...'abcdefghij'] },
    ),
  )
  const { tables, notes } = await runStage(t, entry(size), { batches })
  const most = tables.map((table) => {
    const counts = new Array<number>(10).fill(0)
    for (const label of labelsIn(table)) counts[label]!++
    return Math.max(...counts)
  })
  return [most.reduce((a, b) => a + b) / steps / 100, notes]
}

t.test('how well sorted labels are mixed is what docs/data.md says', async (t) => {
  const expected = [
    [100, 0.97],
    [1000, 0.72],
    [2000, 0.54],
    [4000, 0.36],
    [10_000, 0.2],
    [20_000, 0.15],
  ] as const
  for (const [size, share] of expected) {
    const [found, notes] = await purity(size)
    t.comment(size, found)
    t.ok(Math.abs(found - share) < 0.02, `${size}: ${found}`)
    const remark = `one class has ${Math.round(100 * found)} % of the rows of a batch on average, and 10 % of all rows at most`
    t.equal(notes.length, share > 0.5 ? 1 : 0, `${size}: a note if they are hardly mixed`)
    t.match(
      notes,
      share > 0.5 ? [new RegExp(`^${remark}.*a buffer of ${size} rows hardly mixes them; give a larger size`)] : [],
    )
  }
})

t.test('a buffer that does not fit into the memory of the run is refused', async (t) => {
  t.match(await errorOf(runStage(t, entry(800_000), { batches: countedBatches([4], 1) }, { memory: 1e6 })), [
    'DATA',
    /the rows of the buffer need 4.8 MB, memory: 1 MB has 1 MB left; give a smaller size/,
  ])
})

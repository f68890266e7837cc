import { concat, EMPTY, lastValueFrom, of, take, throwError, toArray } from 'rxjs'
import t from 'tap'
import { kernelRows } from '../../../dist/pipeline/stage-kit.js'
import { openStage, problemsOf, runStage } from '../harness.js'
import { countedBatches, featuresIn, labelsIn, positionsOf } from '../tables.js'

const entry = '- use: shuffle/batches'

/** The first number of each batch, which tells which one it is, by epoch. */
async function order(seed = 1, id = 'shuffle', epochs = 2) {
  const batches = countedBatches(new Array(8).fill(2), epochs)
  const { tables } = await runStage(t, `${entry}\n  id: ${id}`, { batches }, { seed })
  const firsts = tables.map((table) => kernelRows(table).values[0]!)
  return Array.from({ length: epochs }, (_, e) => firsts.slice(8 * e, 8 * (e + 1)))
}

t.test('shuffle/batches gives every batch once per epoch, at positions that count up', async (t) => {
  const batches = countedBatches([2, 2, 2, 1], 3)
  const { tables } = await runStage(t, entry, { batches })
  t.strictSame(positionsOf(tables), positionsOf(batches))
  for (const epoch of [0, 1, 2]) {
    const contents = (of: typeof tables) =>
      of
        .slice(4 * epoch, 4 * epoch + 4)
        .map(featuresIn)
        .map(String)
        .sort()
    t.strictSame(contents(tables), contents(batches))
  }
})

t.test('rows keep their batch, their order and their labels; a short batch keeps its size', async (t) => {
  const batches = countedBatches([3, 3, 1], 1)
  const { tables } = await runStage(t, entry, { batches })
  t.strictSame(tables.map((table) => table.numRows).sort(), [1, 3, 3])
  for (const table of tables)
    t.strictSame(
      labelsIn(table),
      featuresIn(table).map(([x]) => (x! / 10) % 3),
    )
})

t.test('the order depends on seed, id and epoch, and on nothing else', async (t) => {
  const [first, second] = await order()
  t.strictSame(await order(), [first, second])
  t.strictSame(
    await order(1, 'shuffle', 3).then((epochs) => epochs.slice(0, 2)),
    [first, second],
    'nor on how many epochs',
  )
  t.notSame(second, first, 'epoch')
  t.notSame((await order(2))[0], first, 'seed')
  t.notSame((await order(1, 'other'))[0], first, 'id')
})

t.test('nothing is copied', async (t) => {
  const batches = countedBatches([2, 2], 1)
  const { tables } = await runStage(t, entry, { batches })
  t.strictSame(
    new Set(tables.map((table) => kernelRows(table).values.buffer)),
    new Set(batches.map((table) => kernelRows(table).values.buffer)),
  )
})

t.test('an epoch that ends early is still given out; no batches give none', async (t) => {
  const { tables } = await runStage(t, entry, { batches: countedBatches([1, 1, 1], 1).slice(0, 2) })
  t.strictSame(positionsOf(tables), [
    [1, 1],
    [1, 2],
  ])
  t.strictSame((await runStage(t, entry, { batches: EMPTY })).tables, [])
})

t.test('shuffle/batches passes an error on, and stops where nobody listens any more', async (t) => {
  const error = new Error('upstream')
  const batches = countedBatches([1, 1], 2)
  await t.rejects(
    runStage(t, entry, {
      batches: concat(
        of(batches[0]!),
        throwError(() => error),
      ),
    }),
    error,
  )
  const { tables } = openStage(t, entry, { batches })
  t.strictSame(positionsOf(await lastValueFrom(tables.pipe(take(1), toArray()))), [[1, 1]])
})

t.test('the shuffles take no options, and batches only', async (t) => {
  const above = '- use: load/digits\n- use: batch/rows\n  with: { size: 10, epochs: 1 }\n'
  for (const use of ['shuffle/batches', 'shuffle/rows', 'shuffle/none']) {
    t.equal(
      await problemsOf(t, `${above}- id: shuffle\n  use: ${use}\n  with: { seed: 1 }`),
      `pipeline.yaml:7:13  stages[2] ${use}: unknown option "seed"`,
    )
    t.equal(
      await problemsOf(t, `- use: load/digits\n- use: ${use}`),
      `pipeline.yaml:3:5  stages[1] ${use}: the input "batches" takes a "batch" wire, got an "examples" wire from the output "examples" of stages[0] load/digits at pipeline.yaml:2:5`,
    )
  }
})

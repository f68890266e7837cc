import { concat, EMPTY, lastValueFrom, of, take, throwError, toArray } from 'rxjs'
import t from 'tap'
import { kernelRows, layoutOf, splitOf } from '../../../dist/pipeline/stage-kit.js'
import { openStage, runStage } from '../harness.js'
import { countedBatches, examples, featuresIn, labelsIn, positionsOf } from '../tables.js'

const entry = '- use: shuffle/rows'

/** Which row stands where, by epoch. */
async function order(seed = 1, id = 'shuffle') {
  const { tables } = await runStage(t, `${entry}\n  id: ${id}`, { batches: countedBatches([4, 4, 3], 2) }, { seed })
  const rows = tables.flatMap(featuresIn).map(([x]) => x! / 10)
  return [rows.slice(0, 11), rows.slice(11)]
}

t.test('shuffle/rows deals every row of an epoch once, into batches of the same sizes and positions', async (t) => {
  const batches = countedBatches([4, 4, 3], 2)
  const { tables } = await runStage(t, entry, { batches })
  t.strictSame(
    tables.map((table) => table.numRows),
    [4, 4, 3, 4, 4, 3],
  )
  t.strictSame(positionsOf(tables), positionsOf(batches))
  for (const rows of await order())
    t.strictSame(
      [...rows].sort((a, b) => a - b),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    )
})

t.test('rows keep their features together and their labels', async (t) => {
  const { tables } = await runStage(t, entry, { batches: countedBatches([4, 4, 3], 2) })
  for (const [x, y, label] of tables.flatMap((table) =>
    featuresIn(table).map((row, i) => [...row, labelsIn(table)[i]!]),
  )) {
    t.equal(y, x! + 1)
    t.equal(label, (x! / 10) % 3)
  }
})

t.test('rows change batches', async (t) => {
  const [rows] = await order()
  t.notSame(
    rows!.slice(0, 4).sort((a, b) => a - b),
    [0, 1, 2, 3],
  )
})

t.test('the order depends on seed, id and epoch, and on nothing else', async (t) => {
  const [first, second] = await order()
  t.strictSame(await order(), [first, second])
  t.notSame(second, first, 'epoch')
  t.notSame((await order(2))[0], first, 'seed')
  t.notSame((await order(1, 'other'))[0], first, 'id')
})

t.test('batches have memory of their own, and keep type, split, shape, classes and the affine map', async (t) => {
  const affine = { mean: Float64Array.of(1), scale: Float64Array.of(2) }
  const position = { epoch: 1, step: 1, epochs: 1, steps: 1 }
  for (const Values of [Uint8Array, Float32Array] as const) {
    const given = examples(
      [[1], [2]],
      [0, 1],
      { split: 'x', position, ...(Values === Uint8Array && { affine }) },
      Values,
    )
    const [table] = (await runStage(t, entry, { batches: [given] })).tables
    t.ok(kernelRows(table!).values instanceof Values)
    t.not(kernelRows(table!).values.buffer, kernelRows(given).values.buffer)
    t.strictSame([splitOf(table!), layoutOf(table!)], ['x', layoutOf(given)])
  }
})

t.test('no batches give none; an error is passed on; it stops where nobody listens any more', async (t) => {
  t.strictSame((await runStage(t, entry, { batches: EMPTY })).tables, [])
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

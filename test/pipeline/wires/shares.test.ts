import t from 'tap'
import { localParallel } from '../../../dist/pipeline/parallel/local.js'
import { exampleFields, rowsBefore, rowsByShard, ShardBuffer, shareOf } from '../../../dist/pipeline/stage-kit.js'

const shares = (own: readonly number[]) => ({ isDivided: true, shards: 3, own })
const fields = exampleFields({ shape: [2], classes: ['a', 'b'] }, new Float32Array(0))

/** Seven rows, of which the shards `own` are kept. */
function tables(own: readonly number[]) {
  const dealt = new ShardBuffer(shares(own), 7, 2, (length) => new Float32Array(length))
  for (let i = 0; i < 7; i++) dealt.put(i, [i, -i], i % 2)
  return [...dealt.tables(fields, 'train')]
}

t.test('rows are dealt to the shards in turn', async (t) => {
  t.strictSame(
    [0, 1, 2].map((shard) => rowsBefore(7, shard, 3)),
    [3, 2, 2],
  )
  t.strictSame(
    [0, 1, 2].map((shard) => rowsBefore(2, shard, 3)),
    [1, 1, 0],
  )
  const rows = rowsByShard(tables([1, 2]), 'train', shares([1, 2]))
  t.ok(rows.every((pieces) => pieces.length === 1))
  t.strictSame(
    rows.map(([shard]) => [...shard!.values]),
    [
      [1, -1, 4, -4],
      [2, -2, 5, -5],
    ],
  )
  t.strictSame(
    rows.map(([shard]) => [...shard!.labels]),
    [
      [1, 0],
      [0, 1],
    ],
  )
  t.strictSame(shareOf(tables([2])[0]!), { shard: 2, shards: 3, rows: 7 })
})

t.test('a shard that is missing, doubled or undivided is an error that names it', async (t) => {
  const read = (given: ReturnType<typeof tables>) => () => rowsByShard(given, 'train', shares([1, 2]))
  t.throws(read(tables([1])), { code: 'DATA', message: 'shard 2 of 3 of the split "train" did not arrive' })
  t.throws(read(tables([1, 1])), { code: 'DATA', message: 'shard 2 of 3 of the split "train" did not arrive' })
  t.throws(read([...tables([1]), ...tables([1, 2])]), {
    code: 'DATA',
    message: 'shard 1 of the split "train": expected one table of 2 rows, found a second one',
  })
  const whole = new ShardBuffer(localParallel, 2, 2, (length) => new Float32Array(length))
  t.throws(read([...whole.tables(fields, 'train')]), {
    code: 'DATA',
    message: 'the split "train" came undivided, expected 3 shards',
  })
})

t.test('a run that is not divided has one shard: all tables as they came, and nothing said about shares', async (t) => {
  const given = [2, 0, 3].flatMap((count) => {
    const dealt = new ShardBuffer(localParallel, count, 2, (length) => new Float32Array(length))
    for (let i = 0; i < count; i++) dealt.put(i, [i, -i], i % 2)
    return [...dealt.tables(fields, 'train')]
  })
  t.ok(given.every((table) => shareOf(table) === undefined))
  t.strictSame(
    rowsByShard(given, 'train', localParallel).map((pieces) => pieces.map(({ values }) => [...values])),
    [[[0, -0, 1, -1], [], [0, -0, 1, -1, 2, -2]]],
  )
})

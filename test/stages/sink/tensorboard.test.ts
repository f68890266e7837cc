import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Table } from 'apache-arrow'
import { Subject } from 'rxjs'
import t from 'tap'
import { metricsTable, parametersTables } from '../../../dist/pipeline/stage-kit.js'
import { errorOf, openStage, problemsOf, runStage } from '../harness.js'
import { countedBatches } from '../tables.js'

const entry = (options = '') => `- use: sink/tensorboard\n  with: { path: out.tfevents, ${options} }`
const at = (step: number) => ({ epoch: Math.ceil(step / 2), step, epochs: 3, steps: 2 })

const infos = {
  train_loss: { split: 'train', name: 'loss', title: 'loss' },
  test_loss: { split: 'test', name: 'loss', title: 'loss' },
}
const metrics = [
  metricsTable(at(2), { train_loss: 0.5, test_loss: Number.NaN, eta: 1e-3 }, infos),
  metricsTable(at(300), { train_loss: Number.POSITIVE_INFINITY, test_loss: -0.25, eta: 1e-4 }, infos),
]
const W = Float32Array.of(...[0, 1, 2, 3], ...[Number.NaN, 5, -4, 4])
const table = parametersTables({
  learner: 'softmax',
  options: {},
  shape: [1, 2, 2],
  classes: ['a', 'b'],
  lambda: 0,
  arrays: [
    { name: 'W', shape: [2, 4], values: W },
    { name: 'b', shape: [2], values: Float32Array.of(0, 0) },
  ],
})
const parameters = [1, 2, 3, 4].map((step) => table(at(step), 0.1))

const python = ['python3', '/usr/bin/python3'].find(
  (name) => spawnSync(name, ['-c', 'import google.protobuf']).status === 0,
)

t.test('an independent reader finds all of it', { skip: !python && 'there is no python3-protobuf' }, async (t) => {
  const read = (path: string): unknown => {
    const { stdout, stderr } = spawnSync(python!, ['test/stages/sink/events.py', path], { encoding: 'utf8' })
    t.equal(stderr, '')
    return JSON.parse(stdout)
  }
  const first = [0, 0, 'brain.Event:2', []]
  const { directory } = await runStage(t, entry(), { tables: metrics })
  t.strictSame(read(join(directory, 'out.tfevents')), [
    first,
    [
      2,
      2,
      '',
      [
        ['loss/train', '0.5'],
        ['loss/test', 'nan'],
        ['eta', '0.0010000000474974513'],
      ],
    ],
    [
      300,
      300,
      '',
      [
        ['loss/train', 'inf'],
        ['loss/test', '-0.25'],
        ['eta', '9.999999747378752e-05'],
      ],
    ],
  ])
  const other = await runStage(t, entry(), { tables: parameters })
  const png = '89504e47'
  const values = [
    ['parameters/W', [-4, 5, 7, 7, 30]],
    ['parameters/b', [0, 0, 2, 2, 30]],
    ['weights/a', [2, 2, 1, png]],
    ['weights/b', [2, 2, 1, png]],
  ]
  t.strictSame(read(join(other.directory, 'out.tfevents')), [first, [2, 2, '', values], [4, 4, '', values]])
})

/** The length of each record, whose checksums are computed here bit by bit. */
function recordsIn(bytes: Buffer): number[] {
  const crc = (part: Uint8Array): number => {
    let value = 0xffffffff
    for (const byte of part)
      for (let bit = 0, rest = byte; bit < 8; bit++, rest >>= 1)
        value = ((value ^ rest) & 1 ? 0x82f63b78 : 0) ^ (value >>> 1)
    value = ~value >>> 0
    return (((value >>> 15) | (value << 17)) + 0xa282ead8) >>> 0
  }
  const lengths: number[] = []
  for (let start = 0; start < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(start))
    t.equal(bytes.readUInt32LE(start + 8), crc(bytes.subarray(start, start + 8)))
    t.equal(bytes.readUInt32LE(start + 12 + length), crc(bytes.subarray(start + 12, start + 12 + length)))
    lengths.push(length)
    start += 16 + length
  }
  return lengths
}

t.test('records are framed with their checksums, and every run gives the same bytes', async (t) => {
  const files = await Promise.all(
    [0, 1].map(async () => {
      const { directory } = await runStage(t, entry(), { tables: parameters })
      return readFileSync(join(directory, 'out.tfevents'))
    }),
  )
  t.equal(recordsIn(files[0]!).length, 3)
  t.ok(files[0]!.equals(files[1]!))
  const { directory } = await runStage(t, entry('wallTime: clock, every: 1 step, images: false'), {
    tables: parameters,
  })
  const bytes = readFileSync(join(directory, 'out.tfevents'))
  t.equal(recordsIn(bytes).length, 5)
  t.ok(bytes.readDoubleLE(16 + recordsIn(bytes)[0]! + 13) > 1e9, 'the real time if it is asked for')
})

t.test('a killed run goes on, and gives the same bytes', async (t) => {
  const { directory } = await runStage(t, entry(), { tables: metrics })
  const source = new Subject<Table>()
  const killed = openStage(t, entry(), { tables: source })
  const subscription = killed.tables.subscribe()
  source.next(metrics[0]!)
  const state = await killed.snapshot()
  source.next(metrics[1]!)
  subscription.unsubscribe()
  const resumed = await runStage(t, entry(), { tables: metrics }, { state, directory: killed.directory })
  const files = [directory, resumed.directory].map((each) => readFileSync(join(each, 'out.tfevents')))
  t.ok(files[0]!.equals(files[1]!))
})

t.test('mistakes are told', async (t) => {
  t.match(await errorOf(runStage(t, entry(), { tables: countedBatches([2], 1) })), [
    'DATA',
    'sink/tensorboard shows metrics and parameters, got batch; give it another wire with `from`',
  ])
  t.match(
    await problemsOf(t, '- use: load/digits\n- use: sink/tensorboard\n  with: { path: events.bin }'),
    /path: expected a file name with "tfevents" in it: TensorBoard opens no others/,
  )
})

import t from 'tap'
import { kernelRows, layoutOf, splitOf } from '../../../dist/pipeline/stage-kit.js'
import { failureOf, problemsOf, runStage } from '../harness.js'
import { featuresIn, labelsIn } from '../tables.js'

const entry = (options: string) => `- use: load/synthetic\n  with: { ${options} }`
const load = async (t: Parameters<typeof runStage>[0], options: string, seed = 1) =>
  (await runStage(t, entry(options), {}, { seed })).tables

t.test('rows are those of their number and the seed, whatever the number of rows', async (t) => {
  for (const kind of ['blobs', 'spirals', 'linear', 'xor', 'moons']) {
    const few = await load(t, `kind: ${kind}, rows: 20, features: 3`)
    t.strictSame(
      few.map((table) => [splitOf(table), table.numRows]),
      [
        ['train', 16],
        ['test', 4],
      ],
    )
    t.match(layoutOf(few[0]!), { shape: [3], classes: ['0', '1'] })
    const rows = few.flatMap(featuresIn)
    t.equal(new Set(rows.map(String)).size, 20, 'no row twice')
    t.strictSame(
      few.flatMap((table) => [...kernelRows(table).row!]),
      Array.from({ length: 20 }, (_, i) => i),
    )
    const more = await load(t, `kind: ${kind}, rows: 40, features: 3, fractions: { all: 1 }`)
    t.strictSame(featuresIn(more[0]!).slice(0, 20), rows, kind)
    t.strictSame(labelsIn(more[0]!).slice(0, 20), few.flatMap(labelsIn))
    t.notSame((await load(t, `kind: ${kind}, rows: 20, features: 3, seed: 9`)).flatMap(featuresIn), rows)
  }
})

t.test('each kind has the structure that it is named for', async (t) => {
  const clean = async (options: string) => {
    const [table] = await load(t, `${options}, rows: 300, fractions: { all: 1 }`)
    return featuresIn(table!).map((row, i) => ({ row, label: labelsIn(table!)[i]! }))
  }
  for (const { row, label } of await clean('kind: xor, noise: 0'))
    t.equal(row[0]! * row[1]! < 0 ? 1 : 0, label, 'equal signs are class 0')
  for (const {
    row: [x, y],
    label,
  } of await clean('kind: moons, noise: 0')) {
    const [cx, cy] = label === 0 ? [x!, y!] : [1 - x!, 0.5 - y!]
    t.ok(Math.abs(Math.hypot(cx, cy) - 1) < 1e-5 && cy >= -1e-6, 'on a half circle')
  }
  for (const {
    row: [x, y],
    label,
  } of await clean('kind: spirals, classes: 3, noise: 0')) {
    const radius = Math.hypot(x!, y!)
    const turns = Math.atan2(y!, x!) / (2 * Math.PI) - radius - label / 3
    t.ok(Math.abs(turns - Math.round(turns)) < 1e-4, 'on its arm')
  }
  const blobs = await clean('kind: blobs, classes: 4, features: 5, noise: 0')
  t.equal(new Set(blobs.map(({ row }) => String(row))).size, 4, 'without noise, the centres')
  const linear = await clean('kind: linear, classes: 3, features: 4, noise: 0')
  t.equal(new Set(linear.map(({ label }) => label)).size, 3)
})

t.test('load/synthetic rejects what cannot be', async (t) => {
  const place = 'stages[0] load/synthetic:'
  t.match(
    await problemsOf(t, entry('kind: moons, rows: 9, classes: 3')),
    `${place} classes: moons has 2 classes, got 3`,
  )
  t.match(
    await problemsOf(t, entry('kind: linear, rows: 9, noise: 2')),
    `${place} noise: with \`linear\`, noise is a share of the rows, at most 1, got 2`,
  )
  t.strictSame(await failureOf(t, `${entry('kind: xor, rows: 1')}\n- use: sink/arrow`), [
    'DATA',
    '1 row cannot be divided: none is left for the split "test"',
  ])
})

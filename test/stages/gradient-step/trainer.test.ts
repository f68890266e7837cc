import type { Table } from 'apache-arrow'
import t, { type Test } from 'tap'
import { layoutOf, type Model, modelOf } from '../../../dist/pipeline/stage-kit.js'
import { runStage, temporary } from '../harness.js'
import { examples, featuresIn } from '../tables.js'

const rows = [
  [0, 10, 7],
  [40, 30, 7],
  [80, 250, 7],
  [255, 20, 7],
]
const standardize = '- use: normalize/standardize'
const minMax = '- use: normalize/min-max'
const scale = '- use: normalize/scale\n  with: { subtract: 3, divideBy: 20 }'

const bytes = examples(rows, [0, 1, 2, 0])
const floats = examples(rows, [0, 1, 2, 0], {}, Float32Array)

/** The last parameters that are trained on a table that went through these stages, and that table. */
async function trained(t: Test, given: Table, stages: readonly string[]): Promise<[Model, Table]> {
  let tables = [given]
  for (const entry of stages) tables = [...(await runStage(t, entry, { examples: tables })).tables]
  const batches = (await runStage(t, '- use: batch/rows\n  with: { size: 3, epochs: 1 }', { examples: tables })).tables
  const { tables: parameters } = await runStage(t, '- use: gradient-step/softmax\n  with: { eta: 0.1 }', { batches })
  return [modelOf(parameters.at(-1)!), tables[0]!]
}

/** Whether a map makes of the rows as they were loaded what the learner saw. */
function fits({ affine }: Model, seen: Table, tolerance: number): boolean {
  return featuresIn(seen).every((expected, i) =>
    expected.every((z, j) => Math.abs((rows[i]![j]! - affine!.mean[j]!) * affine!.scale[j]! - z) <= tolerance),
  )
}

t.test('parameters carry the map from features as they were loaded to what the learner saw', async (t) => {
  for (const stages of [
    [standardize],
    [minMax],
    [scale],
    [scale, scale],
    [standardize, scale],
    [scale, standardize],
    [minMax, scale, standardize],
  ]) {
    const what = stages.map((entry) => entry.slice(7, 28)).join(', ')
    const [ofBytes, seenBytes] = await trained(t, bytes, stages)
    t.ok(layoutOf(seenBytes).affine, `${what}: uint8 rows still need it`)
    t.ok(fits(ofBytes, seenBytes, 1e-12), `${what}: uint8`)
    const [ofFloats, seenFloats] = await trained(t, floats, stages)
    t.equal(layoutOf(seenFloats).affine, undefined)
    t.ok(layoutOf(seenFloats).applied, `${what}: float32 rows have gone through it`)
    t.ok(fits(ofFloats, seenFloats, 1e-5), `${what}: float32`)
    for (const key of ['mean', 'scale'] as const)
      for (const [j, x] of ofBytes.affine![key].entries())
        t.ok(
          Math.abs(ofFloats.affine![key][j]! - x) <= 1e-5 * Math.max(1, Math.abs(x)),
          `${what}: ${key}[${j}] of both`,
        )
  }
})

t.test('uint8 rows that are standardised into floats carry the map, too', async (t) => {
  const narrow = examples(
    [[254], [255], [255], [255]].map(([x]) => [x!, 0, 0]),
    [0, 1, 2, 0],
  )
  const entry = '- use: normalize/scale\n  with: { subtract: 254, divideBy: 0.5 }'
  const [{ affine }, seen] = await trained(t, narrow, [entry])
  t.equal(layoutOf(seen).affine, undefined, 'folding would lose digits')
  t.strictSame(affine, { mean: Float64Array.of(254, 254, 254), scale: Float64Array.of(2, 2, 2) })
})

t.test('without normalisation there is no map', async (t) => {
  for (const given of [bytes, floats]) t.equal((await trained(t, given, []))[0].affine, undefined)
})

t.test('the names of CSV columns come with the parameters', async (t) => {
  const folder = temporary(t, {
    'a.csv': 'länge,"b, c",kind,d\n1,2,x,3\n4,5,y,6\n7,8,x,9\n',
    'b.csv': '1,2,x\n3,4,y\n',
  })
  for (const [options, names] of [
    [`path: ${folder}/a.csv, label: kind`, ['länge', 'b, c', 'd']],
    [`path: ${folder}/a.csv, label: kind, drop: [d]`, ['länge', 'b, c']],
    [`path: ${folder}/b.csv, header: false`, undefined],
  ] as const) {
    const load = `- use: load/csv\n  with: { ${options}, fractions: { train: 1 } }`
    const { tables } = await runStage(t, load)
    for (const stages of [[], [standardize], [standardize, scale]])
      t.strictSame((await trained(t, tables[0]!, stages))[0].names, names)
  }
})

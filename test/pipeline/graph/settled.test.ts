import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Pipeline } from '../../../dist/index.js'
import { planSweep } from '../../../dist/sweep/index.js'
import { temporary } from '../../stages/harness.js'

const stages = `
stages:
  - use: load/csv
    with: { path: "\${PATH_OF:-p}", label: "\${where}", drop: ["\${n}", "x\${n}"], fractions: { train: "\${SHARE}" } }
  - use: batch/rows
    with: { size: "\${n}", epochs: "\${E:-3}" }
`
const head = 'name: c\nseed: "${SEED}"\nvars: { n: "${N}", where: "${n}", unused: "${N}" }'
const environment = { N: '007', SHARE: '0.50', SEED: '0012', PATH_OF: '${n} &a: [1]' }

/** The options of each stage, by id. */
const optionsOf = ({ graph }: Pipeline) => Object.fromEntries(graph.nodes.map(({ id, options }) => [id, options]))

async function load(t: Test, text: string, options = {}): Promise<Pipeline> {
  const file = join(temporary(t), 'p.yaml')
  writeFileSync(file, text)
  return Pipeline.load(file, options)
}

t.test('one text of the environment is a number for one option and text for another', async (t) => {
  const pipeline = await load(t, head + stages, { environment })
  t.equal(pipeline.seed, 12)
  t.match(optionsOf(pipeline), {
    csv: { path: '${n} &a: [1]', label: '007', drop: ['007', 'x007'], fractions: { train: 0.5 } },
    rows: { size: 7, epochs: 3 },
  })
})

t.test('what is written down reads back as the same values, without the environment', async (t) => {
  const pipeline = await load(t, head + stages, { environment })
  for (const text of [pipeline.toYAML(), String(pipeline.toDocument({ resolved: true }))]) {
    const again = await load(t, text, { environment: {} })
    t.strictSame(optionsOf(again), optionsOf(pipeline), text)
    t.equal(again.seed, pipeline.seed)
  }
  const changed = await load(t, head + stages, { environment, set: ['n=0x10', 'csv.path=1e3', 'csv.drop=[1.0, 2]'] })
  t.match(optionsOf(changed), { csv: { path: '1e3', label: '0x10', drop: ['1.0', '2'] }, rows: { size: 16 } })
  t.strictSame(optionsOf(await load(t, changed.toYAML(), { environment: {} })), optionsOf(changed))
})

t.test('a var that options refer to keeps its reference, as the type that the first of them needs', async (t) => {
  const text =
    'vars: { size: "${SIZE}" }\nstages:\n  - use: load/digits\n  - use: batch/rows\n    with: { size: "${size}", epochs: 1 }\n'
  const pipeline = await load(t, text, { environment: { SIZE: '016' } })
  t.match(pipeline.toYAML(), /vars:\n {2}size: 16\n/)
  t.match(pipeline.toYAML(), /size: \$\{size\}/)
})

t.test('a sweep over names that look like numbers has them as they were written', async (t) => {
  const folder = temporary(t, {
    '007.csv': 'a,l\n1,x\n2,y\n',
    '7.csv': 'a,l\n3,x\n4,y\n',
    '1.0.csv': 'a,l\n5,x\n6,y\n',
    'p.yaml':
      'vars: { subject: 1, file: z, eta: 0.1 }\nstages:\n  - use: load/csv\n    with: { path: "${here}/${subject}.csv" }\n',
  })
  const plan = await planSweep(join(folder, 'p.yaml'), { grid: ['subject=007,7,1.0'] })
  t.strictSame(
    plan.points.map(({ settings }) => settings.subject),
    ['007', '7', '1.0'],
  )
  for (const { set, seed, definition } of plan.points) {
    const again = await planSweep(join(folder, 'p.yaml'), { set, seeds: String(seed + 1) })
    t.equal(again.points[0]?.definition, definition, 'the point says so when it runs elsewhere')
  }
})

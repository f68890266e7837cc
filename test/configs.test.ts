import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { tableFromIPC } from 'apache-arrow'
import t, { type Test } from 'tap'
import { Pipeline, type RunRecord, run } from '../dist/index.js'
import { randomStream } from '../dist/pipeline/base/random.js'
import { arraysOf, modelOf } from '../dist/pipeline/stage-kit.js'
import { data, dataMissing } from './data.js'
import { temporary } from './stages/harness.js'
import { smallIdx } from './stages/load/idx-files.js'
import { svgOnly } from './svg-only.js'

const folder = fileURLToPath(new URL('../configs', import.meta.url))

const configs = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.yaml') && !name.endsWith('.test.yaml'))
  .sort()
const texts = new Map(configs.map((name) => [name, readFileSync(join(folder, name), 'utf8')]))
/** Those that are there only to be extended by others. */
const bases = new Set(configs.filter((name) => /(^|\/)base\.yaml$/.test(name)))
/** Those that `test/docs/blocks.test.ts` runs, in the order of docs/cookbook.md. Some read from runs of others. */
const isRecipe = (name: string): boolean => name.startsWith('cookbook/')

/** What makes a config short enough for a test. */
const shorter = new Map<string, (t: Test) => string[]>([
  ['csv.yaml', () => ['rows.epochs=5']],
  ['digits.yaml', () => []],
  ['digits-grid.yaml', () => ['epochs=1']],
  ['cifar10/follow-up-2.yaml', (t) => [...shortCifar(t), 'weights.every.epochs=1']],
])
/** Those that read all five training files, of which two are there. */
const fiveFiles = /^cifar10\/(follow-up-1|lambda-search|three-layer|initialisation)\b/
const settingsOf = (name: string, t: Test): string[] => {
  const given = shorter.get(name)
  if (given) return given(t)
  if (name.startsWith('fashion-mnist/')) return ['epochs=1', `directory=${smallIdx(t)}`]
  const files = ['cifar10.train=[data_batch_1.bin, data_batch_2.bin]', 'cifar10.holdOut=50']
  return [...shortCifar(t), ...(fiveFiles.test(name) ? files : [])]
}
const shortCifar = (t: Test): string[] => [
  'epochs=1',
  `directory=${data ? join(data, 'cifar-10-first-1000') : syntheticCifar(t)}`,
]

/** A folder of three files in the format of CIFAR-10, of 200 images each: noise on a brightness that tells the class. */
function syntheticCifar(t: Test): string {
  const random = randomStream(1, 'test', 'cifar')
  const images = (): Uint8Array => {
    const bytes = new Uint8Array(200 * 3073)
    for (let at = 0; at < bytes.length; at += 3073) {
      const label = random.below(10)
      for (let i = 1; i < 3073; i++) bytes[at + i] = 20 * label + random.below(50)
      bytes[at] = label
    }
    return bytes
  }
  return temporary(t, { 'data_batch_1.bin': images(), 'data_batch_2.bin': images(), 'test_batch.bin': images() })
}

t.test('every config begins with a comment that says what it shows', (t) => {
  for (const [name, text] of texts) t.match(text, /^# [A-Z].{20,}\.\n/, name)
  t.end()
})

t.test('every config is sound, also those that are only extended', async (t) => {
  for (const name of configs) t.ok((await Pipeline.load(join(folder, name))).graph.nodes.length > 0, name)
})

t.test('what every config is written as reads back as the same pipeline, and takes the same vars', async (t) => {
  const seen = ({ graph, definition: { name, seed, description } }: Pipeline): unknown => [
    [name, seed, description],
    graph.nodes.map(({ id, stage, options, inputs }) => [id, stage.name, options, [...inputs]]),
  ]
  const file = join(temporary(t), 'again.yaml')
  for (const name of configs) {
    const pipeline = await Pipeline.load(join(folder, name))
    writeFileSync(file, pipeline.toYAML())
    t.strictSame(seen(await Pipeline.load(file)), seen(pipeline), name)
    t.equal((await Pipeline.load(file)).toYAML(), pipeline.toYAML(), name)
    if (!pipeline.definition.vars.has('epochs') || isRecipe(name)) continue
    const set = ['epochs=3', 'eta=0.5']
    t.strictSame(
      seen(await Pipeline.load(file, { set })),
      seen(await Pipeline.load(join(folder, name), { set })),
      `${name} with other values`,
    )
  }
})

t.test('every config is found by its name', async (t) => {
  for (const name of configs) {
    const { definition } = await Pipeline.load(name.replace(/\.yaml$/, ''))
    t.equal(definition.name, (await Pipeline.load(join(folder, name))).name)
  }
})

/** Those whose figures are drawn as PNGs too. */
const pngs = new Set(['digits.yaml', 'cifar10/experiment-1.yaml'])

/** Those that differ from others by the numbers in their vars alone. They are checked, but not run. */
const alike = /^(cifar10\/(two-layer-final|three-layer|nine-layer.*)|fashion-mnist\/(linear|hinge|network))\.yaml$/

for (const name of configs.filter((name) => !bases.has(name) && !alike.test(name) && !isRecipe(name))) {
  t.test(`${name} runs to its end, and the pipeline it writes down runs to the same end`, async (t) => {
    const set = settingsOf(name, t)
    const out = join(temporary(t), 'run')
    const pipeline = await Pipeline.load(join(folder, name), { set })
    const result = await run(pngs.has(name) ? pipeline : svgOnly(pipeline), { out })
    const record = JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')) as RunRecord
    t.equal(record.status, 'done')
    for (const file of record.files) t.ok(readFileSync(join(out, file)).length > 0, `${file} is there`)
    t.ok(result.history.length > 0)
    t.ok(result.history.every((row) => Object.values(row).every(Number.isFinite)))

    const again = join(temporary(t), 'run')
    await run(await Pipeline.load(join(out, 'pipeline.yaml')), { out: again })
    for (const file of record.files.filter((file) => !/^(run\.json|pipeline\.yaml)$/.test(file)))
      t.ok(readFileSync(join(again, file)).equals(readFileSync(join(out, file))), `${file} is the same again`)
  })
}

t.test('digits learns to read at least 95 % of the digits it has not seen', async (t) => {
  const result = await run(await Pipeline.load(join(folder, 'digits.yaml')), { out: join(temporary(t), 'run') })
  const last = result.history.at(-1)!
  t.equal(last.epoch, 60)
  t.ok(last.test_accuracy! >= 0.95, `test accuracy ${last.test_accuracy}`)
  t.ok(last.train_cost! < result.history[0]!.train_cost!)
})

/** Float64 values of an independent program, to 9 decimals. */
const golden: [epoch: number, ...metrics: number[]][] = [
  [1, 1.817768657, 1.821932516, 0.389, 2.002614802, 2.00677866, 0.308, 1.971908953, 1.976072812, 0.317],
  [2, 1.687075034, 1.696451668, 0.445, 1.968214937, 1.977591571, 0.316, 1.938949656, 1.94832629, 0.313],
  [5, 1.488019292, 1.514590694, 0.531, 1.952691621, 1.979263024, 0.333, 1.93200452, 1.958575923, 0.324],
  [10, 1.317394337, 1.373997801, 0.614, 1.967027471, 2.023630935, 0.344, 1.956013169, 2.012616633, 0.327],
]

t.test(
  'experiment-2 without randomness gives the golden values on the first 1,000 images',
  { skip: dataMissing('cifar-10-first-1000') },
  async (t) => {
    const set = ['init=zeros', 'shuffle=none', 'eta=0.01', 'lambda=0.1', 'epochs=10']
    const pipeline = await Pipeline.load(join(folder, 'cifar10/experiment-2.yaml'), {
      set: [...set, `directory=${join(data, 'cifar-10-first-1000')}`],
    })
    const out = join(temporary(t), 'run')
    await run(pipeline, { out, kernel: 'reference' })
    const [names, ...rows] = readFileSync(join(out, 'metrics.csv'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split(','))
    const splits = ['train', 'validation', 'test']
    const columns = splits.flatMap((split) => ['loss', 'cost', 'accuracy'].map((metric) => `${split}_${metric}`))
    t.strictSame(names, ['epoch', 'step', ...columns])
    t.equal(rows.length, 10)
    for (const [epoch, ...expected] of golden) {
      const [at, step, ...values] = rows[epoch - 1]!.map(Number)
      t.strictSame([at, step], [epoch, 10 * epoch])
      for (const [i, value] of expected.entries())
        t.ok(Math.abs(values[i]! - value) <= 1e-8, `epoch ${epoch}: ${columns[i]} ${values[i]} is ${value}`)
    }
    const { W } = arraysOf(modelOf(tableFromIPC(readFileSync(join(out, 'parameters.arrow')))))
    t.equal(W!.length, 10 * 3072)
    const penalty = 0.1 * (W as Float64Array).reduce((sum, w) => sum + w * w, 0)
    t.ok(Math.abs(penalty - (1.373997801 - 1.317394337)) <= 1e-8, 'parameters.arrow holds the last parameters')
  },
)

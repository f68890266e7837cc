import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { tableFromIPC } from 'apache-arrow'
import t, { type Test } from 'tap'
import { Pipeline, resume, run, start } from '../../dist/index.js'
import { readParameters } from '../../dist/pipeline/formats/export.js'
import { arraysOf, modelOf } from '../../dist/pipeline/stage-kit.js'
import { batches, type PlainRows } from '../../dist/pipeline/wires/plain-rows.js'
import { differingFiles } from '../../dist/report/compared-files.js'
import { errorOf, runStage, temporary } from '../stages/harness.js'

const values = [
  [1, 2],
  [3, -1],
  [0, 1],
]
const rows: PlainRows = { values, labels: [0, 1, 0], type: 'float32', classes: ['a', 'b'] }

/** The weights `W` after two steps on all rows. */
async function trained(t: Test, given: PlainRows, learner = 'softmax', options = ''): Promise<number[]> {
  const entry = `- id: model\n  use: gradient-step/${learner}\n  with: { eta: 0.1, init: zeros${options} }`
  const tables = batches(given, { size: given.values.length, epochs: 2 })
  const done = await runStage(t, entry, { batches: tables }, { kernel: 'reference' })
  return [...arraysOf(modelOf(done.tables.at(-1)!)).W!]
}

function isNear(t: Test, a: readonly number[], b: readonly number[], name?: string): void {
  t.ok(
    a.every((value, i) => Math.abs(value - b[i]!) < 1e-12),
    name ?? `${a} = ${b}`,
  )
}

t.test('a weight of 2 is the row twice, a weight of 0 is no row; the mean is over the number of rows', async (t) => {
  for (const learner of ['softmax', 'hinge']) {
    const weighted = await trained(t, { ...rows, weights: [2, 1, 0] }, learner)
    const repeated = { ...rows, values: [values[0]!, values[0]!, values[1]!], labels: [0, 0, 1] }
    isNear(t, weighted, await trained(t, repeated, learner))
    isNear(t, await trained(t, { ...rows, weights: [1, 1, 1] }, learner), await trained(t, rows, learner))
  }
})

t.test('weights of rows and of classes are multiplied', async (t) => {
  const both = await trained(t, { ...rows, weights: [0.5, 2, 3] }, 'softmax', ', classWeights: [2, 0.25]')
  isNear(t, both, await trained(t, { ...rows, weights: [1, 0.5, 6] }))
})

t.test('weights that are none', async (t) => {
  for (const weight of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
    const [code, message] = await errorOf(trained(t, { ...rows, weights: [1, weight, 1], rows: [4, 9, 2] }))
    t.strictSame(
      [code, message.replace(/^.*: row/, 'row')],
      ['DATA', `row 9: expected a finite weight that is not negative, got ${weight}`],
    )
  }
})

/** Gives every row of every split a weight by its number, as a load stage could. */
const weigh = `
import { defineStage, exampleFields, examplesTable, layoutOf, shareOf, splitOf, storedRows, wire, z } from '${pathToFileURL(resolve('dist/pipeline/stage-kit.js'))}'
export default defineStage({
  name: 'weigh',
  summary: 'Weighs.',
  options: z.strictObject({}),
  inputs: { examples: wire.examples },
  outputs: { examples: wire.examples },
  example: '- use: ./weigh.mjs',
  parallel: 'every',
  facts: ({ inputs }) => ({ examples: { ...inputs.examples, weighted: true } }),
  run: (_, { flow }) => flow.concatMap((table) => {
    const { stored, labels } = storedRows(table)
    const { shard = 0, shards = 1 } = shareOf(table) ?? {}
    const weight = Float32Array.from(labels, (_, i) => ((shard + i * shards) % 3) / 2)
    const fields = exampleFields({ ...layoutOf(table), weighted: true }, stored)
    return [examplesTable(fields, stored, labels, splitOf(table), undefined, shareOf(table), { weight })]
  }),
})`

/** A weighted pipeline; `noise` is a further stage behind the shuffle, `shards` divides the run. */
function pipelineIn(folder: string, noise = '', shards = 0): string {
  const more = shards > 0 ? `parallel: { engine: local, shards: ${shards} }\n` : ''
  writeFileSync(join(folder, 'weigh.mjs'), weigh)
  const file = join(folder, `weighted-${shards}.yaml`)
  writeFileSync(
    file,
    `${more}stages:
  - use: load/digits
  - use: ./weigh.mjs
  - id: examples
    use: normalize/standardize
  - use: batch/rows
    with: { size: 100, epochs: 2 }
  - id: batches
    use: shuffle/rows
${noise}  - id: model
    use: gradient-step/softmax
    with: { eta: 0.01 }
  - use: evaluate/classification
    from: { parameters: model, examples: examples }
    with: { every: 4 steps }
  - use: sink/csv
  - use: sink/parameters
    from: model
  - use: sink/arrow
    from: batches
    with: { path: batches.arrows }
`,
  )
  return file
}

const noise = '  - id: batches\n    use: augment/noise\n    with: { sigma: 3 }\n'

t.test('a weighted run that is stopped and resumed writes the same bytes', async (t) => {
  const folder = temporary(t)
  const file = pipelineIn(folder, noise)
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace('id: batches\n    use: shuffle', 'id: dealt\n    use: shuffle'),
  )
  const [whole, halved] = [join(folder, 'whole'), join(folder, 'halved')]
  await run(await Pipeline.load(file), { out: whole })
  const stop = new AbortController()
  const running = start(await Pipeline.load(file), { out: halved, signal: stop.signal })
  running.metrics.subscribe(({ step }) => step === 4 && stop.abort())
  await running.result.catch(() => {})
  await resume(halved, { set: [] }).result
  t.strictSame(differingFiles(whole, halved), [])
  const written = tableFromIPC(readFileSync(join(whole, 'batches.arrows')))
  t.ok(written.schema.names.includes('weight'), 'the weights are in the recorded batches')
})

t.test('every division of a weighted run makes the same model, and another one than without weights', async (t) => {
  const folder = temporary(t)
  const files = [pipelineIn(folder), pipelineIn(folder, '', 2), join(folder, 'plain.yaml')]
  writeFileSync(files[2]!, readFileSync(files[0]!, 'utf8').replace('  - use: ./weigh.mjs\n', ''))
  const models: number[][] = []
  for (const [i, file] of files.entries()) {
    const out = join(folder, String(i))
    await run(await Pipeline.load(file), { out, kernel: 'reference' })
    models.push([...arraysOf(modelOf(readParameters(join(out, 'parameters.arrow')))).W!])
  }
  isNear(t, models[0]!, models[1]!, 'divided')
  t.notSame(models[0], models[2])
})

import fs, {
  appendFileSync,
  copyFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { decodeTensors, encodeTensors, Pipeline, type PipelineError, resume, run, start } from '../../../dist/index.js'
import { differingFiles } from '../../../dist/report/compared-files.js'
import { millrace } from '../../cli/millrace.js'
import { errorOf, inside } from '../../stages/harness.js'
import { common } from './keeping.js'
import { definition, dying, folder } from './mortal.js'

const options = { kernel: 'reference', plugins: '.' } as const
const load = (set: string[] = []) => Pipeline.load('p.yaml', { set, plugins: '.' })

/** Copies a folder without the socket that a killed run leaves: sockets cannot be copied. */
const copied = { recursive: true, filter: (path: string) => !path.endsWith('.sock') }

t.test('a finished run is made longer, and is then what a longer run would have been', async (t) => {
  const cwd = inside(t, folder(t))
  await run(await load(), { ...options, out: 'a' })
  const { history, record } = await resume('a', { ...options, set: ['epochs=6'] }).result
  const long = await run(await load(['epochs=6']), { ...options, out: 'b' })
  t.strictSame(differingFiles(join(cwd, 'a'), join(cwd, 'b')), [])
  t.strictSame(history, long.history, 'rows from before count')
  t.equal(record.resumedAt, 15, 'the last step is made again, as one among others')
  t.strictSame(record.files, long.record.files)
})

t.test('a run that its stages stopped early goes on to the same end', async (t) => {
  const cwd = inside(t, folder(t))
  const pipeline = await load(['patience=2', 'epochs=40', 'eta=3'])
  const { record } = await run(pipeline, { ...options, out: 'a' })
  t.match(record.notes.join(), /stopped the run/)
  const signal = new AbortController()
  const running = start(pipeline, { ...options, out: 'b', signal: signal.signal })
  let rows = 0
  running.metrics.subscribe(() => ++rows === 2 && signal.abort())
  t.match(await errorOf(running.result), ['ABORTED'])
  await resume('b', options).result
  t.strictSame(differingFiles(join(cwd, 'a'), join(cwd, 'b')), [])
})

t.test('an abort makes a checkpoint of the step under way', async (t) => {
  inside(t, folder(t))
  const signal = new AbortController()
  const running = start(await load(), { ...options, out: 'a', signal: signal.signal, checkpoint: '1h' })
  running.metrics.subscribe(({ step }) => step === 4 && signal.abort())
  t.match(await errorOf(running.result), ['ABORTED'])
  t.strictSame(readdirSync('a/checkpoint'), ['step-000000004.safetensors'])
  const { record, history } = await resume('a', options).result
  t.equal(record.resumedAt, 4)
  t.equal(history.length, 8)
})

/** Two models on the same batches, a third one on its own, and evaluations at different steps. */
const many = `
seed: 3
stages:
  - { use: load/csv, with: { path: data.csv, label: kind, fractions: { train: 0.6, validation: 0.4 } } }
  - { id: examples, use: normalize/standardize, with: { fit: train } }
  - { use: batch/rows, id: eights, from: examples, with: { size: 8, epochs: 6 } }
  - { id: constructor, use: shuffle/rows }
  - { id: one, use: gradient-step/softmax, with: { eta: 0.1 } }
  - { id: two, use: gradient-step/softmax, from: constructor, with: { eta: 0.3 } }
  - { use: batch/rows, id: fives, from: examples, with: { size: 5, epochs: 6 } }
  - { id: three, use: gradient-step/softmax, with: { eta: 0.2 } }
  - { id: m1, use: evaluate/classification, from: { parameters: one, examples: examples }, with: { every: { steps: 3 } } }
  - { id: m2, use: evaluate/classification, from: { parameters: two, examples: examples } }
  - { id: m3, use: evaluate/classification, from: { parameters: three, examples: examples }, with: { every: { steps: 2 } } }
  - { use: sink/csv, id: c1, from: m1, with: { path: 1.csv } }
  - { use: sink/csv, id: c2, from: m2, with: { path: 2.csv } }
  - { use: sink/csv, id: c3, from: m3, with: { path: 3.csv } }
  - { use: sink/parameters, id: p1, from: one, with: { path: 1.arrow } }
  - { use: sink/parameters, id: p2, from: two, with: { path: 2.arrow } }
  - { use: sink/parameters, id: p3, from: three, with: { path: 3.arrow } }
`

t.test('several models side by side are all taken at one moment', async (t) => {
  const cwd = inside(t, folder(t))
  writeFileSync('many.yaml', many)
  const pipeline = await Pipeline.load('many.yaml')
  await run(pipeline, { ...options, out: 'whole' })
  for (const rows of [1, 4, 7, 12]) {
    const signal = new AbortController()
    const out = `cut-${rows}`
    const running = start(pipeline, { ...options, out, signal: signal.signal })
    let seen = 0
    running.metrics.subscribe(() => ++seen === rows && signal.abort())
    t.match(await errorOf(running.result), ['ABORTED'])
    t.equal(readdirSync(`${out}/checkpoint`).length, 1)
    await resume(out, options).result
    t.strictSame(differingFiles(join(cwd, 'whole'), join(cwd, out)), [], `after ${rows} rows`)
  }
})

t.test('a divided run with a stage file of its own stays divided', async (t) => {
  const cwd = inside(t, folder(t))
  const text = definition.replace(/^.*use: sink\/arrow, with: .*batches\.arrows.*$|^.*examples\.arrows.*$/gm, '')
  writeFileSync('p.yaml', `parallel: { engine: local, ranks: 1, shards: 4 }${text}`)
  t.same(await millrace(['run', 'p.yaml', '--out', 'whole', ...common], cwd), { code: 0, stdout: '', stderr: '' })
  await millrace(['run', 'p.yaml', '--out', 'a', ...common], cwd, dying(10, 'a', 9))
  const { record } = await resume('a', { kernel: 'reference' }).result
  t.equal(record.resumedAt, 9)
  t.ok(record.parallel, 'the record says so')
  t.strictSame(differingFiles(join(cwd, 'whole'), join(cwd, 'a')), [])
})

/** Makes the first attempt to open a file of this name fail, as a network file system does now and then. */
function failFirstRead(t: Test, name: string): void {
  const { openSync } = fs
  let attempts = 0
  const restore = (): void => {
    fs.openSync = openSync
    syncBuiltinESMExports()
  }
  fs.openSync = (path, ...rest) => {
    if (String(path).endsWith(name) && ++attempts === 1) throw Object.assign(new Error('EIO'), { code: 'EIO' })
    return openSync(path, ...rest)
  }
  syncBuiltinESMExports()
  t.teardown(restore)
}

t.test('a definition that cannot be read ends the run with that error; the run never goes on undivided', async (t) => {
  const cwd = inside(t, folder(t))
  const text = definition.replace(/^.*use: sink\/arrow, with: .*batches\.arrows.*$|^.*examples\.arrows.*$/gm, '')
  writeFileSync('p.yaml', `parallel: { engine: local, ranks: 1, shards: 4 }${text}`)
  await millrace(['run', 'p.yaml', '--out', 'a', ...common], cwd, dying(10, 'a', 9))
  fs.rmSync('a/live.sock', { force: true })
  cpSync('a', 'before', { recursive: true })
  failFirstRead(t, 'pipeline.yaml')
  t.match(await errorOf(resume('a', options).result), [
    'DEFINITION',
    /^cannot read the definition a\/pipeline\.yaml: the device failed$/,
  ])
  t.strictSame(readdirSync('a', { recursive: true }), readdirSync('before', { recursive: true }))
  for (const file of ['run.json', 'metrics.csv', 'pipeline.yaml'])
    t.ok(readFileSync(join('a', file)).equals(readFileSync(join('before', file))), file)
  t.ok((await resume('a', options).result).record.parallel, 'the next attempt goes on, divided as before')
})

t.test('a finished run is told to be finished, even if its definition no longer loads', async (t) => {
  inside(t, folder(t))
  await run(await load(), { ...options, out: 'a' })
  rmSync('mortal.mjs')
  t.match(await errorOf(resume('a', options).result), ['ARGUMENTS', /^the run in a is done; change something/])
  t.match(await errorOf(resume('a', { ...options, set: ['epochs=6'] }).result), ['DEFINITION', /no stage file/])
})

t.test('another kernel than before is noted', async (t) => {
  const cwd = inside(t, folder(t))
  await millrace(['run', 'p.yaml', '--out', 'a', ...common], cwd, dying(10, 'a', 9))
  const { record } = await resume('a', { ...options, kernel: 'wasm' }).result
  t.match(
    record.notes.join(),
    /begun with the reference kernel \(float64\) of Millrace .*, resumed with the wasm kernel .*: the last digits may differ/,
  )
})

t.test('a checkpoint that is damaged is passed over with a note; without any, the run begins anew', async (t) => {
  const cwd = inside(t, folder(t))
  await run(await load(), { ...options, out: 'whole' })
  await millrace(['run', 'p.yaml', '--out', 'a', ...common], cwd, dying(14, 'a', 12))
  const [older, newer] = readdirSync('a/checkpoint').sort()
  t.match([older, newer], [/step-\d+\.safetensors$/, /step-\d+\.safetensors$/])
  cpSync('a', 'b', copied)
  const bytes = readFileSync(`a/checkpoint/${newer}`)
  writeFileSync(`a/checkpoint/${newer}`, bytes.subarray(0, bytes.length / 2))
  const { record } = await resume('a', options).result
  t.equal(record.resumedAt, Number(older!.slice(5, 14)))
  t.match(record.notes.join('\n'), new RegExp(`${newer} cannot be used: .*; the one before it is taken`))
  for (const name of [older, newer]) writeFileSync(`b/checkpoint/${name}`, 'rubbish')
  t.equal((await resume('b', options).result).record.resumedAt, undefined)
  for (const out of ['a', 'b']) t.strictSame(differingFiles(join(cwd, 'whole'), join(cwd, out)), [], out)
})

t.test('a checkpoint of a newer Millrace is refused, and nothing is written', async (t) => {
  const cwd = inside(t, folder(t))
  await millrace(['run', 'p.yaml', '--out', 'a', ...common], cwd, dying(14, 'a', 12))
  // Under load, the checkpoint before the newest is not always that of step 9.
  const [older, newer] = readdirSync('a/checkpoint').sort()
  const file = `a/checkpoint/${newer}`
  const { tensors, metadata } = decodeTensors(readFileSync(file))
  writeFileSync(file, encodeTensors(tensors, new Map([...metadata, ['version', '3']])))
  const before = readFileSync('a/metrics.csv', 'utf8')
  t.match(await errorOf(resume('a', options).result), ['DATA', /a newer Millrace wrote it: it has version 3/])
  t.equal(readFileSync('a/metrics.csv', 'utf8'), before)
  t.notOk(existsSync('a/lock'))
  rmSync(file)
  t.equal((await resume('a', options).result).record.resumedAt, Number(older!.slice(5, 14)))
})

t.test('what was changed meanwhile is refused, unless one insists', async (t) => {
  const cwd = inside(t, folder(t))
  await millrace(['run', 'p.yaml', '--out', 'a', ...common], cwd, dying(10, 'a', 9))
  const refused = async (expected: [string, RegExp]): Promise<void> => {
    const before = readFileSync('a/metrics.csv', 'utf8')
    t.match(await errorOf(resume('a', options).result), expected)
    t.equal(readFileSync('a/metrics.csv', 'utf8').slice(0, before.length), before, 'nothing is lost')
    t.notOk(existsSync('a/lock'))
  }
  copyFileSync('data.csv', 'kept.csv')
  appendFileSync('data.csv', '1,2,a\n')
  await refused([
    'DATA',
    /data\.csv was changed since the run was started: it had \d+ bytes with the SHA-256 \w{64}, now/,
  ])
  copyFileSync('kept.csv', 'data.csv')
  const text = readFileSync('a/pipeline.yaml', 'utf8')
  writeFileSync('a/pipeline.yaml', text.replace('eta: 0.1', 'eta: 0.2'))
  await refused(['DEFINITION', /^a\/pipeline\.yaml was changed since the run was started; put it back, use --set/])
  t.ok((await resume('a', { ...options, force: true }).result).record.resumedAt)
})

t.test('what makes other batches of the data is refused', async (t) => {
  const cwd = inside(t, folder(t))
  await millrace(['run', 'p.yaml', '--out', 'a', ...common], cwd, dying(10, 'a', 9))
  t.match(await errorOf(resume('a', { ...options, set: ['cut.size=5'] }).result), [
    'DEFINITION',
    /^--set cut\.size=5 {2}stages\[3\] batch\/rows: size: was 8, is now 5; what the run has stored was made with the old/,
  ])
})

t.test('there must be something to go on with', async (t) => {
  inside(t, folder(t))
  t.match(await errorOf(Promise.resolve().then(() => resume('nowhere').result)), [
    'ARGUMENTS',
    /^nowhere is not the directory of a run: it has no pipeline\.yaml$/,
  ])
  await run(await load(), { ...options, out: 'a' })
  t.match(await errorOf(resume('a', options).result), ['ARGUMENTS', /^the run in a is done; change something/])
})

t.test('a file that lost what the checkpoint knows is not written on', async (t) => {
  const cwd = inside(t, folder(t))
  await millrace(['run', 'p.yaml', '--out', 'a', ...common], cwd, dying(10, 'a', 9))
  writeFileSync('a/metrics.csv', 'epoch')
  t.match(await errorOf(resume('a', options).result), [
    'DATA',
    /metrics\.csv has 5 bytes, less than the \d+ it had when the checkpoint was made; remove the newest file in checkpoint\/ to go back further$/,
  ])
})

t.test(
  'a stage that trains without giving its state away can be run, but not with checkpoints asked for',
  async (t) => {
    inside(t, folder(t))
    const forgetful = definition
      .replace('use: gradient-step/softmax', 'use: ./forgetful.mjs')
      .replace(/, with: \{ eta.*\}/, ' }')
    writeFileSync(
      'forgetful.mjs',
      `
import { softmax } from 'millrace/learners'
import { defineStage, parametersTables, positionOf, wire, z } from 'millrace/stage'
import { map } from 'rxjs'
const tables = parametersTables({ learner: 'softmax', options: {}, shape: [2], classes: ['a', 'b'], lambda: 0, arrays: [
  { name: 'W', shape: [2, 2], values: new Float64Array(4) }, { name: 'b', shape: [2], values: new Float64Array(2) }] })
export default defineStage({ name: 'forgetful', summary: '', learner: softmax, options: z.strictObject({}), inputs: { batches: wire.batch },
  outputs: { parameters: wire.parameters }, example: '', run: () => (batches) => batches.pipe(map((batch) => tables(positionOf(batch), 0))) })
`,
    )
    writeFileSync('asked.yaml', forgetful)
    writeFileSync('not.yaml', forgetful.replace(/^checkpoint.*$/m, ''))
    t.match(await errorOf(run(await Pipeline.load('asked.yaml'), { ...options, out: 'a' })), [
      'DEFINITION',
      /^asked\.yaml:\d+:\d+ {2}stages\[6\] \.\/forgetful\.mjs: keeps parameters, but does not give them to checkpoints \(context\.state\)/,
    ])
    await run(await Pipeline.load('not.yaml'), { ...options, out: 'b' })
    t.notOk(existsSync('b/checkpoint'))
  },
)

t.test('--checkpoint none makes none; what is no cadence is refused', async (t) => {
  inside(t, folder(t))
  await run(await load(), { ...options, out: 'a', checkpoint: 'none' })
  t.notOk(existsSync('a/checkpoint'))
  t.match(await errorOf(run(await load(), { ...options, out: 'b', checkpoint: 'often' })), [
    'ARGUMENTS',
    /^--checkpoint: expected "epoch", "5 epochs", "500 steps", "30s", "10min" or "1h" or "none", got "often"$/,
  ])
  t.notOk(existsSync('b/run.json'), 'and nothing was begun')
})

t.test('a checkpoint that cannot be written fails the run; what was written stays', async (t) => {
  inside(t, folder(t))
  writeFileSync('blocked', '')
  const pipeline = await load()
  const running = start(pipeline, { ...options, out: 'a' })
  running.events.subscribe((event) => event.type === 'start' && writeFileSync('a/checkpoint', 'in the way'))
  const error = await running.result.catch((error: unknown) => error as PipelineError)
  t.match(error, { code: 'WRITE', message: /cannot (write the checkpoint|make the folder of) .*checkpoint/ })
  t.equal(JSON.parse(readFileSync('a/run.json', 'utf8')).status, 'failed')
  rmSync('a/checkpoint')
  t.equal((await resume('a', options).result).record.status, 'done')
})

t.test('a damaged checkpoint does not outlive those that are written after it', async (t) => {
  const cwd = inside(t, folder(t))
  writeFileSync('p.yaml', definition.replace('keep: 2', 'keep: 1'))
  await run(await load(), { ...options, out: 'whole' })
  await millrace(['run', 'p.yaml', '--out', 'a', ...common], cwd, dying(14, 'a', 12))
  writeFileSync('a/checkpoint/step-000000012.safetensors', 'rubbish')
  await millrace(['resume', 'a', ...common], cwd, dying(11, 'a', 9))
  t.notOk(existsSync('a/checkpoint/step-000000012.safetensors'))
  t.equal((await resume('a', options).result).record.resumedAt, 9)
  t.strictSame(differingFiles(join(cwd, 'whole'), join(cwd, 'a')), [])
})

t.test('files that a killed run wrote before its checkpoint are in the record of the resumed one', async (t) => {
  const cwd = inside(t, folder(t))
  writeFileSync(
    'p.yaml',
    `${definition}  - { use: sink/weights, from: model, with: { every: { epochs: 1 }, formats: [svg] } }\n`,
  )
  const whole = await run(await load(), { ...options, out: 'whole' })
  await millrace(['run', 'p.yaml', '--out', 'a', ...common], cwd, dying(13, 'a', 12))
  const { record } = await resume('a', options).result
  t.equal(record.resumedAt, 12)
  t.strictSame(record.files, whole.record.files)
})

t.test('a gradient is checked although the run was cut off between the steps that it needs', async (t) => {
  const cwd = inside(t, folder(t))
  writeFileSync(
    'p.yaml',
    `${definition}
  - { id: gradient, use: check/gradient, from: { batches: batches, parameters: model }, with: { step: 7, features: 2, kernels: [] } }
  - { use: sink/arrow, id: checks, from: gradient, with: { path: checks.arrows } }
`,
  )
  await run(await load(), { ...options, out: 'whole', checkpoint: '2 steps' })
  await millrace(['run', 'p.yaml', '--out', 'a', ...common, '--checkpoint', '2 steps'], cwd, dying(7, 'a', 6))
  t.equal((await resume('a', options).result).record.resumedAt, 6)
  t.strictSame(differingFiles(join(cwd, 'whole'), join(cwd, 'a')), [])
})

t.test('a checkpoint that fails before its outputs do fails the run, not the process', async (t) => {
  inside(t, folder(t))
  const running = start(await load(['epochs=40']), { ...options, out: 'a', checkpoint: '50 steps' })
  running.metrics.subscribe(({ step }) => {
    if (step !== 80) return
    rmSync('a/checkpoint', { recursive: true })
    writeFileSync('a/checkpoint', 'in the way')
    rmSync('a/metrics.csv')
  })
  t.match(await errorOf(running.result), [
    'WRITE',
    /^cannot write the checkpoint checkpoint\/step-000000100\.safetensors: /,
  ])
})

t.test('more hours than a timer can count make no checkpoint every millisecond', async (t) => {
  inside(t, folder(t))
  const warnings: Error[] = []
  const onWarning = (warning: Error): unknown => warnings.push(warning)
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  const { record } = await run(await load(), { ...options, out: 'a', checkpoint: '600h' })
  t.equal(record.checkpoints, 2, 'before the last step, and after it')
  t.strictSame(warnings, [])
})

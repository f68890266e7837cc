import { createHash } from 'node:crypto'
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import t, { type Test } from 'tap'
import { Pipeline, type RunRecord, resume, run, start } from '../../../dist/index.js'
import { positionOf } from '../../../dist/pipeline/stage-kit.js'
import { differingFiles } from '../../../dist/report/compared-files.js'
import { errorOf, inside } from '../../stages/harness.js'
import { definition, folder } from './keeping.js'

const options = { kernel: 'reference', plugins: '.' } as const
const load = (set: string[] = []) => Pipeline.load('p.yaml', { set, plugins: '.' })
const recordOf = (out: string): RunRecord => JSON.parse(readFileSync(join(out, 'run.json'), 'utf8'))

/** The files of a run, each with the digest of its content. */
function contentOf(out: string): Record<string, string> {
  const names = readdirSync(out, { recursive: true }).map(String).sort()
  const files = names.filter((name) => statSync(join(out, name)).isFile())
  return Object.fromEntries(
    files.map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(out, name)))
        .digest('hex'),
    ]),
  )
}

/** Runs the pipeline until a step, then aborts it: the last checkpoint is of that step. */
async function stopped(out: string, at: number, set: string[] = [], checkpoint = '1h'): Promise<void> {
  const signal = new AbortController()
  const running = start(await load(set), { ...options, out, signal: signal.signal, checkpoint })
  running.metrics.subscribe(({ step }) => step === at && signal.abort())
  await running.result.catch(() => {})
}

async function refused(t: Test, out: string, expected: [string, RegExp], set: string[] = [], more = {}): Promise<void> {
  const before = contentOf(out)
  t.match(await errorOf(resume(out, { ...options, ...more, set }).result), expected)
  t.strictSame(contentOf(out), before, `nothing is written: ${expected[1]}`)
}

t.test('whatever a resume is refused for, it writes nothing, and a run that is done stays done', async (t) => {
  const cwd = inside(t, folder(t))
  await run(await load(), { ...options, out: 'done' })
  await stopped('half', 10)
  for (const out of ['done', 'half']) {
    const longer = 'epochs=6'
    copyFileSync('data.csv', 'kept.csv')
    appendFileSync('data.csv', '1,2,a\n')
    await refused(t, out, ['DATA', /data\.csv was changed since the run was started/], [longer])
    rmSync('data.csv')
    await refused(t, out, ['DATA', /cannot read data\.csv: no such file/], [longer])
    copyFileSync('kept.csv', 'data.csv')
    await refused(
      t,
      out,
      ['DEFINITION', /load\/csv: label: was "kind", is now "none"; the run was made with/],
      [longer, 'csv.label=none'],
    )
    for (const [set, expected] of [
      [
        'metrics.splits=[validation, train]',
        /^--set metrics.splits=.* splits: was not set, is now \["validation","train"\]/,
      ],
      [
        'stream.path=other.arrows',
        /sink\/arrow: path: was "metrics\.arrows", is now "other\.arrows"; what the run has stored/,
      ],
      ['best.monitor=train_cost', /sink\/best: monitor: was "validation_\w+", is now "train_cost"/],
      ['seed=8', /^seed: was 7, is now 8/],
      ['splitSeed=8', /^splitSeed: was 7, is now 8/],
      ['batches.use=shuffle/none', /shuffle\/none: use: was "shuffle\/rows", is now "shuffle\/none"/],
      ['model.init=zeros', /gradient-step\/softmax: init: was "xavier", is now "zeros"/],
    ] as const)
      await refused(t, out, ['DEFINITION', expected], [longer, set])
    await refused(
      t,
      out,
      ['DEFINITION', /what the run has stored was made with the old value/],
      [longer, 'cut.size=5'],
      {
        force: true,
      },
    )
    renameSync('data.csv', 'moved.csv')
    mkdirSync('elsewhere', { recursive: true })
    process.chdir('elsewhere')
    await refused(t, join('..', out), ['DATA', /cannot read .*data\.csv/], [longer], { plugins: '..' })
    process.chdir(cwd)
    renameSync('moved.csv', 'data.csv')
  }
  t.equal(recordOf('done').status, 'done')
  t.equal((await resume('half', options).result).record.status, 'done', 'and it goes on all the same')
  t.strictSame(differingFiles(join(cwd, 'done'), join(cwd, 'half')), [])
})

t.test('without a checkpoint, too, nothing is written before the data has been checked', async (t) => {
  inside(t, folder(t))
  await stopped('a', 10, [], 'none')
  appendFileSync('data.csv', '1,2,a\n')
  await refused(t, 'a', ['DATA', /data\.csv was changed/])
})

t.test('a run without a checkpoint begins anew only as what it was, unless it is forced', async (t) => {
  inside(t, folder(t))
  await run(await load(), { ...options, out: 'done', checkpoint: 'none' })
  await stopped('half', 10, [], 'none')
  for (const out of ['done', 'half'])
    for (const [set, expected] of [
      ['cut.size=5', /batch\/rows: size: was \d+, is now 5; the run was made with the old value/],
      ['splitSeed=8', /^splitSeed: was 7, is now 8/],
      ['stream.path=other.arrows', /sink\/arrow: path: was "metrics\.arrows", is now "other\.arrows"/],
    ] as const)
      await refused(t, out, ['DEFINITION', expected], ['epochs=6', set])
  t.equal((await resume('done', { ...options, set: ['epochs=6'] }).result).record.status, 'done')
})

t.test(
  'of two models of different length, the longer one keeps its checkpoints, and cannot be made shorter',
  async (t) => {
    inside(t, t.testdir({ 'two.yaml': twoModels }))
    const loaded = (set: string[]) => Pipeline.load('two.yaml', { set })
    const signal = new AbortController()
    const running = start(await loaded([]), {
      out: 'half',
      kernel: 'reference',
      signal: signal.signal,
      checkpoint: '1h',
    })
    running.metrics.subscribe(({ epoch }) => epoch === 6 && signal.abort())
    await running.result.catch(() => {})
    const newest = readdirSync('half/checkpoint').sort().at(-1)!
    t.ok(Number(/\d+/.exec(newest)![0]) > 2 * 13, 'a checkpoint from after the end of the shorter model')
    await resume('half', { kernel: 'reference' }).result
    await run(await loaded([]), { out: 'whole', kernel: 'reference' })
    t.strictSame(differingFiles('whole', 'half'), [])
    await refused(t, 'half', ['ARGUMENTS', /has made \d+ steps, and the definition now ends before that/], ['long=4'], {
      plugins: undefined,
    })
  },
)

/** One model is trained for one epoch, the other for `long` epochs, of 13 steps each. */
const twoModels = `vars: { long: 8 }
stages:
  - use: load/digits
  - { id: ra, use: batch/rows, from: digits, with: { size: 100, epochs: 1 } }
  - { id: ma, use: gradient-step/softmax, with: { eta: 0.01 } }
  - { id: rb, use: batch/rows, from: digits, with: { size: 100, epochs: "\${long}" } }
  - { id: mb, use: gradient-step/softmax, with: { eta: 0.01 } }
  - { id: eb, use: evaluate/classification, from: { parameters: mb, examples: digits } }
  - { use: sink/csv, from: eb }
  - { use: sink/parameters, from: mb }
`

t.test('data may move; other data in its new place is refused', async (t) => {
  const cwd = inside(t, folder(t))
  await run(await load(), { ...options, out: 'whole' })
  await stopped('a', 10)
  renameSync('data.csv', 'moved.csv')
  writeFileSync('data2.csv', `${readFileSync('moved.csv', 'utf8')}1,2,a\n`)
  await refused(t, 'a', ['DATA', /data2\.csv is no file that the run has read/], ['csv.path=data2.csv'])
  await resume('a', { ...options, set: ['csv.path=moved.csv'] }).result
  t.strictSame(differingFiles(join(cwd, 'whole'), join(cwd, 'a')), ['pipeline.yaml'])
})

t.test('a run that has no step left to make stays as it is', async (t) => {
  inside(t, folder(t))
  await run(await load(), { ...options, out: 'a' })
  await refused(t, 'a', ['ARGUMENTS', /^nothing to do: the run has made its 16 steps; nothing was changed$/], ['eta=3'])
  await refused(t, 'a', ['ARGUMENTS', /^nothing to do/], ['epochs=4'])
  const fewer = /^the run is in epoch 4 and has made 16 steps, and the definition now ends before that; give it more/
  await refused(t, 'a', ['ARGUMENTS', fewer], ['epochs=3'])
  await refused(t, 'a', ['ARGUMENTS', fewer], ['epochs=3', 'eta=3'])
  await stopped('b', 12)
  await refused(
    t,
    'b',
    ['ARGUMENTS', /^no step is left: the run has made 12 steps before it was stopped/],
    ['epochs=3'],
  )
  await refused(t, 'b', ['ARGUMENTS', /^the run is in epoch 3 and has made 12 steps/], ['epochs=2'])
})

t.test(
  'the record says what was changed, from which step on, also if the run goes back behind the change',
  async (t) => {
    inside(t, folder(t))
    await stopped('a', 6)
    await resume('a', { ...options, set: ['eta=0.01', 'epochs=6'] }).result
    const changes = [
      { option: 'cut.epochs', var: 'epochs', was: 4, is: 6, from: 1 },
      { option: 'model.eta', var: 'eta', was: 0.1, is: 0.01, from: 7 },
    ]
    t.strictSame(recordOf('a').changes, changes)
    t.equal(recordOf('a').step, 24)
    await resume('a', { ...options, set: ['model.lambda=0.5', 'epochs=7'] }).result
    const more = [
      { option: 'cut.epochs', var: 'epochs', was: 6, is: 7, from: 1 },
      { option: 'model.lambda', was: 0, is: 0.5, from: 25 },
    ]
    t.strictSame(recordOf('a').changes, [...changes, ...more])
    // Without the newer checkpoints, the run goes on with both changes from an earlier step.
    await stopped('b', 6)
    cpSync('b/checkpoint', 'kept', { recursive: true })
    await resume('b', { ...options, set: ['eta=0.01'] }).result
    rmSync('b/checkpoint', { recursive: true })
    cpSync('kept', 'b/checkpoint', { recursive: true })
    await resume('b', { ...options, set: ['model.lambda=0.5', 'epochs=5'] }).result
    t.strictSame(
      recordOf('b').changes?.map(({ option, from }) => [option, from]),
      [
        ['cut.epochs', 1],
        ['model.eta', 7],
        ['model.lambda', 7],
      ],
    )
  },
)

t.test('a finished run that is made longer is what a longer run would have been, whenever it evaluates', async (t) => {
  const cwd = inside(t, folder(t))
  const extra = `  - { use: sink/weights, from: model, with: { every: { epochs: 3 }, formats: [svg] } }
  - { use: sink/curves, from: metrics, with: { formats: [svg] } }
`
  writeFileSync('p.yaml', `${definition}${extra}`)
  for (const [i, every] of ['{ epochs: 3 }', '{ steps: 7 }', '{ epochs: 1 }', '{ steps: 100 }'].entries()) {
    const set = [`metrics.every=${every}`]
    await run(await load([...set, 'epochs=7']), { ...options, out: `long${i}` })
    await run(await load([...set, 'epochs=2']), { ...options, out: `short${i}` })
    for (const epochs of [4, 7]) await resume(`short${i}`, { ...options, set: [`epochs=${epochs}`] }).result
    t.strictSame(differingFiles(join(cwd, `long${i}`), join(cwd, `short${i}`)), [], every)
    t.strictSame(recordOf(`short${i}`).files, recordOf(`long${i}`).files)
  }
})

t.test('a run of one step, and one that keeps one checkpoint, can be made longer too', async (t) => {
  const cwd = inside(t, folder(t))
  writeFileSync('p.yaml', definition.replace('keep: 2', 'keep: 1'))
  const set = ['metrics.every={ steps: 7 }', 'cut.size=30']
  await run(await load([...set, 'epochs=5']), { ...options, out: 'long' })
  await run(await load([...set, 'epochs=1']), { ...options, out: 'short' })
  await refused(
    t,
    'short',
    ['ARGUMENTS', /^nothing to do: the run has made its 1 step; nothing was changed$/],
    ['eta=0.05'],
  )
  for (const epochs of [3, 5]) await resume('short', { ...options, set: [`epochs=${epochs}`] }).result
  t.strictSame(differingFiles(join(cwd, 'long'), join(cwd, 'short')), [])
})

t.test('with another learning rate, the rows of the finished part stay', async (t) => {
  inside(t, folder(t))
  await run(await load(['metrics.every={ steps: 7 }']), { ...options, out: 'a' })
  const before = readFileSync('a/metrics.csv', 'utf8')
  t.equal((await resume('a', { ...options, set: ['epochs=6', 'eta=0.01'] }).result).record.resumedAt, 16)
  t.ok(readFileSync('a/metrics.csv', 'utf8').startsWith(before))
})

t.test('the best parameters go back with the checkpoint', async (t) => {
  inside(t, folder(t))
  await stopped('early', 2)
  await stopped('a', 14)
  const bestStep = (out: string) => positionOf(tableFromIPC(readFileSync(`${out}/best.arrow`))).step
  const latest = bestStep('a')
  cpSync('early/checkpoint', 'a/checkpoint', { recursive: true })
  rmSync('a/checkpoint/step-000000014.safetensors')
  t.ok(latest > 2, 'the run went on after the checkpoint, and became better')
  await resume('a', { ...options, set: ['eta=50', 'epochs=2'] }).result
  const [head, ...rows] = readFileSync('a/metrics.csv', 'utf8').trim().split('\n')
  const at = head!.split(',').indexOf('validation_loss')
  const values = rows.map((row) => Number(row.split(',')[at]))
  t.equal(bestStep('a'), Number(rows[values.indexOf(Math.min(...values))]!.split(',')[1]))
})

t.test('best parameters from after the checkpoint are removed if there were none before it', async (t) => {
  inside(t, folder(t))
  const set = ['metrics.every={ steps: 9 }']
  const signal = new AbortController()
  const running = start(await load(set), { ...options, out: 'a', signal: signal.signal, checkpoint: '5 steps' })
  running.metrics.subscribe(() => signal.abort())
  await running.result.catch(() => {})
  rmSync('a/checkpoint/step-000000009.safetensors')
  t.ok(existsSync('a/best.arrow'))
  const seen: boolean[] = []
  const again = resume('a', options)
  again.metrics.subscribe(() => seen.push(existsSync('a/best.arrow')))
  t.equal((await again.result).record.resumedAt, 5)
  t.equal(seen[0], false)
  t.ok(existsSync('a/best.arrow'))
})

t.test('figures of steps that the run has gone back from do not stay', async (t) => {
  inside(t, folder(t))
  const snapshots = '{ use: sink/weights, from: model, with: { every: { epochs: 1 }, formats: [svg] } }'
  writeFileSync('p.yaml', `${definition}  - ${snapshots}\n`)
  await stopped('a', 6)
  await resume('a', options).result
  t.ok(existsSync('a/figures/weights-epoch-0004.svg'))
  await stopped('b', 6)
  rmSync('a/checkpoint', { recursive: true })
  cpSync('b/checkpoint', 'a/checkpoint', { recursive: true })
  const set = ['epochs=2']
  writeFileSync('a/run.json', JSON.stringify({ ...recordOf('a'), status: 'interrupted' }))
  const { record } = await resume('a', { ...options, set }).result
  t.notOk(existsSync('a/figures/weights-epoch-0004.svg'))
  t.notOk(record.files.includes('figures/weights-epoch-0004.svg'))
  t.ok(existsSync('a/figures/weights-epoch-0002.svg'))
})

/** A stage of a user: a training metric in a file of its own, put back by `begin`. */
const own = `
import { writeFileSync } from 'node:fs'
import { defineStage, positionOf, wire, z } from 'millrace/stage'
import { defer, ignoreElements, tap } from 'rxjs'
export default defineStage({ name: 'own', summary: 'Keeps the last epoch.', options: z.strictObject({ factor: z.number(), note: z.string().default('') }),
  inputs: { metrics: wire.metrics }, outputs: {}, example: '', onResume: { note: 'whole' },
  run: ({ factor }, context) => (metrics) => defer(() => {
    const file = context.file('own.txt')
    let sum = 0
    context.state(z.object({ sum: z.number() }), {
      snapshot: () => ({ sum }), restore: (saved) => { sum = saved.sum }, begin: () => writeFileSync(file, String(sum)),
    })
    return metrics.pipe(tap((table) => { sum += factor * positionOf(table).step; writeFileSync(file, String(sum)) }), ignoreElements())
  }),
})
`

t.test('a stage of the user is kept to its options, and puts back its files, by the same means', async (t) => {
  const cwd = inside(t, folder(t))
  writeFileSync('own.mjs', own)
  writeFileSync('p.yaml', `${definition}  - { use: ./own.mjs, from: metrics, with: { factor: 2 } }\n`)
  await run(await load(), { ...options, out: 'whole' })
  await stopped('a', 6)
  writeFileSync('a/own.txt', 'from after the checkpoint')
  await refused(t, 'a', ['DEFINITION', /own\.mjs: factor: was 2, is now 3; what the run has stored/], ['own.factor=3'])
  await resume('a', { ...options, set: ['own.note=fine'] }).result
  t.strictSame(differingFiles(join(cwd, 'whole'), join(cwd, 'a')), ['pipeline.yaml'])
})

t.test(
  'a stage without options, and an option that a stage names as changeable and that is none, are told',
  async (t) => {
    inside(t, folder(t))
    writeFileSync('bare.mjs', own.replace(/options: [^\n]*\n/, '\n'))
    writeFileSync('p.yaml', `${definition}  - { use: ./bare.mjs, from: metrics, with: { factor: 2 } }\n`)
    t.match(await errorOf(load()), [
      'DEFINITION',
      /defineStage: own: options: expected a zod schema, .*, got undefined/,
    ])
    writeFileSync('own.mjs', own.replace("onResume: { note: 'whole' }", "onResume: { nota: 'whole' }"))
    writeFileSync('p.yaml', `${definition}  - { use: ./own.mjs, from: metrics, with: { factor: 2 } }\n`)
    t.match(await errorOf(load()), [
      'DEFINITION',
      /defineStage: own: onResume\.nota: there is no such option; expected one of factor or note/,
    ])
  },
)

t.test('rows of other columns are not written below those of before', async (t) => {
  inside(t, folder(t))
  const made = (column: string): string => `
import { defineStage, metricsTable, positionOf, wire, z } from 'millrace/stage'
import { map } from 'rxjs'
export default defineStage({ name: 'norm', summary: '.', options: z.strictObject({}), inputs: { parameters: wire.parameters }, outputs: { metrics: wire.metrics }, example: '',
  run: () => (parameters) => parameters.pipe(map((table) => metricsTable(positionOf(table), { ${column}: 1 }))) })
`
  writeFileSync('norm.mjs', made('size'))
  const lines = `  - { id: norm, use: ./norm.mjs, from: model }
  - { id: norms, use: sink/csv, from: norm, with: { path: norms.csv } }
`
  writeFileSync('p.yaml', `${definition}${lines}`)
  await stopped('a', 6)
  writeFileSync('norm.mjs', made('width'))
  const before = readFileSync('a/norms.csv', 'utf8')
  // A new name, because the module is loaded already.
  renameSync('norm.mjs', 'norm2.mjs')
  const yaml = readFileSync('a/pipeline.yaml', 'utf8')
  writeFileSync('a/pipeline.yaml', yaml.replace('use: ../norm.mjs', 'id: norm\n    use: ../norm2.mjs'))
  t.match(await errorOf(resume('a', { ...options, force: true }).result), [
    'DATA',
    /norms\.csv has rows of epoch, step, size, and now come rows of epoch, step, width; put the stage back/,
  ])
  t.equal(readFileSync('a/norms.csv', 'utf8'), before)
})

const failing = `
import { existsSync, writeFileSync } from 'node:fs'
import { defineStage, wire, z } from 'millrace/stage'
import { endWith, ignoreElements, map } from 'rxjs'
export default defineStage({ name: 'drawing', summary: 'Draws.', options: z.strictObject({}), inputs: { metrics: wire.metrics }, outputs: {},
  example: '', optional: true, run: (_, context) => {
    const file = context.file('drawing.txt')
    return (metrics) => metrics.pipe(ignoreElements(), endWith(1), map(() => {
      if (existsSync('broken')) throw new RangeError('Maximum call stack size exceeded')
      writeFileSync(file, 'drawn')
    }))
  } })
`

t.test('a figure that fails does not fail the run; resume draws it again, and all else stays', async (t) => {
  const cwd = inside(t, folder(t))
  writeFileSync('drawing.mjs', failing)
  writeFileSync('p.yaml', `${definition}  - { use: ./drawing.mjs, from: metrics }\n`)
  await run(await load(), { ...options, out: 'whole' })
  writeFileSync('broken', '')
  const { record } = await run(await load(), { ...options, out: 'a' })
  t.match(record, { status: 'done', undrawn: ['drawing'] })
  t.match(record.notes.join('\n'), /^drawing: left out, because it failed: .*drawing\.mjs: Maximum call stack size/m)
  t.strictSame(differingFiles(join(cwd, 'whole'), join(cwd, 'a')), ['drawing.txt'])
  t.notOk(record.files.includes('drawing.txt'), 'only files that are there are listed')
  rmSync('broken')
  const again = (await resume('a', options).result).record
  t.equal(again.resumedAt, 15)
  t.ok(again.files.includes('drawing.txt'))
  t.notOk('undrawn' in again || again.notes.join().includes('left out'))
  t.strictSame(differingFiles(join(cwd, 'whole'), join(cwd, 'a')), [])
  t.match(await errorOf(resume('a', options).result), ['ARGUMENTS', /is done/])
})

t.test('a run that failed behind its training goes on from before its last step', async (t) => {
  const cwd = inside(t, folder(t))
  writeFileSync('drawing.mjs', failing.replace('optional: true, ', ''))
  writeFileSync('p.yaml', `${definition}  - { use: ./drawing.mjs, from: metrics }\n`)
  await run(await load(), { ...options, out: 'whole' })
  writeFileSync('broken', '')
  t.match(await errorOf(run(await load(), { ...options, out: 'a', checkpoint: '1h' })), ['STAGE', /Maximum call stack/])
  rmSync('broken')
  t.equal((await resume('a', options).result).record.resumedAt, 15)
  t.strictSame(differingFiles(join(cwd, 'whole'), join(cwd, 'a')), [])
})

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type Table, tableFromIPC } from 'apache-arrow'
import { filter, ignoreElements, lastValueFrom, map, type Observable, tap, toArray } from 'rxjs'
import t, { type Test } from 'tap'
import { Pipeline, type PipelineError, type RunEvent, run, type StageSpec, start } from '../../../dist/index.js'
import { softmax } from '../../../dist/learners/index.js'
import {
  type AnyStage,
  defineStage,
  endsEpoch,
  metricsTable,
  modelOf,
  parametersTables,
  positionOf,
  wire,
  z,
} from '../../../dist/pipeline/stage-kit.js'
import { inside } from '../../stages/harness.js'

/** A folder of its own to run in, with these files. */
function inFolder(t: Test, files: Record<string, string> = {}): void {
  inside(t, t.testdir(files))
}

interface Toy {
  readonly seed?: number
  readonly epochs?: number
  readonly eta?: number
  readonly end?: readonly StageSpec[]
}

/** A few digits, a few steps: a whole training run in some 10 ms. */
function toy({ seed = 1, epochs = 3, eta = 0.01, end = [] }: Toy = {}): Promise<Pipeline> {
  return Pipeline.define({
    name: 'toy',
    seed,
    stages: [
      { use: 'load/digits', with: { fractions: { train: 0.05, test: 0.05 } } },
      { id: 'examples', use: 'normalize/standardize' },
      { use: 'batch/rows', with: { size: 30, epochs } },
      { id: 'shuffle', use: 'shuffle/batches' },
      { id: 'model', use: 'gradient-step/softmax', with: { eta } },
      { id: 'metrics', use: 'evaluate/classification', from: { parameters: 'model', examples: 'examples' } },
      { use: 'sink/csv' },
      { use: 'sink/parameters', from: 'model' },
      ...end,
    ],
  })
}

const read = (path: string) => readFileSync(path, 'utf8')
const record = (directory: string) => JSON.parse(read(`${directory}/run.json`)) as Record<string, unknown>

/** What a run that must fail rejects with. */
function failure(result: Promise<unknown>): Promise<PipelineError> {
  return result.then(
    () => {
      throw new Error('the run did not fail')
    },
    (error: PipelineError) => error,
  )
}

t.test('a run gives its history, its parameters and its record', async (t) => {
  inFolder(t)
  const result = await run(await toy())
  t.equal(result.directory, `${process.cwd()}/runs/toy-001`)
  t.strictSame(
    result.history.map(({ epoch, step }) => [epoch, step]),
    [
      [1, 3],
      [2, 6],
      [3, 9],
    ],
  )
  t.strictSame(Object.keys(result.history[0]!), [
    'epoch',
    'step',
    'train_loss',
    'train_cost',
    'train_accuracy',
    'test_loss',
    'test_cost',
    'test_accuracy',
  ])
  t.ok(result.history[2]!.train_loss! < result.history[0]!.train_loss!)
  t.strictSame(result.metrics, { metrics: result.history })
  t.strictSame(result.parameters.W!.shape, [10, 64])
  t.strictSame(result.parameters.b!.shape, [10])
  t.equal(result.record.status, 'done')
  t.equal(result.record.timings!.steps, 9)
  t.strictSame(result.record, record(result.directory))
  t.strictSame(result.record.files, ['metrics.csv', 'parameters.arrow', 'pipeline.yaml', 'run.json'])
  for (const file of result.record.files) t.ok(existsSync(`${result.directory}/${file}`), file)
})

t.test('metrics.csv holds the history, to the last digit', async (t) => {
  inFolder(t)
  const { directory, history } = await run(await toy())
  const [names, ...rows] = read(`${directory}/metrics.csv`)
    .trim()
    .split('\n')
    .map((line) => line.split(','))
  t.strictSame(
    rows.map((row) => Object.fromEntries(row.map((cell, i) => [names![i], Number(cell)]))),
    history,
  )
})

t.test('events come in order: start, what happens, end', async (t) => {
  inFolder(t)
  const under = start(await toy())
  const seen = lastValueFrom(under.events.pipe(toArray()))
  const rows = lastValueFrom(under.metrics.pipe(toArray()))
  const { history, directory } = await under.result
  t.strictSame(await rows, history)
  const events = await seen
  const types = events.map((event) => event.type)
  t.match(events[0], { type: 'start', directory })
  t.strictSame(events.at(-1), { type: 'end', status: 'done' })
  t.equal(types.filter((type) => type === 'start' || type === 'end').length, 2)
  t.strictSame(
    events.flatMap((event) => (event.type === 'metrics' ? [[event.stage, event.row]] : [])),
    history.map((row) => ['metrics', row]),
  )
  const ended = events.flatMap((event) => (event.type === 'stage-end' ? [event.stage] : []))
  t.strictSame([...ended].sort(), ['csv', 'digits', 'examples', 'metrics', 'model', 'parameters', 'rows', 'shuffle'])
  t.ok(ended.indexOf('digits') < ended.indexOf('rows'))
  t.ok(types.lastIndexOf('metrics') < types.lastIndexOf('stage-end'))
})

t.test('notes of the stages are told and recorded', async (t) => {
  inFolder(t)
  const under = start(await toy())
  const events = lastValueFrom(under.events.pipe(toArray()))
  const { record } = await under.result
  const notes = (await events).filter((event): event is RunEvent & { type: 'note' } => event.type === 'note')
  t.match(notes, [{ stage: 'examples', message: /of 64 features are constant on train/ }])
  t.strictSame(record.notes, [`examples: ${notes[0]!.message}`])
})

t.test('the data that was read is recorded with its checksum', async (t) => {
  inFolder(t)
  const { record } = await run(await toy())
  t.match(record.data, [{ path: /digits\.csv$/, bytes: Number, sha256: /^[0-9a-f]{64}$/ }])
})

t.test('the pipeline.yaml of a run runs again, to the same numbers', async (t) => {
  inFolder(t)
  const first = await run(await toy())
  const again = await run(await Pipeline.load(`${first.directory}/pipeline.yaml`))
  t.equal(again.directory, `${process.cwd()}/runs/toy-002`)
  t.strictSame(again.history, first.history)
})

t.test('the same pipeline gives the same bytes; another seed does not', async (t) => {
  inFolder(t)
  const pipeline = await toy()
  for (const out of ['a', 'b']) await run(pipeline, { out })
  await run(await toy({ seed: 2 }), { out: 'c' })
  for (const file of ['metrics.csv', 'parameters.arrow']) {
    const [a, b, c] = ['a', 'b', 'c'].map((out) => readFileSync(`${out}/${file}`))
    t.ok(a!.equals(b!), file)
    t.notOk(a!.equals(c!), file)
  }
})

t.test('another sink, and another evaluation, change no number', async (t) => {
  inFolder(t)
  await run(await toy(), { out: 'a' })
  const more = [
    { use: 'sink/jsonl', from: 'metrics' },
    { use: 'sink/arrow', from: 'rows', with: { path: 'batches.arrows' } },
    {
      id: 'often',
      use: 'evaluate/classification',
      from: { parameters: 'model', examples: 'examples' },
      with: { every: { steps: 1 }, splits: ['test'] },
    },
  ]
  const { metrics, history } = await run(await toy({ end: more }), { out: 'b' })
  for (const file of ['metrics.csv', 'parameters.arrow'])
    t.ok(readFileSync(`a/${file}`).equals(readFileSync(`b/${file}`)), file)
  t.equal(metrics.often!.length, 9)
  t.equal(history, metrics.metrics, 'the history is of the first stage that makes metrics')
})

t.test('the parameters of a result are its own: not the memory that training writes', async (t) => {
  inFolder(t)
  const live: (Float32Array | Float64Array)[] = []
  const spy = defineStage({
    name: 'spy',
    summary: 'Keeps what it should not keep.',
    options: z.strictObject({}),
    inputs: { parameters: wire.parameters },
    outputs: {},
    example: '',
    run: () => (parameters) =>
      parameters.pipe(
        tap((table) => live.push(...modelOf(table).arrays.map(({ values }) => values))),
        ignoreElements(),
      ),
  })
  const { parameters, directory } = await run(await toy({ end: [{ use: spy, from: 'model' }] }))
  t.equal(live.length, 18)
  const saved = modelOf(tableFromIPC(readFileSync(`${directory}/parameters.arrow`))).arrays
  const before = [...parameters.W!.data]
  t.strictSame(before, [...saved[0]!.values], 'they are those of the file')
  t.strictSame(before, [...live.at(-2)!], 'and of the last step')
  for (const values of live) values.fill(7)
  t.strictSame([...parameters.W!.data], before)
})

/** An evaluator of a user's own: at the end of each epoch it gives the next of these values as `f1`. */
function evaluator(values: readonly number[], better?: 'higher' | 'lower'): AnyStage {
  return defineStage({
    name: 'mine/f1',
    summary: 'Gives the F1 score.',
    options: z.strictObject({}),
    inputs: { parameters: wire.parameters, examples: wire.examples },
    outputs: { metrics: wire.metrics },
    example: '',
    facts: () => ({ metrics: { splits: ['test'], metrics: ['f1', 'test_f1'] } }),
    run: () => (inputs) => {
      const { parameters } = inputs as Record<string, Observable<Table>>
      const infos = { f1: { name: 'f1', title: 'F1', unit: 'share', ...(better && { better }) } }
      return parameters!.pipe(
        map(positionOf),
        filter(endsEpoch),
        map((position) => metricsTable(position, { f1: values[position.epoch - 1]! }, infos)),
      )
    },
  }) as unknown as AnyStage
}

/** What monitors the metric of `evaluator`. */
const monitored = (values: readonly number[], better?: 'higher' | 'lower', monitor = 'f1') => [
  { id: 'own', use: evaluator(values, better), from: { parameters: 'model', examples: 'examples' } },
  { use: 'stop/patience', from: 'own', with: { monitor, patience: 2 } },
  { use: 'sink/best', from: { parameters: 'model', metrics: 'own' }, with: { monitor } },
]

t.test("a metric of a user's own stops a run early and chooses the best, in the direction that it says", async (t) => {
  inFolder(t)
  const values = [0.1, 0.3, 0.5, 0.4, 0.2, 0.9, 0.9, 0.9]
  for (const [better, epochs, best] of [
    ['higher', 5, 3],
    ['lower', 3, 1],
  ] as const) {
    const { directory, record, metrics } = await run(await toy({ epochs: 8, end: monitored(values, better) }))
    t.strictSame(
      metrics.own!.map(({ f1 }) => f1),
      values.slice(0, epochs),
      better,
    )
    t.match(
      record.notes.join('\n'),
      `patience: stopped the run: f1 has not become better for 2 evaluations; the best was`,
    )
    t.equal(positionOf(tableFromIPC(readFileSync(`${directory}/best.arrow`))).epoch, best)
    t.strictSame(record.metrics!.f1, { name: 'f1', title: 'F1', unit: 'share', better })
    t.match(record.metrics!.test_accuracy, { split: 'test', name: 'accuracy', unit: 'share', better: 'higher' })
  }
})

t.test('a metric that does not say which direction is better cannot be monitored', async (t) => {
  inFolder(t)
  const error = await failure(run(await toy({ end: monitored([1, 2, 3]) })))
  t.equal(error.code, 'DATA')
  t.match(
    error.message,
    /^code {2}stages\[(9\] stop\/patience|10\] sink\/best): the metric "f1" does not say whether higher or lower is better; the stage that makes it must: metricsTable\(/,
  )
})

t.test('a metric that no stage computes is refused before the run, with the one that was meant', async (t) => {
  inFolder(t)
  const error = await failure(toy({ end: monitored([1, 2, 3], 'higher', 'test_ff1') }))
  t.equal(error.code, 'DEFINITION')
  const message = 'monitor: no metric named "test_ff1" is computed; did you mean "test_f1"?'
  t.strictSame(error.message.split('\n'), [
    `code  stages[9] stop/patience: ${message}`,
    `code  stages[10] sink/best: ${message}`,
  ])
  t.notOk(existsSync('runs'))
})

t.test('steps of a stage that uses no kernel are counted and timed', async (t) => {
  inFolder(t)
  const own = defineStage({
    name: 'mine/train',
    summary: 'Trains nothing.',
    options: z.strictObject({}),
    inputs: { batches: wire.batch },
    outputs: { parameters: wire.parameters },
    learner: softmax,
    example: '',
    run: () => {
      const arrays = [
        { name: 'W', shape: [10, 64], values: new Float64Array(640) },
        { name: 'b', shape: [10], values: new Float64Array(10) },
      ]
      const classes = Array.from({ length: 10 }, (_, i) => String(i))
      const tables = parametersTables({ learner: 'softmax', options: {}, shape: [64], classes, lambda: 0, arrays })
      return map((batch: Table) => tables(positionOf(batch), 0.1))
    },
  })
  const passing = defineStage({
    name: 'mine/passing',
    summary: 'Passes parameters on.',
    options: z.strictObject({}),
    inputs: { parameters: wire.parameters },
    outputs: { parameters: wire.parameters },
    example: '',
    run: () => (parameters) => parameters,
  })
  const pipeline = (await toy()).replace('model', own).insertAfter('model', { id: 'passing', use: passing })
  for (const each of [pipeline, pipeline.remove('csv').remove('metrics')]) {
    const { record } = await run(each)
    const { steps, prepare, train, finish, total } = record.timings!
    t.equal(steps, 9, 'those of the stage that trains, once')
    t.ok(
      [prepare, train, finish].every((time) => time > 0),
      `${prepare} + ${train} + ${finish}`,
    )
    t.ok(Math.abs(prepare + train + finish - total) < 1e-5)
  }
})

t.test('a pipeline that trains nothing gives no parameters and no history', async (t) => {
  inFolder(t)
  const pipeline = await Pipeline.define({ name: 'look', stages: [{ use: 'load/digits' }] })
  const result = await run(pipeline)
  t.strictSame(result.parameters, {})
  t.strictSame(result.history, [])
  t.equal(result.record.timings!.steps, 0)
  t.equal(result.record.timings!.overhead, 0)
})

t.test('a signal stops a run within a second: files are whole, the record says so', async (t) => {
  inFolder(t)
  const stop = new AbortController()
  const under = start(await toy({ epochs: 1e6 }), { signal: stop.signal })
  const events = lastValueFrom(under.events.pipe(toArray()))
  let [rows, at] = [0, 0]
  under.metrics.subscribe(() => {
    if (++rows !== 5) return
    at = performance.now()
    stop.abort()
  })
  const error = await failure(under.result)
  t.ok(performance.now() - at < 1000)
  t.equal(error.code, 'ABORTED')
  t.equal(error.message, 'stopped before its end')
  t.match((await events).at(-1), { type: 'end', status: 'interrupted', error })
  t.match(record('runs/toy-001'), { status: 'interrupted', error: 'stopped before its end' })
  const lines = read('runs/toy-001/metrics.csv').split('\n')
  t.ok(lines.length >= 7)
  t.equal(lines.at(-1), '', 'the last line is whole')
  for (const line of lines.slice(0, -1)) t.equal(line.split(',').length, 8)
  const { metadata } = tableFromIPC(readFileSync('runs/toy-001/parameters.arrow')).schema
  t.ok(Number(metadata.get('step')) >= 15, 'the parameters so far are written')
})

t.test('metrics and events complete however a run ends; its result alone rejects', async (t) => {
  inFolder(t)
  const stop = new AbortController()
  const patience: StageSpec = { use: 'stop/patience', from: 'metrics', with: { monitor: 'test_accuracy', patience: 1 } }
  const endings = {
    done: { pipeline: await toy(), status: 'done', code: undefined },
    'stopped by a stage': {
      pipeline: await toy({ epochs: 500, eta: 0.5, end: [patience] }),
      status: 'done',
      code: undefined,
    },
    aborted: { pipeline: await toy({ epochs: 1e6 }), status: 'interrupted', code: 'ABORTED' },
    failed: { pipeline: await toy({ eta: 1e38, epochs: 50 }), status: 'failed', code: 'DIVERGED' },
  } as const
  for (const [how, { pipeline, status, code }] of Object.entries(endings)) {
    const under = start(pipeline, how === 'aborted' ? { signal: stop.signal } : {})
    const rows: number[] = []
    under.metrics.subscribe(({ epoch }) => rows.push(epoch) === 3 && how === 'aborted' && stop.abort())
    // Neither of these rejects.
    const ended = Promise.all([
      lastValueFrom(under.metrics.pipe(toArray())),
      lastValueFrom(under.events.pipe(toArray())),
    ])
    const error = await under.result.then(
      () => undefined,
      (error: PipelineError) => error,
    )
    const [seen, events] = await ended
    t.equal(error?.code, code, how)
    t.strictSame(
      seen.map(({ epoch }) => epoch),
      rows,
      how,
    )
    t.strictSame(events.at(-1), { type: 'end', status, ...(error && { error }) }, how)
    if (how === 'stopped by a stage') t.ok(rows.length > 0 && rows.length < 500, `${rows.length} rows`)
    t.strictSame(
      lines(read(`runs/toy-00${Object.keys(endings).indexOf(how) + 1}/metrics.csv`)),
      rows.length > 0 ? rows.length + 1 : 0,
      'every row that was written was told',
    )
  }
})

t.test('a signal before the start stops a run before it reads anything', async (t) => {
  inFolder(t)
  const error = await failure(run(await toy(), { signal: AbortSignal.abort() }))
  t.equal(error.code, 'ABORTED')
  t.match(record('runs/toy-001'), { status: 'interrupted', data: [] })
  // Files are not looked at either.
  const missing = await Pipeline.define({
    name: 'files',
    stages: [{ use: 'load/csv', with: { path: 'missing.csv', label: 'a' } }],
  })
  t.match(await failure(run(missing, {})), { code: 'DATA' })
  t.match(await failure(run(missing, { signal: AbortSignal.abort() })), { code: 'ABORTED' })
})

t.test('a stage that does not heed the signal is cut off', async (t) => {
  inFolder(t, { 'deaf.js': stageFile("run: () => new Observable((s) => () => writeFileSync('closed', ''))") })
  writeFileSync('p.yaml', 'stages:\n  - use: ./deaf.js\n')
  const stop = new AbortController()
  const under = start(await Pipeline.load('p.yaml'), { signal: stop.signal })
  under.events.subscribe((event) => {
    if (event.type === 'start') setImmediate(() => stop.abort())
  })
  const begun = performance.now()
  t.equal((await failure(under.result)).code, 'ABORTED')
  t.ok(performance.now() - begun < 1500)
  t.ok(existsSync('closed'), 'it was unsubscribed')
})

/** The text of a stage file; `rest` is what differs from a sink of anything. */
function stageFile(rest: string): string {
  return `import { writeFileSync } from 'node:fs'
import { defineStage, wire, z } from 'millrace/stage'
import { Observable, map, of } from 'rxjs'
export default defineStage({
  name: 'mine', summary: '', options: z.strictObject({}), inputs: {}, outputs: {}, example: '',
  ${rest}
})
`
}

t.test('an error in a stage of yours says the stage and its line, and is recorded', async (t) => {
  const inputs = 'inputs: { examples: wire.examples }'
  for (const [what, rest, message] of [
    [
      'thrown in an operator',
      `${inputs}, run: () => map((table, i) => { if (i === 1) throw new Error('boom'); return table })`,
      'boom',
    ],
    ['thrown without a message', `${inputs}, run: () => map(() => { throw new Error() })`, 'failed without a message'],
    ['thrown that is no Error', `${inputs}, run: () => map(() => { throw 'text' })`, 'text'],
    ['thrown by run', `${inputs}, run: () => { throw new Error('early') }`, 'early'],
    ['thrown by what run gives', `${inputs}, run: () => () => { throw new Error('late') }`, 'late'],
    [
      'no Observable',
      `${inputs}, outputs: { examples: wire.examples }, run: () => () => [1]`,
      'expected run to give an Observable for the output "examples", got object',
    ],
    ['no Observable of a sink', `${inputs}, run: () => () => {}`, 'expected run to give an Observable, got undefined'],
    [
      'a missing output of two',
      `${inputs}, outputs: { a: wire.examples, b: wire.examples }, run: () => (x) => ({ a: x })`,
      'expected run to give an Observable for the output "b", got undefined',
    ],
    ['no function', `${inputs}, run: () => of(1)`, 'expected run to give a function of its inputs, got object'],
  ] as const)
    await t.test(what, async (t) => {
      inFolder(t, { 'bad.js': stageFile(rest), 'p.yaml': 'stages:\n  - use: load/digits\n\n  - use: ./bad.js\n' })
      const under = start(await Pipeline.load('p.yaml'))
      const events = lastValueFrom(under.events.pipe(toArray()))
      const error = await failure(under.result)
      t.equal(error.message, `p.yaml:4:5  stages[1] ./bad.js: ${message}`)
      t.equal(error.code, 'STAGE')
      t.match(record('runs/p-001'), { status: 'failed', error: error.message })
      t.match((await events).at(-1), { type: 'end', status: 'failed', error })
    })
})

t.test('an error is told once, although it passes through the stages below', async (t) => {
  inFolder(t)
  const broken = defineStage({
    name: 'broken',
    summary: 'Fails at the second batch.',
    options: z.strictObject({}),
    inputs: { batches: wire.batch },
    outputs: { batches: wire.batch },
    example: '',
    run: () =>
      tap<Table>(() => {
        if (++seen === 2) throw new RangeError('second')
      }),
  })
  let seen = 0
  const error = await failure(run((await toy()).insertAfter('shuffle', { use: broken })))
  t.equal(error.message, 'code  stages[4] broken: second')
  t.ok(error.cause instanceof RangeError)
})

t.test('divergence fails with its code, epoch, step and eta, and what was evaluated stays', async (t) => {
  inFolder(t)
  const error = await failure(run(await toy({ eta: 1e308 })))
  t.equal(error.code, 'DIVERGED')
  t.match(
    error.message,
    /^code {2}stages\[4\] gradient-step\/softmax: the loss is NaN in epoch 1, step \d, with eta 1e\+308; a smaller eta may help/,
  )
  t.match(record('runs/toy-001'), { status: 'failed', error: error.message })
  t.notOk(existsSync('runs/toy-001/parameters.arrow'), 'no parameters that look final')
})

t.test('run directories are numbered', async (t) => {
  inFolder(t)
  const pipeline = await Pipeline.define({ name: 'look', stages: [{ use: 'load/digits' }] })
  mkdirSync('runs/look-007', { recursive: true })
  mkdirSync('runs/look-other')
  mkdirSync('runs/looks-050')
  const directories = await Promise.all([run(pipeline), run(pipeline)])
  t.strictSame(directories.map(({ directory }) => directory.slice(-8)).sort(), ['look-008', 'look-009'])
})

t.test('a run refuses a directory where one lies, unless it is forced: then only its files go', async (t) => {
  inFolder(t)
  await run(await toy({ end: [{ use: 'sink/jsonl', from: 'metrics' }] }), { out: 'mine' })
  writeFileSync('mine/notes.txt', 'keep me')
  const error = await failure(run(await toy(), { out: 'mine' }))
  t.equal(error.code, 'ARGUMENTS')
  t.equal(error.message, '--out mine: a run lies there already; give another directory, or --force to replace it')
  t.match(record('mine'), { status: 'done' }, 'the refused run did not touch it')
  await run(await toy(), { out: 'mine', force: true })
  t.equal(read('mine/notes.txt'), 'keep me')
  t.notOk(existsSync('mine/metrics.jsonl'), 'a file of the old run that the new one has not')
})

t.test('a directory that cannot be written says why', async (t) => {
  const part = 'a part of the path is not a directory'
  inFolder(t, { file: '', runs: '' })
  const pipeline = await toy()
  for (const [out, code, message] of [
    ['file', 'ARGUMENTS', '--out file: it is a file, expected a directory'],
    ['file/deep', 'WRITE', `cannot make the run directory file/deep: ${part}`],
    [undefined, 'WRITE', 'cannot make the directory runs: it exists already'],
  ] as const) {
    const error = await failure(run(pipeline, { out }))
    t.equal(error.message, message)
    t.equal(error.code, code)
  }
})

t.test('a full disk fails the run with the file and the reason', { skip: !existsSync('/dev/full') }, async (t) => {
  inFolder(t)
  mkdirSync('full')
  const pipeline = await Pipeline.load('digits', {
    set: ['csv.path=/dev/full', 'epochs=1'],
    allowAbsolutePaths: true,
  })
  const error = await failure(run(pipeline, { out: 'full' }))
  t.equal(error.code, 'WRITE')
  t.match(error.message, /stages\[7\] sink\/csv: cannot write \/dev\/full: no space left on the device$/)
  t.match(record('full'), { status: 'failed', error: error.message })
})

t.test('where the failure cannot be recorded either, both are told, the first one first', async (t) => {
  inFolder(t, {})
  const blocking = defineStage({
    name: 'blocking',
    summary: 'Breaks, and takes the run directory with it.',
    options: z.strictObject({}),
    inputs: { examples: wire.examples },
    outputs: {},
    example: '',
    run: (_, context) =>
      tap(() => {
        mkdirSync(context.file('run.json.part'))
        throw new Error('boom')
      }),
  })
  const pipeline = await Pipeline.define({ name: 'look', stages: [{ use: 'load/digits' }, { use: blocking }] })
  const error = await failure(run(pipeline))
  t.equal(error.code, 'STAGE')
  t.strictSame(error.message.split('\n'), [
    'code  stages[1] blocking: boom',
    'cannot write runs/look-001/run.json: it is a directory, expected a file',
  ])
})

function lines(text: string): number {
  return text.split('\n').length - 1
}

t.test('a definition that is too long to be read again is told at the start, and runs', async (t) => {
  inFolder(t)
  const stages: StageSpec[] = [
    { use: 'load/digits', with: { fractions: { train: 0.05, test: 0.05 } } },
    { use: 'sink/arrow', with: { path: 'rows.arrow' } },
  ]
  const notesOf = async (length: number): Promise<readonly string[]> => {
    const pipeline = await Pipeline.define({ name: 'long', description: 'x'.repeat(length), stages })
    return (await run(pipeline, { out: `${length}` })).record.notes
  }
  t.strictSame(await notesOf(1 << 18), [])
  const [note] = await notesOf(1 << 20)
  t.match(
    note,
    /^pipeline\.yaml has 10\d{5} bytes, and definitions of at most 1048576 are read: resume, rerun and report/,
  )
})

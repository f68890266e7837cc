import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs, {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { tap, toArray } from 'rxjs'
import t, { type Test } from 'tap'
import { Pipeline, resume, run } from '../../../dist/index.js'
import { thisProcess } from '../../../dist/pipeline/files/lock-owner.js'
import { defineStage, kernelRows, wire, z } from '../../../dist/pipeline/stage-kit.js'
import { errorOf, problemsOf } from '../harness.js'

const cli = fileURLToPath(new URL('../../../lib/cli/main.js', import.meta.url))

function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'millrace-cache-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A pipeline with 12,000 rows of 32 floats (1.5 MB), standardised, and the options of its shuffle. */
function written(t: Test, load?: string): string {
  const file = join(folder(t), 'p.yaml')
  writeFileSync(
    file,
    `name: cached
seed: 3
vars: { rows: 12000, epochs: 2 }
stages:
  - ${load ?? 'use: load/synthetic\n    with: { kind: blobs, rows: "$' + '{rows}", features: 32, classes: 4, noise: 2 }'}
  - use: cache/arrow
    with: { directory: ${join(file, '../cache')} }
  - id: examples
    use: normalize/standardize
  - use: batch/rows
    with: { size: 64, epochs: "$\{epochs}" }
  - id: shuffle
    use: shuffle/none
  - id: model
    use: gradient-step/softmax
    with: { eta: 0.05 }
  - id: metrics
    use: evaluate/classification
    from: { parameters: model, examples: examples }
    with: { metrics: [auc] }
  - use: sink/csv
  - use: sink/parameters
    from: model
    with: { path: parameters.arrow }
`,
  )
  return file
}

async function ran(file: string, out: string, set: string[] = [], threads = 1) {
  const directory = join(file, '..', out)
  const { record } = await run(await Pipeline.load(file, { set, allowAbsolutePaths: true }), {
    out: directory,
    threads,
    oversubscribe: true,
  })
  return { bytes: bytesOf(directory), notes: record.notes.join('\n'), record }
}

function bytesOf(directory: string): string[] {
  return ['metrics.csv', 'parameters.arrow'].map((name) => readFileSync(join(directory, name)).toString('base64'))
}

t.test('windows give the bytes that memory gives, for every shuffle and number of threads', async (t) => {
  const file = written(t)
  for (const shuffle of [['none'], ['batches'], ['rows'], ['buffer', 'shuffle.size=500']]) {
    const set = [`shuffle.use=shuffle/${shuffle[0]}`, ...shuffle.slice(1)]
    const whole = await ran(file, `memory-${shuffle[0]}`, set)
    t.notMatch(whole.notes, /windows/)
    for (const threads of [1, 3]) {
      const { bytes, notes } = await ran(file, `windows-${shuffle[0]}-${threads}`, [...set, 'memory=1MB'], threads)
      t.match(notes, /arrow: read in windows of at most \d+ KiB: .*train/)
      t.strictSame(bytes, whole.bytes, `${shuffle[0]}, ${threads} threads`)
    }
  }
})

t.test('memory of batches is used again only if no stage keeps them', async (t) => {
  const file = written(t)
  writeFileSync(
    file,
    readFileSync(file, 'utf8')
      .replace(/ {2}- id: examples\n.*\n/, '')
      .replace('examples: examples', 'examples: arrow'),
  )
  const kept = async (out: string, set: string[]): Promise<string> => {
    let all = ''
    const keeper = defineStage({
      name: 'test/keep',
      summary: 'Keeps all batches until the end.',
      options: z.strictObject({}),
      inputs: { batches: wire.batch },
      outputs: {},
      example: '- use: test/keep',
      run: () => (batches) =>
        batches.pipe(
          toArray(),
          tap((tables) => {
            all = tables.map((table) => Buffer.from(kernelRows(table).values.slice().buffer).toString('base64')).join()
          }),
        ),
    })
    const pipeline = await Pipeline.load(file, { set: [...set, 'epochs=1'], allowAbsolutePaths: true })
    await run(pipeline.insertAfter('shuffle', { id: 'keeper', use: keeper, from: 'shuffle' }), {
      out: join(file, '..', out),
    })
    return all
  }
  for (const use of ['none', 'batches']) {
    const set = [`shuffle.use=shuffle/${use}`]
    t.equal(await kept(`windows-${use}`, [...set, 'memory=1MB']), await kept(`memory-${use}`, set))
    const { bytes } = await ran(file, `alone-${use}`, [...set, 'memory=1MB'])
    t.strictSame(bytes, (await ran(file, `alone-memory-${use}`, set)).bytes, use)
  }
})

t.test('a cache is used again, and written anew if it is damaged or something above it changes', async (t) => {
  const data = join(folder(t), 'data.csv')
  const rows = Array.from({ length: 400 }, (_, i) => `${i % 7},${(i * 31) % 11},${i % 2}`)
  writeFileSync(data, `x,y,label\n${rows.join('\n')}\n`)
  const file = written(t, `use: load/csv\n    with: { path: ${data}, fractions: { train: 0.75, test: 0.25 } }`)
  const cache = join(file, '../cache')
  const cold = await ran(file, 'cold')
  const [name] = readdirSync(cache)
  const warm = await ran(file, 'warm')
  t.strictSame(warm.bytes, cold.bytes)
  t.strictSame(warm.record.data, cold.record.data, 'the record names the data')
  t.strictSame(readdirSync(cache), [name])

  let count = 0
  for (const [what, harm] of [
    ['0.arrow has not its length', () => truncateSync(join(cache, name!, '0.arrow'), 100)],
    ['1.arrow is damaged', () => flip(join(cache, name!, '1.arrow'), Float32Array.of(1))],
    ['0.arrow is damaged', () => flip(join(cache, name!, '0.arrow'), Int32Array.of(0, 1, 0, 1, 0, 1))],
    ['its list of files is damaged', () => writeFileSync(join(cache, name!, 'cache.json'), '{')],
  ] as const) {
    harm()
    const { bytes, notes } = await ran(file, `harm-${count++}`)
    t.match(notes, `is written anew: ${what}`)
    t.strictSame(bytes, cold.bytes, what)
  }
  writeFileSync(data, `x,y,label\n${[...rows].reverse().join('\n')}\n`)
  const other = await ran(file, 'other')
  t.match(other.notes, 'the data has changed')
  t.not(other.bytes[1], cold.bytes[1])
  await ran(file, 'seed', ['splitSeed=9'])
  t.equal(readdirSync(cache).length, 2, 'another definition has another cache')
})

/** Changes the first number of some that lie in a file. */
function flip(path: string, numbers: Float32Array | Int32Array): void {
  const bytes = readFileSync(path)
  const at = bytes.indexOf(Buffer.from(numbers.buffer))
  if (at < 0) throw new Error('the numbers are not there')
  bytes[at]! ^= 1
  writeFileSync(path, bytes)
}

t.test('two runs may write one cache at once', async (t) => {
  const file = written(t)
  const [one, other] = await Promise.all([ran(file, 'one'), ran(file, 'other')])
  t.strictSame(one.bytes, other.bytes)
  const cache = join(file, '../cache')
  const [name] = readdirSync(cache)
  t.strictSame(readdirSync(cache), [name], 'nothing unfinished is left')
  const owners = { ended: { ...thisProcess(''), began: '1' }, running: thisProcess('') }
  for (const [state, owner] of Object.entries(owners)) {
    mkdirSync(join(cache, `${name}.part-${state}`))
    writeFileSync(join(cache, `${name}.part-${state}/owner.json`), JSON.stringify(owner))
  }
  rmSync(join(cache, name!), { recursive: true })
  await ran(file, 'again')
  t.strictSame(readdirSync(cache), [name, `${name}.part-running`], 'what a killed process left is removed')
  t.strictSame(
    readdirSync(join(cache, name!)).filter((file) => !file.endsWith('.arrow')),
    ['cache.json'],
  )
})

t.test('an unfinished cache names its process until it is no longer one', async (t) => {
  const file = written(t)
  const { renameSync } = fs
  const named: boolean[] = []
  t.teardown(() => replaceRename(renameSync))
  replaceRename((from, to) => {
    if (String(from).includes('.part-')) named.push(existsSync(join(String(from), 'owner.json')))
    renameSync(from, to)
  })
  await ran(file, 'watched')
  t.strictSame(named, [true], 'a process that is killed here leaves a folder that the next one removes')
})

function replaceRename(rename: typeof fs.renameSync): void {
  fs.renameSync = rename
  syncBuiltinESMExports()
}

t.test('rows that do not fit are refused without a cache, and where a stage takes all of them', async (t) => {
  const file = written(t)
  const [code, message] = await errorOf(ran(file, 'refused', ['memory=1MB']))
  t.strictSame([code, message], ['', 'no error'])
  writeFileSync(file, readFileSync(file, 'utf8').replace(/ {2}- use: cache\/arrow\n.*\n/, ''))
  t.match(await errorOf(ran(file, 'without', ['memory=1MB'])), [
    'DATA',
    /the rows of synthetic need 1.23 MB, memory: 1 MB has 1 MB left; put cache\/arrow behind the load stage/,
  ])
  const cases = [
    ['lots', 'memory: expected a size such as 500MB, 1.5GB or 2GiB, 1MB or more, got "lots"'],
    ['10', 'memory: expected a size such as 500MB, 1.5GB or 2GiB, 1MB or more, got 10'],
  ] as const
  for (const [given, expected] of cases)
    t.match(await errorOf(ran(file, 'wrong', [`memory=${given}`])), ['DEFINITION', expected])
  t.equal(await problemsOf(t, '- use: load/digits\n- use: cache/arrow\n- use: sink/arrow'), '')
})

t.test('a run that is killed in windows goes on from its checkpoint to the same bytes', async (t) => {
  const file = written(t)
  const out = join(file, '../killed')
  const set = ['shuffle.use=shuffle/buffer', 'shuffle.size=500', 'memory=1MB', 'epochs=6']
  const { bytes } = await ran(file, 'whole', set)
  const args = [
    cli,
    'run',
    file,
    ...set.flatMap((each) => ['--set', each]),
    '--out',
    out,
    '--quiet',
    '--threads',
    '1',
    '--allow-absolute-paths',
  ]
  const child = spawn(process.execPath, [...args, '--checkpoint', '100 steps'], { stdio: 'ignore' })
  const checkpoints = join(out, 'checkpoint')
  while (child.exitCode === null && !(existsSync(checkpoints) && readdirSync(checkpoints).length > 0))
    await new Promise((next) => setTimeout(next, 5))
  child.kill('SIGKILL')
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  await resume(out, { threads: 1, allowAbsolutePaths: true }).result
  t.strictSame(bytesOf(out), bytes)
})

/** A CSV file of 60,000 rows with 8 features (1.9 MB as floats, sorted by label), and a pipeline that caches it. */
function tabled(t: Test, more: string): string {
  const path = folder(t)
  const rows = Array.from(
    { length: 60_000 },
    (_, i) => `${Array.from({ length: 8 }, (_, j) => (i * (j + 3)) % 97)},${i % 3}`,
  )
  writeFileSync(join(path, 'data.csv'), `a,b,c,d,e,f,g,h,label\n${rows.join('\n')}\n`)
  const file = join(path, 'p.yaml')
  writeFileSync(
    file,
    `stages:
  - use: load/csv
    with: { path: ${join(path, 'data.csv')}, fractions: { train: 0.9, test: 0.1 } }
  - use: cache/arrow
  - id: examples
    use: normalize/standardize
  - use: batch/rows
    with: { size: 500, epochs: 1 }
  - id: model
    use: gradient-step/softmax
    with: { eta: 0.05 }
${more}
  - use: sink/parameters
    from: model
    with: { path: parameters.arrow }
`,
  )
  return file
}

t.test('a CSV file larger than the memory is cached, trained on and predicted in windows', async (t) => {
  const file = tabled(
    t,
    `  - id: predictions
    use: evaluate/predictions
    from: { parameters: model, examples: examples }
  - use: sink/csv
    from: predictions
    with: { path: metrics.csv }`,
  )
  const whole = await ran(file, 'memory')
  rmSync(join(file, '../.millrace-cache'), { recursive: true })
  const { bytes, notes } = await ran(file, 'windows', ['memory=1MB'])
  t.match(notes, /read in windows of at most \d+ KiB: .*train/)
  t.strictSame(bytes, whole.bytes)
})

t.test('rows are divided in windows in front of the cache and behind it', async (t) => {
  const file = written(t)
  const text = readFileSync(file, 'utf8')
  const [cache] = / {2}- use: cache\/arrow\n.*\n/.exec(text)!
  const split = '  - use: split/rows\n    with: { fractions: { train: rest, more: 0.3 }, stratify: true, seed: 4 }\n'
  const places = { none: split, behind: cache + split, 'in front': split + cache }
  let whole: string[] | undefined
  for (const [place, stages] of Object.entries(places)) {
    writeFileSync(file, text.replace(cache, stages))
    const { bytes, notes } = await ran(file, place, place === 'none' ? [] : ['memory=1MB'])
    whole ??= bytes
    t.strictSame(bytes, whole, place)
    if (place !== 'none') t.match(notes, /(rows|arrow): read in windows of at most \d+ KiB: .*train/, place)
  }
})

t.test('a stage that takes all rows of a split in its file is refused, a figure is left out with a note', async (t) => {
  const cases = [
    [
      '  - use: sink/confusion\n    from: { parameters: model, examples: examples }\n    with: { split: train, path: c }',
      'sink/confusion',
    ],
    [
      '  - use: sink/predictions\n    from: { parameters: model, examples: examples }\n    with: { split: train, path: p }',
      'sink/predictions',
    ],
    ['  - use: check/sample\n    from: arrow\n    with: { examples: 10 }', 'check/sample'],
  ] as const
  for (const [more, stage] of cases) {
    const file = tabled(t, more)
    const start = async (out: string, set: string[]) =>
      run(await Pipeline.load(file, { set }), { out: join(file, '..', out) })
    await start('memory', [])
    const refusal =
      /a stage takes all rows of train at once, which need .* memory: 1 MB has .* let it take another split/
    if (stage.startsWith('sink/')) {
      const { record } = await start('windows', ['memory=1MB'])
      t.match(record.notes.join('\n'), refusal, `${stage}: the run is done without the figure`)
      continue
    }
    const [code, message] = await errorOf(start('windows', ['memory=1MB']))
    t.equal(code, 'DATA')
    t.match(message, stage)
    t.match(message, refusal)
    t.notOk(existsSync(join(file, '../windows/parameters.arrow')), 'no step was made')
  }
})

t.test('a figure of a split in memory is drawn while another split is in its file', async (t) => {
  const file = tabled(
    t,
    '  - use: sink/confusion\n    from: { parameters: model, examples: examples }\n    with: { path: c, formats: [svg] }',
  )
  const out = join(file, '../windows')
  const { record } = await run(await Pipeline.load(file, { set: ['memory=1MB'] }), { out })
  t.match(record.notes.join('\n'), /read in windows of at most \d+ KiB: train/)
  t.notMatch(record.notes.join('\n'), /at once/)
  t.ok(existsSync(join(out, 'c.svg')), 'the figure of the last split')
})

t.test('Ctrl-C while a cache is written ends the run within a second, and leaves nothing', async (t) => {
  const file = written(t)
  const out = join(file, '../stopped')
  const args = [cli, 'run', file, '--set', 'rows=2000000', '--allow-absolute-paths', '--out', out, '--quiet']
  const child = spawn(process.execPath, args, { stdio: 'ignore' })
  const cache = join(file, '../cache')
  const isWriting = (): boolean => existsSync(cache) && readdirSync(cache).some((name) => /\.part-/.test(name))
  while (child.exitCode === null && !isWriting()) await new Promise((next) => setTimeout(next, 5))
  const start = performance.now()
  child.kill('SIGINT')
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  t.comment(`${Math.round(performance.now() - start)} ms`)
  t.equal(child.exitCode, 130)
  t.strictSame(readdirSync(cache), [])
})

t.test('divided runs are refused before data is read', async (t) => {
  for (const stage of ['cache/arrow', 'shuffle/buffer\n    with: { size: 10 }']) {
    const file = written(t)
    const text = readFileSync(file, 'utf8').replace(/ {2}- use: cache\/arrow\n.*\n/, (found) =>
      stage === 'cache/arrow' ? found : '',
    )
    const shuffled = stage === 'cache/arrow' ? text : text.replace('shuffle/none', stage)
    writeFileSync(file, `${shuffled}parallel: { engine: local, shards: 2 }\n`)
    t.match(await errorOf(ran(file, 'divided')), ['DEFINITION', stage.split('\n')[0]!])
  }
})

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Pipeline, resume } from '../../dist/index.js'
import { inside, temporary } from '../stages/harness.js'
import { millrace } from './in-process.js'
import { millrace as inOwnProcess } from './millrace.js'

/** A folder with a short run of digits in `a`, without figures. */
async function withRun(t: Test): Promise<string> {
  const cwd = t.testdir({
    'p.yaml': `seed: 3
vars: { eta: 0.05 }
stages:
  - use: load/csv
    with: { path: data.csv, header: true, fractions: { train: 0.5, test: 0.5 } }
  - { id: examples, use: normalize/standardize }
  - { use: batch/rows, with: { size: 4, epochs: 3 } }
  - { id: model, use: gradient-step/softmax, with: { eta: "\${eta}" } }
  - { id: metrics, use: evaluate/classification, from: { parameters: model, examples: examples } }
  - { use: sink/csv }
  - { use: sink/jsonl, with: { path: lines.jsonl } }
  - { use: sink/arrow, from: metrics, with: { path: stream.arrows } }
  - { use: sink/parameters, from: model }
`,
    'data.csv': data(0),
  })
  const { code, stderr } = await millrace(['run', 'p.yaml', '--kernel', 'wasm', '--quiet', '--out', 'a'], cwd)
  t.equal(code, 0, stderr)
  return cwd
}

/** Forty rows of two features and a label; `shift` moves the first. */
function data(shift: number): string {
  const rows = Array.from({ length: 40 }, (_, i) => `${i + (i === 0 ? shift : 0)},${(i * 7) % 11},${i % 3}`)
  return `x,y,label\n${rows.join('\n')}\n`
}

function edit(cwd: string, file: string, from: string | RegExp, to: string): void {
  const path = join(cwd, file)
  const text = readFileSync(path, 'utf8')
  const changed = text.replace(from, to)
  if (changed === text) throw new Error(`${file} does not contain ${from}`)
  writeFileSync(path, changed)
}

t.test('a repeated run is identical, and leaves no files behind', async (t) => {
  const cwd = await withRun(t)
  const before = readdirSync(cwd)
  const folder = temporary(t)
  const { code, stdout, stderr } = await inOwnProcess(['rerun', 'a'], cwd, { TMPDIR: folder })
  t.equal(stderr, '')
  t.equal(stdout, 'identical: 9 rows, 4 files\n')
  t.equal(code, 0)
  t.strictSame(readdirSync(cwd), before)
  t.strictSame(readdirSync(folder), [])

  const kept = await millrace(['rerun', 'a', '--out', 'b', '--json'], cwd)
  t.match(JSON.parse(kept.stdout), {
    identical: true,
    status: 'done',
    directory: 'b',
    rows: 9,
    files: ['metrics.csv', 'lines.jsonl', 'parameters.arrow', 'stream.arrows'],
    differing: [],
    changes: [],
  })
  t.ok(existsSync(join(cwd, 'b/run.json')))
  const onItself = await millrace(['rerun', 'a', '--out', './a', '--force'], cwd)
  t.equal(onItself.code, 2)
  t.equal(onItself.stderr, '--out ./a is the run itself; give another directory\n')
})

t.test('the first difference is named, with what has changed: definition, kernel, data', async (t) => {
  const cwd = await withRun(t)
  const all = 'different files: metrics.csv, lines.jsonl, parameters.arrow, stream.arrows'
  const first =
    /^first difference: metrics\.csv, row 1, epoch 1, step 5: \w+_loss was (\S+), is (\S+) \(relative difference \d\.\de-\d+\)$/
  const rerun = async (...args: string[]): Promise<string[]> => {
    const { code, stderr } = await millrace(['rerun', 'a', ...args], cwd)
    t.equal(code, 1)
    return stderr.split('\n')
  }

  const otherKernel = await rerun('--kernel', 'reference')
  t.match(otherKernel[0], first)
  t.strictSame(otherKernel.slice(1, 3), [all, 'what changed:'])
  t.match(otherKernel[3], /^ {2}kernel: was wasm \(.+\), is reference \(float64\)$/)
  t.equal(otherKernel[4], '')

  writeFileSync(join(cwd, 'data.csv'), data(5))
  const otherData = await rerun()
  t.match(otherData[0], first)
  t.match(otherData[3], /^ {2}data: data\.csv was \d+ bytes, SHA-256 [0-9a-f]{64}; is \d+ bytes, [0-9a-f]{64}$/)
  writeFileSync(join(cwd, 'data.csv'), data(0))

  edit(cwd, 'a/pipeline.yaml', 'eta: 0.05', 'eta: 0.06')
  t.strictSame((await rerun()).slice(1), [
    all,
    'what changed:',
    '  definition: pipeline.yaml is not what the run was made from',
    '',
  ])
  edit(cwd, 'a/pipeline.yaml', 'eta: 0.06', 'eta: 0.05')

  edit(cwd, 'a/run.json', /"node": ".*?"/, '"node": "18.0.0"')
  const same = await millrace(['rerun', 'a'], cwd)
  t.equal(same.code, 0)
  t.equal(same.stdout, `identical: 9 rows, 4 files\n  although node: was 18.0.0, is ${process.versions.node}\n`)
})

t.test('a single number that was changed is found', async (t) => {
  const cwd = await withRun(t)
  edit(cwd, 'a/lines.jsonl', /("step":10,"train_loss":)[\d.]+/, '$112.5')
  const { code, stderr } = await millrace(['rerun', 'a'], cwd)
  t.equal(code, 1)
  t.match(
    stderr,
    /^first difference: lines\.jsonl, row 2, epoch 2, step 10: train_loss was 12\.5, is \S+ \(relative difference 9\.\de-1\)\ndifferent files: lines\.jsonl\nwhat changed:\n {2}nothing that is recorded: /,
  )
})

t.test('the files of a run that is not done are compared as far as they go', async (t) => {
  const cwd = await withRun(t)
  edit(cwd, 'a/run.json', '"status": "done"', '"status": "interrupted"')
  rmSync(join(cwd, 'a/parameters.arrow'))
  edit(cwd, 'a/metrics.csv', /\n3,.*\n$/, '\n3,15,0.')
  rmSync(join(cwd, 'a/lines.jsonl'))
  rmSync(join(cwd, 'a/stream.arrows'))
  const { code, stdout, stderr } = await millrace(['rerun', 'a'], cwd)
  t.equal(stderr, '')
  t.equal(
    stdout,
    'the earlier run is not done (interrupted): its files are compared as far as they go\nidentical: 2 rows, 1 file\n',
  )
  t.equal(code, 0)

  rmSync(join(cwd, 'a/metrics.csv'))
  const nothing = await millrace(['rerun', 'a'], cwd)
  t.equal(nothing.code, 1)
  t.equal(nothing.stderr, 'a has no files to compare: the run wrote none, or it ended too early\n')
})

t.test('a run that failed fails again in the same way', async (t) => {
  const cwd = await withRun(t)
  const failing = [
    'run',
    'p.yaml',
    '--set',
    'eta=1e200',
    '--set',
    'model.lambda=1',
    '--kernel',
    'reference',
    '--quiet',
    '--out',
    'c',
  ]
  t.equal((await millrace(failing, cwd)).code, 1)
  const { code, stdout } = await millrace(['rerun', 'c'], cwd)
  t.match(
    stdout,
    /^the earlier run is not done \(failed\): its files are compared as far as they go\nthe new run failed: .*\nidentical: \d rows?, 3 files\n$/,
  )
  t.equal(code, 0)
})

t.test('a run that cannot be repeated is refused', async (t) => {
  const cwd = await withRun(t)
  const copy = (name: string): void => cpSync(join(cwd, 'a'), join(cwd, name), { recursive: true })
  for (const name of ['bare', 'cut', 'lost', 'wrong']) copy(name)
  rmSync(join(cwd, 'bare/run.json'))
  writeFileSync(join(cwd, 'cut/run.json'), '{"status": "done"')
  rmSync(join(cwd, 'lost/pipeline.yaml'))
  edit(cwd, 'wrong/pipeline.yaml', 'data.csv', 'gone.csv')
  for (const [name, code, message] of [
    ['nowhere', 2, /^nowhere is no run directory: it does not exist\n$/],
    ['bare', 2, /^bare is no run directory: it has no run\.json; /],
    ['cut', 1, /^cut\/run\.json is damaged: /],
    ['lost', 2, /^lost has no pipeline\.yaml, so it cannot be run again\n$/],
    ['wrong', 1, /gone\.csv: no such file or directory/],
  ] as const) {
    const found = await millrace(['rerun', name], cwd)
    t.match(found.stderr, message)
    t.equal(found.code, code, name)
    t.equal(found.stdout, '')
  }
})

t.test('a run that was changed on the way says so: in its record, in rerun, table and report', async (t) => {
  const cwd = await withRun(t)
  const longer = ['resume', 'a', '--set', 'batch-rows.epochs=4', '--quiet']
  const id = /id: (\S*rows)/.exec(readFileSync(join(cwd, 'a/pipeline.yaml'), 'utf8'))?.[1] ?? 'rows'
  longer[3] = `${id}.epochs=4`
  t.same(await millrace(longer, cwd), { code: 0, stdout: '', stderr: '' })
  t.equal((await millrace(['rerun', 'a'], cwd)).code, 0, 'a run that was only made longer is run again')
  longer[3] = `${id}.epochs=6`
  t.equal((await millrace([...longer, '--set', 'eta=0.25'], cwd)).code, 0)
  const { code, stdout, stderr } = await millrace(['rerun', 'a'], cwd)
  t.same({ code, stdout }, { code: 2, stdout: '' })
  t.match(
    stderr,
    /^a: model\.eta was 0\.05, from step 21 on 0\.25\nthe run was changed on the way when it was resumed, so no single/,
  )
  t.match((await millrace(['table', 'a', '--cols', 'eta'], cwd)).stdout, /0\.05, from step 21 on 0\.25/)
  t.equal((await millrace(['report', 'a', '--out', 'r.html'], cwd)).code, 0)
  t.match(
    readFileSync(join(cwd, 'r.html'), 'utf8'),
    /was changed on the way: model\.eta was 0\.05, from step 21 on 0\.25/,
  )
  t.match(readFileSync(join(cwd, 'a/pipeline.yaml'), 'utf8'), /^# As it ran at last; "changes" in run\.json says/)
})

t.test('no code of a run directory is run unless the user says where its code is', async (t) => {
  const cwd = await withRun(t)
  const evil = "import { writeFileSync } from 'node:fs'\nwriteFileSync('RAN', '')\nexport default {}\n"
  const plant = (name: string, use: string): void => {
    cpSync(join(cwd, 'a'), join(cwd, name), { recursive: true })
    writeFileSync(join(cwd, name, 'evil.js'), evil)
    mkdirSync(join(cwd, name, 'node_modules/evil'), { recursive: true })
    writeFileSync(join(cwd, name, 'node_modules/evil/index.js'), evil)
    edit(cwd, `${name}/pipeline.yaml`, 'use: normalize/standardize', `use: ${use}`)
    edit(cwd, `${name}/run.json`, '"status": "done"', '"status": "interrupted"')
  }
  plant('file', './evil.js')
  plant('package', 'evil')
  plant('base', './gone.js')
  writeFileSync(join(cwd, 'base/base.yaml'), readFileSync(join(cwd, 'file/pipeline.yaml')))
  writeFileSync(join(cwd, 'base/pipeline.yaml'), 'extends: ./base.yaml\n')
  const base = await millrace(['rerun', 'base'], cwd)
  t.match(base, { code: 2, stderr: /extends: the definition of a run extends no file$/m })
  t.notMatch(base.stderr, /gone|evil|standardize/)
  const extending = { code: 'DEFINITION', message: /the definition of a run extends no file/ }
  await t.rejects(resume(join(cwd, 'base'), { force: true }).result, extending)
  await t.rejects(Pipeline.load(join(cwd, 'base/pipeline.yaml')), { message: /evil\.js is code in the run directory/ })
  for (const name of ['file', 'package']) {
    const use = name === 'package' ? 'evil' : './evil.js'
    const { code, stderr } = await millrace(['rerun', name], cwd)
    t.equal(code, 2, name)
    t.equal(
      stderr,
      `${name} has stages that are not built in: ${use}; rerun runs no code that a run directory names. ` +
        'If you trust it, give the folder with the code: --plugins DIR\n',
    )
    const reason = name === 'package' ? /no stage named "evil"/ : /evil\.js is code in the run directory/
    await t.rejects(resume(join(cwd, name), { force: true }).result, { code: 'DEFINITION', message: reason }, name)
    await t.rejects(Pipeline.load(join(cwd, name, 'pipeline.yaml')), { code: 'DEFINITION', message: reason }, name)
    t.notOk(existsSync(join(cwd, 'RAN')), name)
  }
  await millrace(['rerun', 'file', '--plugins', 'file'], cwd)
  t.ok(existsSync(join(cwd, 'RAN')), 'the user allows it')
})

t.test('code around a run, in the directory of its sweep or of another run, is not loaded either', async (t) => {
  const cwd = await withRun(t)
  const evil = "import { writeFileSync } from 'node:fs'\nwriteFileSync('RAN', '')\nexport default {}\n"
  for (const [around, use] of [
    ['sweep', '../../evil.js'],
    ['run', '../../evil.js'],
    ['sweep', 'evil'],
    ['run', 'evil'],
  ] as const) {
    const outer = join(cwd, `${around}-${use.replaceAll(/\W/g, '')}`)
    const inner = join(outer, 'points/k')
    mkdirSync(join(outer, 'node_modules/evil'), { recursive: true })
    writeFileSync(join(outer, 'evil.js'), evil)
    writeFileSync(join(outer, 'node_modules/evil/index.js'), evil)
    if (around === 'run') cpSync(join(cwd, 'a'), outer, { recursive: true })
    else writeFileSync(join(outer, 'sweep.json'), '{}')
    cpSync(join(cwd, 'a'), inner, { recursive: true })
    edit(inner, 'pipeline.yaml', 'use: normalize/standardize', `use: ${use}`)
    edit(inner, 'run.json', '"status": "done"', '"status": "interrupted"')
    const message = use === 'evil' ? /no stage named "evil"/ : /evil\.js is code in the run directory/
    const refused = { code: 'DEFINITION', message }
    await t.rejects(resume(inner, { force: true }).result, refused, `${around} ${use}`)
    inside(t, inner)
    await t.rejects(resume('.', { force: true }).result, refused, `${around} ${use}, from within`)
    inside(t, cwd)
    await t.rejects(Pipeline.load(join(inner, 'pipeline.yaml')), refused)
    if (around === 'run')
      t.match(await millrace(['resume', inner, '--force'], cwd), { code: 2, stderr: message }, 'as a command')
    t.notOk(existsSync(join(cwd, 'RAN')) || existsSync(join(inner, 'RAN')))
    await millrace(['resume', inner, '--force', '--plugins', outer], cwd)
    t.ok(existsSync(join(cwd, 'RAN')), 'the user allows it')
    rmSync(join(cwd, 'RAN'))
  }
})

t.test('what a record says controls no terminal', async (t) => {
  const cwd = await withRun(t)
  edit(cwd, 'a/run.json', /("kernel": \{\s*"name": )"wasm"/, '$1"was\u202em"')
  for (const args of [[], ['--json']]) {
    const { stdout, stderr } = await millrace(['rerun', 'a', ...args], cwd)
    t.notMatch(stdout + stderr, /\u202e/)
    t.match(stdout + stderr, /was\\u202em/)
  }
})

t.test('a run with a stage of the user is repeated with the folder of the stage', async (t) => {
  const cwd = t.testdir({
    'mine.js': readFileSync(new URL('../../examples/noise.js', import.meta.url), 'utf8'),
    'p.yaml': `stages:
  - use: load/digits
  - { use: batch/rows, with: { size: 40, epochs: 1 } }
  - { use: ./mine.js, with: { amount: 1 } }
  - { id: model, use: gradient-step/softmax, with: { eta: 0.01 } }
  - { use: sink/parameters }
`,
  })
  const run = await millrace(['run', 'p.yaml', '--out', 'runs/b', '--quiet', '--kernel', 'reference'], cwd)
  t.equal(run.code, 0, run.stderr)
  t.equal((await millrace(['rerun', 'runs/b'], cwd)).code, 2)
  const again = await millrace(['rerun', 'runs/b', '--plugins', '.'], cwd)
  t.equal(again.stdout, 'identical: 0 rows, 1 file\n', again.stderr)
  const longer = await millrace(['resume', 'runs/b', '--set', 'rows.epochs=2', '--quiet'], cwd)
  t.equal(longer.code, 0, longer.stderr)
})

import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import t from 'tap'
import { millrace } from './in-process.js'
import { finished, millrace as inOwnProcess, spawnMillrace } from './millrace.js'

const short = ['--set', 'epochs=3', '--kernel', 'reference']
/** The same without PNGs, which take most of the time. */
const quick = [...short, ...['curves', 'weights', 'confusion'].flatMap((id) => ['--set', `${id}.formats=[svg]`])]

t.test('run trains a built-in pipeline by name and says where the files are', async (t) => {
  const cwd = t.testdir()
  const { code, stdout, stderr } = await inOwnProcess(['run', 'digits', ...short], cwd)
  t.equal(code, 0)
  t.equal(stderr, '')
  t.match(stdout, /^digits: reference kernel \(float64\), 1 thread; writing runs\/digits-001\n/)
  t.match(
    stdout,
    /\ndigits: 1797 rows × 64 features \(train 1258, validation 269, test 270\), 10 classes: 0 \(126 \+ 25 \+ 27\), .*, 9 \(122 \+ 25 \+ 33\)\n/,
  )
  t.match(stdout, /\n {7}3\/3 {2}/)
  t.match(stdout, /\nfiles in runs\/digits-001: figures\/.*, metrics.csv, parameters.arrow, pipeline.yaml, run.json\n$/)
  t.notOk(stdout.includes('\u001b'), 'no escape sequences in a pipe')
  t.same(readdirSync(join(cwd, 'runs/digits-001')).sort(), [
    'checkpoint',
    'figures',
    'metrics.csv',
    'parameters.arrow',
    'pipeline.yaml',
    'run.json',
  ])
})

t.test('run numbers its directories', async (t) => {
  const cwd = t.testdir()
  for (const _ of [1, 2]) t.equal((await millrace(['run', 'digits', ...quick, '--quiet'], cwd)).code, 0)
  t.same(readdirSync(join(cwd, 'runs')).sort(), ['digits-001', 'digits-002'])
})

t.test('run --out refuses a directory that holds a run, and --force replaces it', async (t) => {
  const cwd = t.testdir()
  const args = ['run', 'digits', ...quick, '--quiet', '--out', 'x']
  t.equal((await millrace(args, cwd)).code, 0)
  const refused = await millrace(args, cwd)
  t.equal(refused.code, 2)
  t.equal(refused.stderr, '--out x: a run lies there already; give another directory, or --force to replace it\n')
  t.equal((await millrace([...args, '--force'], cwd)).code, 0)
})

t.test('the same run twice writes the same bytes, another seed does not', async (t) => {
  const cwd = t.testdir()
  const read = (out: string, file: string) => readFileSync(join(cwd, out, file))
  for (const [out, ...more] of [['a'], ['b'], ['c', '--seed', '2']])
    t.equal((await millrace(['run', 'digits', ...quick, '--quiet', '--out', out!, ...more], cwd)).code, 0)
  for (const file of ['metrics.csv', 'parameters.arrow', 'pipeline.yaml'])
    t.ok(read('a', file).equals(read('b', file)), file)
  for (const file of ['metrics.csv', 'parameters.arrow']) t.notOk(read('a', file).equals(read('c', file)), file)
})

t.test('the resolved definition in the run directory runs again to the same bytes', async (t) => {
  const cwd = t.testdir()
  t.equal((await millrace(['run', 'digits', ...quick, '--quiet', '--out', 'a'], cwd)).code, 0)
  t.equal((await millrace(['run', 'a/pipeline.yaml', '--kernel', 'reference', '--quiet', '--out', 'b'], cwd)).code, 0)
  t.ok(readFileSync(join(cwd, 'a/metrics.csv')).equals(readFileSync(join(cwd, 'b/metrics.csv'))))
})

t.test('run --json prints the record of the run and nothing else', async (t) => {
  const cwd = t.testdir()
  const { code, stdout } = await millrace(['run', 'digits', ...quick, '--json'], cwd)
  t.equal(code, 0)
  const record = JSON.parse(stdout)
  t.equal(record.status, 'done')
  t.equal(record.last.epoch, 3)
  t.equal(record.kernel.name, 'reference')
})

t.test('run with a wrong definition exits 2, lists every problem and creates nothing', async (t) => {
  const cwd = t.testdir({
    'x.yaml': 'stages:\n  - use: load/digit\n  - use: batch/rows\n    with: { sise: 3, epochs: 0 }\n',
  })
  const { code, stdout, stderr } = await millrace(['run', 'x.yaml'], cwd)
  t.equal(code, 2)
  t.equal(stdout, '')
  t.equal(
    stderr,
    [
      'x.yaml:2:10  stages[0]: no stage named "load/digit"; did you mean "load/digits"?',
      'x.yaml:4:11  stages[1] batch/rows: size is required: expected a positive integer',
      'x.yaml:4:13  stages[1] batch/rows: unknown option "sise"; did you mean "size"?',
      'x.yaml:4:30  stages[1] batch/rows: epochs: expected a positive integer, got 0',
      '',
    ].join('\n'),
  )
  t.same(readdirSync(cwd), ['x.yaml'])
})

t.test('run without its data exits 1 and leaves no directory', async (t) => {
  const cwd = t.testdir()
  const { code, stderr } = await millrace(
    ['run', 'experiment-3', '--set', 'directory=nowhere', '--quiet', '--out', 'x'],
    cwd,
  )
  t.equal(code, 1)
  t.match(
    stderr,
    /stages\[0\] load\/cifar10: cannot read nowhere\/data_batch_1.bin: no such file or directory \(nor 2 more: data_batch_2.bin, test_batch.bin\); looked in .*; millrace fetch cifar10 .*CIFAR10_DIR/,
  )
  t.equal(stderr.match(/cannot read/g)?.length, 1, 'the files of one folder are told in one line')
  t.strictSame(readdirSync(cwd), [])
})

t.test('run with bad data exits 1 and leaves a run directory that says why', async (t) => {
  const cwd = t.testdir({ data: { 'data_batch_1.bin': 'x', 'data_batch_2.bin': 'x', 'test_batch.bin': 'x' } })
  const { code, stderr } = await millrace(
    ['run', 'experiment-3', '--set', 'directory=data', '--quiet', '--out', 'x'],
    cwd,
  )
  t.equal(code, 1)
  t.match(stderr, /\nfailed; what was written so far is in x\n$/)
  const record = JSON.parse(readFileSync(join(cwd, 'x/run.json'), 'utf8'))
  t.equal(record.status, 'failed')
  t.match(record.error, /expected records of 3073 bytes/)
})

t.test(
  'run on a full disk exits 1 with a clear message',
  { skip: !existsSync('/dev/full') && 'needs /dev/full' },
  async (t) => {
    const cwd = t.testdir({})
    const full = ['--set', 'csv.path=/dev/full', '--allow-absolute-paths']
    const { code, stderr } = await millrace(['run', 'digits', ...quick, ...full, '--quiet', '--out', 'x'], cwd)
    t.equal(code, 1)
    t.match(stderr, /stages\[\d\] sink\/csv: cannot write \/dev\/full: no space left on the device\n/)
  },
)

t.test('run into a directory that cannot be made exits 1', async (t) => {
  const cwd = t.testdir({ file: '' })
  const { code, stderr } = await millrace(['run', 'digits', ...quick, '--out', 'file/x'], cwd)
  t.equal(code, 1)
  t.equal(stderr, 'cannot make the run directory file/x: a part of the path is not a directory\n')
})

for (const [signal, expected] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  t.test(`${signal} stops a run within a second, keeps its metrics and exits ${expected}`, async (t) => {
    const cwd = t.testdir()
    const child = spawnMillrace(['run', 'digits', '--kernel', 'reference', '--set', 'epochs=100000', '--out', 'x'], cwd)
    t.teardown(() => child.kill('SIGKILL'))
    const result = finished(child)
    await new Promise<void>((resolve) => {
      let shown = ''
      child.stdout?.on('data', (text: string) => {
        shown += text
        if (shown.includes(' 5/100000 ')) resolve()
      })
    })
    const sent = Date.now()
    child.kill(signal)
    const { code, stderr } = await result
    t.ok(Date.now() - sent < 1000)
    t.equal(code, expected)
    t.equal(stderr, 'stopped before its end\ninterrupted; what was written so far is in x; millrace resume x goes on\n')
    const lines = readFileSync(join(cwd, 'x/metrics.csv'), 'utf8').trimEnd().split('\n')
    t.ok(lines.length >= 6)
    t.ok(lines.every((line) => line.split(',').length === 11))
    t.equal(tableFromIPC(readFileSync(join(cwd, 'x/parameters.arrow'))).numRows, 2)
    t.equal(JSON.parse(readFileSync(join(cwd, 'x/run.json'), 'utf8')).status, 'interrupted')
  })
}

t.test('training goes on if the reader of the output goes away', async (t) => {
  const cwd = t.testdir()
  const child = spawnMillrace(['run', 'digits', ...quick, '--out', 'x'], cwd)
  child.stdout?.once('data', () => child.stdout?.destroy())
  const { code } = await finished(child)
  t.equal(code, 0)
  t.equal(readFileSync(join(cwd, 'x/metrics.csv'), 'utf8').trimEnd().split('\n').length, 4)
})

t.test('--kernel and --threads are checked', async (t) => {
  const cwd = t.testdir()
  mkdirSync(join(cwd, 'y'))
  for (const [args, expected] of [
    [['--kernel', 'fast'], /argument 'fast' is invalid. Allowed choices are native, wasm, reference/],
    [['--threads', '0'], /expected a whole number from 1 to 256/],
    [['--seed', '-1'], /expected a whole number from 0/],
    [['--sed', '1'], /unknown option '--sed'\n\(Did you mean --set|unknown option '--sed'/],
  ] as const) {
    const { code, stderr } = await millrace(['run', 'digits', ...args], cwd)
    t.equal(code, 2)
    t.match(stderr, expected)
  }
  t.same(readdirSync(cwd), ['y'], 'nothing was created')
})

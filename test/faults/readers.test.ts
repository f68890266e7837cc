import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { finished, millrace, spawnMillrace } from '../cli/millrace.js'
import { temporary } from '../stages/harness.js'
import { checkFailure } from './sandbox.js'

const isWindows = process.platform === 'win32' && 'there are no named pipes as files'

t.test('a reader of the output that goes away ends the output, not the training', { skip: isWindows }, async (t) => {
  const cwd = temporary(t)
  const child = spawnMillrace('run digits --out run --set epochs=30 --kernel reference'.split(' '), cwd)
  // As `| head -1` does: reads a little, then closes both ends.
  child.stdout?.once('data', () => {
    child.stdout?.destroy()
    child.stderr?.destroy()
  })
  t.equal((await finished(child)).code, 0)
  t.match(JSON.parse(readFileSync(join(cwd, 'run/run.json'), 'utf8')), { status: 'done' })
  t.equal(readFileSync(join(cwd, 'run/metrics.csv'), 'utf8').split('\n').length, 32)
})

t.test('a pipe in the place of a file is refused at once, to read and to write', { skip: isWindows }, async (t) => {
  const cwd = temporary(t)
  mkdirSync(join(cwd, 'out'))
  for (const pipe of ['data.csv', 'pipe.yaml', 'out/metrics.csv']) execFileSync('mkfifo', [join(cwd, pipe)])
  writeFileSync(join(cwd, 'reads.yaml'), 'stages:\n  - use: load/csv\n    with: { path: data.csv }\n')
  checkFailure(
    t,
    await millrace(['run', 'reads.yaml'], cwd),
    /cannot read data\.csv: it is a named pipe, expected a file/,
  )
  const definition = await millrace(['run', 'pipe.yaml'], cwd)
  t.equal(definition.code, 2)
  t.match(definition.stderr, /cannot read the definition pipe\.yaml: it is a named pipe, expected a file/)
  const written = await millrace(['run', 'digits', '--out', 'out', '--set', 'epochs=1'], cwd)
  checkFailure(t, written, /cannot write metrics\.csv: it is a named pipe, expected a file/)
})

t.test('a device or a directory in the place of a data file is refused', { skip: isWindows }, async (t) => {
  const cwd = temporary(t)
  for (const [path, kind] of [
    ['/dev/zero', 'a device'],
    ['.', 'a directory'],
  ]) {
    writeFileSync(join(cwd, 'p.yaml'), `stages:\n  - use: load/csv\n    with: { path: ${path} }\n`)
    checkFailure(
      t,
      await millrace(['run', 'p.yaml'], cwd),
      new RegExp(`cannot read .*: it is ${kind}, expected a file`),
    )
  }
})

t.test(
  'a file that may not be read says so',
  { skip: process.getuid?.() === 0 && 'root may read all files' },
  async (t) => {
    const cwd = temporary(t, {
      'data.csv': 'a,b\n1,2\n',
      'p.yaml': 'stages:\n  - use: load/csv\n    with: { path: data.csv }\n',
    })
    execFileSync('chmod', ['000', join(cwd, 'data.csv')])
    checkFailure(t, await millrace(['run', 'p.yaml'], cwd), /cannot read data\.csv: permission denied/)
  },
)

t.test(
  'a packed file that unpacks to more than memory should hold is refused',
  { skip: !existsSync('/dev/zero') },
  async (t) => {
    const cwd = temporary(t, {
      'p.yaml': 'stages:\n  - use: load/cifar10\n    with: { directory: ., train: [bomb.bin.gz] }\n',
    })
    execFileSync('sh', ['-c', 'head -c 1100000000 /dev/zero | gzip -1 > bomb.bin.gz'], { cwd })
    checkFailure(t, await millrace(['run', 'p.yaml'], cwd), /bomb\.bin\.gz holds more than 1024 MiB; unpack it/)
  },
)

t.test('a worker thread that dies fails the run', async (t) => {
  const cwd = temporary(t, {
    'kill.mjs': `import { syncBuiltinESMExports } from 'node:module'
      import threads from 'node:worker_threads'
      threads.Worker = class extends threads.Worker {
        constructor(...given) { super(...given); setTimeout(() => this.terminate(), 500) }
      }
      syncBuiltinESMExports()`,
  })
  const args = 'run digits --out run --kernel wasm --threads 2 --set epochs=100000'.split(' ')
  const done = await millrace(args, cwd, { NODE_OPTIONS: `--import=${join(cwd, 'kill.mjs')}` })
  checkFailure(t, done, /a worker thread of the wasm kernel failed: it ended or does not answer/)
  t.match(JSON.parse(readFileSync(join(cwd, 'run/run.json'), 'utf8')), { status: 'failed' })
})

t.test('a clock that is set back a year stops neither the run nor its checkpoints', async (t) => {
  const cwd = temporary(t, {
    'clock.mjs': `const real = Date.now
      const began = real()
      Date.now = () => (real() - began > 600 ? real() - 365 * 86_400_000 : real())`,
  })
  const args = 'run digits --out run --kernel reference --set epochs=60 --checkpoint 1s'.split(' ')
  const { code, stderr } = await millrace(args, cwd, { NODE_OPTIONS: `--import=${join(cwd, 'clock.mjs')}` })
  t.equal(code, 0, stderr)
  t.match(JSON.parse(readFileSync(join(cwd, 'run/run.json'), 'utf8')), { status: 'done' })
})

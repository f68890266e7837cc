import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { temporary } from '../stages/harness.js'
import { checkWhole, millraceInShell, shell } from './sandbox.js'

const run = 'run digits --kernel reference --set epochs=3'

/** Checks that a run in `cwd/run` ended well: its record, all its rows, no lock. */
function checkDone(t: Test, cwd: string): void {
  t.equal(JSON.parse(readFileSync(join(cwd, 'run/run.json'), 'utf8')).status, 'done')
  t.equal(readFileSync(join(cwd, 'run/metrics.csv'), 'utf8').trimEnd().split('\n').length, 4)
  checkWhole(t, join(cwd, 'run'))
}

const noFull = !existsSync('/dev/full') && 'this system has no /dev/full'

t.test('progress on a full disk is given up, and the run goes on', { skip: noFull }, async (t) => {
  const cwd = temporary(t)
  const { code, stderr } = await shell(`${millraceInShell} ${run} --out run > /dev/full`, cwd)
  t.equal(code, 0, stderr)
  checkDone(t, cwd)
  const both = temporary(t)
  t.equal((await shell(`${millraceInShell} ${run} --out run > /dev/full 2>&1`, both)).code, 0)
  checkDone(t, both)
})

t.test(
  'a result that cannot be written is an error, because it is all that was asked for',
  { skip: noFull },
  async (t) => {
    for (const command of ['stages', 'config digits', `${run} --json --out run`]) {
      const { code, stderr } = await shell(`${millraceInShell} ${command} > /dev/full`, temporary(t))
      t.equal(code, 1, command)
      t.equal(stderr, 'the result cannot be written to standard output: cannot write: no space left on the device\n')
    }
  },
)

t.test('closed outputs do not end a run', async (t) => {
  const cwd = temporary(t)
  t.equal((await shell(`${millraceInShell} ${run} --out run >&- 2>&- <&-`, cwd)).code, 0)
  checkDone(t, cwd)
})

t.test('an error that no code waits for ends the run with a message, a record and no lock', async (t) => {
  const cwd = temporary(t, {
    'throws.mjs': `import { existsSync } from 'node:fs'
      const timer = setInterval(() => {
        if (!existsSync('run/metrics.csv')) return
        clearInterval(timer)
        throw new Error('too late')
      }, 10)`,
  })
  const command = 'run digits --kernel reference --set epochs=100000 --out run --quiet'
  const { code, stderr } = await shell(
    `NODE_OPTIONS=--import=${join(cwd, 'throws.mjs')} ${millraceInShell} ${command}`,
    cwd,
  )
  t.equal(code, 1)
  t.match(
    stderr,
    /^internal error: too late\nThis is a defect of Millrace, or of a stage file; --debug shows where\.\n$/,
  )
  t.match(JSON.parse(readFileSync(join(cwd, 'run/run.json'), 'utf8')), {
    status: 'failed',
    error: /^the process ended: .*too late/,
  })
  t.notOk(readdirSync(join(cwd, 'run')).includes('lock'))
})

t.test('a hangup ends a run with a checkpoint, unless it prints to no terminal', async (t) => {
  const cwd = temporary(t)
  const long = 'run digits --kernel reference --set epochs=30 --out run'
  const { code } = await shell(
    `${millraceInShell} ${long} > out.txt 2>&1 & pid=$!
     until [ -s run/metrics.csv ]; do sleep 0.05; done; kill -HUP $pid; wait $pid`,
    cwd,
  )
  t.equal(code, 0, 'as under nohup')
  t.equal(JSON.parse(readFileSync(join(cwd, 'run/run.json'), 'utf8')).status, 'done')
})

const noLimits = process.platform === 'linux' ? false : 'ulimit -v is of Linux'

t.test('a limit of addresses or of files is told', { skip: noLimits }, async (t) => {
  for (const [limit, command, expectedCode, reason] of [
    ['-v 2000000', `${run} --out run`, 0, /^(warning: \w+ failed, its files are missing \(see the notes in .*\n)*$/],
    [
      '-v 2000000',
      'sweep digits-grid --seeds 1 --out sweep',
      1,
      /cannot allocate \d+ bytes: a thread needs that many addresses/,
    ],
    // Node 20 opens so many files of the program at once, later versions get further.
    ['-n 24', `${run} --out run`, 1, /cannot .*: too many open files; allow the process more \(ulimit -n\)\n/],
  ] as const) {
    const cwd = temporary(t)
    const { code, stderr } = await shell(`ulimit ${limit}; ${millraceInShell} ${command}`, cwd)
    t.equal(code, expectedCode, limit)
    t.match(stderr, reason)
    t.notMatch(stderr, /internal error|defect|\n\s+at /)
    const file = join(cwd, 'run/run.json')
    if (existsSync(file)) {
      const { status, notes = [] } = JSON.parse(readFileSync(file, 'utf8'))
      t.equal(status, code === 0 ? 'done' : 'failed')
      // Figures need more addresses than training, if WebAssembly draws them.
      if (stderr.startsWith('warning')) t.match(notes.at(-1), /there is not enough memory|cannot allocate/)
    }
    t.notOk(existsSync(join(cwd, 'run/lock')))
  }
})

t.test('a current folder that is gone, or that takes no files, is an error', { skip: noLimits }, async (t) => {
  const cwd = temporary(t)
  const gone = await shell(`mkdir gone; cd gone; rmdir ../gone; ${millraceInShell} stages`, cwd)
  t.same([gone.code, gone.stderr], [2, 'the current folder does not exist any more; change to another one\n'])
  const proc = await shell(`cd /proc; ${millraceInShell} ${run}`, cwd)
  t.same([proc.code, proc.stderr], [1, 'cannot make the directory runs: no such file or directory\n'])
  const temp = await shell(`TMPDIR=/nowhere ${millraceInShell} check-gradient digits`, cwd)
  t.equal(temp.code, 1)
  t.match(temp.stderr, /^cannot make a temporary directory \/nowhere\/millrace-check-X+: no such file or directory\n$/)
})

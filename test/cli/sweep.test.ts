import { existsSync, readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { millrace } from './in-process.js'
import { finished, millrace as inOwnProcess, spawnMillrace } from './millrace.js'

const quick = ['--kernel', 'reference', '--set', 'epochs=1']
const grid = ['--grid', 'eta=0.01,0.05', '--grid', 'lambda=0,0.01', '--seeds', '2']

t.test('sweep prints its progress, and table its results', async (t) => {
  const cwd = t.testdir()
  const { code, stdout, stderr } = await inOwnProcess(['sweep', 'digits-grid', ...grid, ...quick, '--jobs', '2'], cwd)
  t.equal(stderr, '')
  t.equal(code, 0)
  const [first, ...lines] = stdout.trimEnd().split('\n')
  t.equal(first, 'digits-grid: 8 points, 8 to run; writing sweeps/digits-grid')
  t.equal(lines.length, 9)
  const point =
    /^\d\/8 {2}eta=0.0[15] lambda=0(.01)? seed=[12] {2}validation_accuracy \d\d.\d\d % {2}\(\d+.\d\d s(, \d+:\d\d left)?\)$/
  for (const line of lines.slice(0, 8)) t.match(line, point)
  t.equal(lines.at(-1), '8 of 8 points done; millrace table sweeps/digits-grid shows them')

  const again = await millrace(['sweep', 'digits-grid', ...grid, ...quick, '--json'], cwd)
  t.match(JSON.parse(again.stdout), { directory: 'sweeps/digits-grid', total: 8, executed: 0, done: 8, failed: 0 })

  const table = await millrace(['table', 'sweeps/digits-grid'], cwd)
  const [caption, head, best] = table.stdout.split('\n')
  t.equal(caption, '4 settings, mean ± standard deviation over the seeds')
  t.match(head, /^ +eta +lambda +train_loss +train_accuracy .* runs$/)
  t.match(best, /^\* +0\.0[15] .* ± .* % .* 2$/)

  const md = await millrace(
    ['table', 'sweeps/digits-grid', '--format', 'md', '--cols', 'eta,test_loss', '--sort', 'eta'],
    cwd,
  )
  t.match(md.stdout, /\n\| eta \| test\\_loss \|\n\| ---: \| ---: \|\n\| (\*\*)?0\.01/)
  const wrong = await millrace(['table', 'sweeps/digits-grid', '--cols', 'eat'], cwd)
  t.equal(wrong.code, 2)
  t.equal(wrong.stderr, '--cols  no column named "eat"; did you mean "eta"?\n')
})

t.test('a point that fails makes exit code 1 and is named in the table', async (t) => {
  const cwd = t.testdir()
  const args = [
    'sweep',
    'digits-grid',
    '--grid',
    'rows.size=64,9999',
    '--grid',
    'eta=0.1',
    '--grid',
    'lambda=0',
    ...quick,
  ]
  const { code, stdout } = await millrace([...args, '--set', 'rows.dropLast=true', '--seeds', '1', '--out', 'out'], cwd)
  t.equal(code, 1)
  t.match(
    stdout,
    / {2}eta=0\.1 lambda=0 rows\.size=9999 seed=1 {2}failed: .*stages\[2\] batch\/rows: the split "train" has/,
  )
  t.match(stdout, '1 of 2 points done, 1 failed; millrace table out shows them\n')
  const table = await millrace(['table', 'out'], cwd)
  t.match(table.stdout, /\n +9999 +– .* failed: .*stages\[2\] batch\/rows: the split "train" has/)
})

t.test('wrong points and arguments make exit code 2, and nothing is written', async (t) => {
  const cwd = t.testdir()
  const wrong = await millrace(
    ['sweep', 'digits-grid', '--grid', 'eta=-1,0.1', '--grid', 'lambda=0', '--seeds', '1'],
    cwd,
  )
  t.equal(wrong.code, 2)
  t.equal(
    wrong.stderr,
    '--grid eta=-1,0.1  stages[4] gradient-step/softmax: eta: expected a positive number, a mapping with start, factor and every or a mapping with exponential, linear, cosine, cyclical or plateau, got -1 (point eta=-1 lambda=0 seed=1)\n',
  )
  t.match(await millrace(['sweep', 'digits', '--seeds', '0'], cwd), {
    code: 2,
    stderr: /expected seeds as 400,401, or how many/,
  })
  t.match(await millrace(['sweep', 'digits'], cwd), { code: 2, stderr: /there is nothing to sweep/ })
  t.notOk(existsSync(`${cwd}/sweeps`))
})

t.test('Ctrl-C stops the running points; the same command continues the sweep', async (t) => {
  const cwd = t.testdir()
  const args = ['sweep', 'digits-grid', '--kernel', 'reference', '--set', 'epochs=5000', '--jobs', '2']
  const child = spawnMillrace([...args, '--grid', 'eta=0.01,0.05', '--grid', 'lambda=0', '--seeds', '1'], cwd)
  child.stdout!.once('data', () => setTimeout(() => child.kill('SIGINT'), 1500))
  const { code, stderr } = await finished(child)
  t.equal(code, 130)
  t.match(stderr, 'stopped before its end: 0 points done, 0 failed, 2 missing; the same command goes on from here\n')
  const table = await millrace(['table', 'sweeps/digits-grid'], cwd)
  t.match(table.stdout, /interrupted|missing/)
})

t.test('run notes that it ignores the block "sweep"', async (t) => {
  const { stdout } = await millrace(['run', 'digits-grid', ...quick], t.testdir())
  t.match(stdout, /^note: this is one run; millrace sweep digits-grid runs what its block "sweep" says\n/)
})

t.test('table puts ordinary runs side by side, by the vars and options that differ', async (t) => {
  const cwd = t.testdir()
  for (const [out, ...set] of [
    ['a', 'eta=0.1', 'seed=1'],
    ['b', 'eta=0.1', 'seed=2'],
    ['c', 'eta=0.2', 'seed=1'],
  ]) {
    const sets = set.flatMap((each) => ['--set', each])
    t.equal((await millrace(['run', 'digits-grid', ...quick, ...sets, '--out', out!, '--quiet'], cwd)).code, 0)
  }
  const { stdout } = await millrace(['table', 'a', 'b', 'c', '--format', 'json'], cwd)
  const rows = JSON.parse(stdout)
  t.match(
    rows
      .map((row: { settings: object }) => row.settings)
      .sort((x: { eta: number }, y: { eta: number }) => x.eta - y.eta),
    [{ eta: 0.1 }, { eta: 0.2 }],
  )
  t.strictSame(rows.map((row: { runs: object[] }) => row.runs.length).sort(), [1, 2])
  t.match(await millrace(['table', 'a', 'nowhere'], cwd), {
    code: 2,
    stderr: 'nowhere is no run directory: it does not exist\n',
  })
})

t.test('a point that fails makes exit code 1, named on standard error if progress is not shown', async (t) => {
  const failing = ['--grid', 'eta=1e308,0.1', '--grid', 'lambda=0', '--seeds', '1', ...quick]
  const cwd = t.testdir()
  const stopped = await millrace(['sweep', 'digits-grid', ...failing, '--on-fail', 'stop', '--out', 'a'], cwd)
  t.equal(stopped.code, 1)
  t.match(stopped.stderr, /^stopped because a point failed: 0 points done, 1 failed, 1 missing; the same command/)
  for (const flag of ['--quiet', '--json']) {
    const { code, stdout, stderr } = await millrace(
      ['sweep', 'digits-grid', ...failing, '--out', 'b', flag, '--retry'],
      cwd,
    )
    t.equal(code, 1)
    t.match(
      stderr,
      /^eta=1e\+308 lambda=0 seed=1 {2}failed: .* (the loss|W|b) .*\n1 of 2 points failed; millrace table b shows them\n$/,
    )
    t.equal(stdout === '', flag === '--quiet')
  }
  const again = await millrace(['sweep', 'digits-grid', ...failing, '--out', 'b', '--quiet'], cwd)
  t.same([again.code, again.stdout, again.stderr], [1, '', '1 of 2 points failed; millrace table b shows them\n'])
})

t.test('a sweep does not write over files that are not of a sweep', async (t) => {
  const cwd = t.testdir({ a: { 'sweep.json': '{"my":"file"}' }, b: { 'results.jsonl': 'mine' }, c: '' })
  for (const [out, message] of [
    [
      'a',
      '--out a: sweep.json lies there and is not a file of a sweep, so a sweep does not write over it; give another directory, or move it away\n',
    ],
    [
      'b',
      '--out b: results.jsonl lies there and is not a file of a sweep, so a sweep does not write over it; give another directory, or move it away\n',
    ],
    ['c', '--out c: it is a file, expected a directory\n'],
  ]) {
    const { code, stderr } = await millrace(['sweep', 'digits-grid', ...grid, ...quick, '--out', out!], cwd)
    t.same([code, stderr], [2, message])
  }
  t.equal(readFileSync(`${cwd}/a/sweep.json`, 'utf8'), '{"my":"file"}')
  t.strictSame(readdirSync(`${cwd}/a`), ['sweep.json'])
})

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runDirectory } from '../report/runs.js'
import { millrace } from './in-process.js'

t.test('report writes a page about a run of digits, and its tables', async (t) => {
  const cwd = t.testdir()
  const args = ['--set', 'epochs=2', '--kernel', 'reference', '--quiet', '--out']
  t.equal((await millrace(['run', 'digits', ...args, 'a'], cwd)).code, 0)
  const { code, stdout, stderr } = await millrace(['report', 'a', '--out', 'out/r.html', '--tables', 'out/tables'], cwd)
  t.equal(stderr, '')
  t.equal(code, 0)
  t.match(stdout, /^\d+ kB in out\/r\.html\n9 tables in out\/tables\n$/)
  const text = readFileSync(join(cwd, 'out/r.html'), 'utf8')
  for (const expected of [
    '<h1>digits</h1>',
    'Templates:',
    'Confusion matrix',
    'digits.csv',
    'alt="Curves over epochs 1 to 2',
  ])
    t.match(text, expected)
  t.same(readdirSync(join(cwd, 'out/tables')).sort().slice(0, 3), [
    'final-accuracy.csv',
    'final-accuracy.md',
    'final-accuracy.tex',
  ])

  t.equal((await millrace(['run', 'digits', ...args, 'b'], cwd)).code, 0)
  t.equal((await millrace(['report', 'b', '--out', 's.html'], cwd)).code, 0)
  const steady = (name: string): string =>
    readFileSync(join(cwd, name), 'utf8').replace(/<section id="timings" data-varies[\s\S]*?<\/section>/, '')
  t.equal(steady('s.html'), steady('out/r.html'), 'the same run again gives the same bytes, but for the timings')
})

t.test('report names everything that is no run directory, and writes nothing', async (t) => {
  const cwd = t.testdir({ empty: {} })
  const { code, stderr } = await millrace(['report', 'empty', 'nowhere'], cwd)
  t.equal(code, 2)
  t.equal(
    stderr,
    'empty is no run directory: it has no run.json; give the directory that `millrace run` wrote\nnowhere is no run directory: it does not exist\n',
  )
  t.same(readdirSync(cwd), ['empty'])
})

t.test('report --json gives the verdicts to programs', async (t) => {
  const published = 'published: { source: x, train_cost: { value: 1.5, tolerance: 0.01 } }'
  const cwd = t.testdir()
  const { code, stdout } = await millrace(['report', runDirectory(t, { published }), '--json'], cwd)
  t.equal(code, 0)
  const { files, verdicts } = JSON.parse(stdout)
  t.same(files, ['report.html'])
  t.match(verdicts, [{ experiment: 'a', verdict: 'differs', metrics: [{ metric: 'train_cost', published: 1.5 }] }])
})

t.test('report --help shows examples', async (t) => {
  const { stdout } = await millrace(['report', '--help'], t.testdir())
  t.match(stdout, 'millrace report runs/digits-001')
})

t.test('a report replaces an earlier one, and nothing else without --force', async (t) => {
  const mine = 'my notes'
  const run = runDirectory(t)
  const cwd = t.testdir({ 'mine.html': mine, tables: { 'final-accuracy.md': mine } })
  const refused = await millrace(['report', run, '--out', 'mine.html', '--tables', 'tables'], cwd)
  t.equal(refused.code, 2)
  t.equal(
    refused.stderr,
    'mine.html exists already and is not of a report; --force replaces it\n' +
      'tables/final-accuracy.md exists already and is not of a report; --force replaces it\n',
  )
  t.strictSame(readdirSync(join(cwd, 'tables')), ['final-accuracy.md'])
  t.equal(readFileSync(join(cwd, 'mine.html'), 'utf8'), mine)
  for (const force of [['--force'], []])
    t.equal((await millrace(['report', run, '--out', 'mine.html', '--tables', 'tables', ...force], cwd)).code, 0)
})

import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { millrace } from './in-process.js'

const rows = Array.from({ length: 12 }, (_, i) => `${i % 5},${i % 3},${i % 2 ? 'x' : 'y'}\n`).join('')
const pipeline = (path: string): string => `name: p
vars: { file: ${path} }
stages:
  - use: load/csv
    with: { path: "\${file}", label: l, fractions: { train: 1 } }
  - id: examples
    use: normalize/standardize
  - use: batch/rows
    with: { split: train, size: 4, epochs: 2 }
  - id: model
    use: gradient-step/softmax
    with: { eta: 0.1, init: zeros }
  - id: metrics
    use: evaluate/classification
    from: { parameters: model, examples: examples }
  - use: sink/csv
`

/** A folder with a pipeline and its data in `exp`, and an empty folder `other`. */
function folders(t: Test): string {
  return t.testdir({ exp: { 'p.yaml': pipeline('d.csv'), 'd.csv': `a,b,l\n${rows}` }, other: {} })
}

const dataOf = (run: string): string => JSON.parse(readFileSync(join(run, 'run.json'), 'utf8')).data[0].path

t.test('a relative path is found in the current folder, and then beside the definition', async (t) => {
  const cwd = folders(t)
  t.equal((await millrace(['run', 'exp/p.yaml', '--out', 'beside', '--quiet'], cwd)).code, 0)
  t.equal(dataOf(join(cwd, 'beside')), join(cwd, 'exp/d.csv'))
  writeFileSync(join(cwd, 'd.csv'), `a,b,l\n${rows}${rows}`)
  t.equal((await millrace(['run', 'exp/p.yaml', '--out', 'current', '--quiet'], cwd)).code, 0)
  t.equal(dataOf(join(cwd, 'current')), 'd.csv')
})

t.test('a run goes on, is repeated and is run again from another folder, with the same file', async (t) => {
  const cwd = folders(t)
  await millrace(['run', 'exp/p.yaml', '--out', 'beside', '--quiet'], cwd)
  await millrace(['run', 'p.yaml', '--out', '../current', '--quiet'], join(cwd, 'exp'))
  const other = join(cwd, 'other')
  for (const run of ['../beside', '../current']) {
    t.match(await millrace(['rerun', run], other), { code: 0, stdout: /^identical: 2 rows/, stderr: '' }, run)
    const resumed = await millrace(['resume', run, '--set', 'rows.epochs=4', '--quiet'], other)
    t.match(resumed, { code: 0, stderr: '' }, run)
    t.equal(readFileSync(join(other, run, 'metrics.csv'), 'utf8').split('\n').length, 6)
  }
  t.match(readFileSync(join(cwd, 'current/pipeline.yaml'), 'utf8'), /file: d\.csv$/m, 'as it was written')
  t.equal((await millrace(['run', '../beside/pipeline.yaml', '--out', 'again', '--quiet'], other)).code, 0)
  rmSync(join(cwd, 'exp/d.csv'))
  cpSync(join(cwd, 'current'), join(cwd, 'kept'), { recursive: true })
  t.match(await millrace(['resume', '../current', '--set', 'rows.epochs=6'], other), {
    code: 1,
    stderr: /cannot read d\.csv/,
  })
  for (const name of readdirSync(join(cwd, 'kept')).filter((each) => each.includes('.')))
    t.strictSame(
      readFileSync(join(cwd, 'current', name)),
      readFileSync(join(cwd, 'kept', name)),
      `${name} is as it was`,
    )
})

t.test('the error names the folders that were tried, and what it suggests works', async (t) => {
  const cwd = t.testdir({ exp: { 'p.yaml': pipeline('x.csv') }, other: {} })
  const [exp, other] = [join(cwd, 'exp'), join(cwd, 'other')]
  for (const command of [['run'], ['run', '--out', 'out'], ['sweep', '--grid', 'model.eta=1,2']]) {
    const [name, ...flags] = command
    const { code, stderr } = await millrace([name!, '../exp/p.yaml', ...flags], other)
    t.equal(code, 1)
    t.equal(
      stderr,
      `../exp/p.yaml:2:15  stages[0] load/csv: cannot read x.csv: no such file or directory; looked in the current folder ` +
        `(${other}) and the folder of the definition (${exp}); "\${here}/x.csv" would be beside the definition wherever it runs\n`,
    )
    t.strictSame(readdirSync(other), [], 'nothing is left')
  }
  writeFileSync(join(exp, 'p.yaml'), pipeline('"${here}/x.csv"'))
  writeFileSync(join(exp, 'x.csv'), `a,b,l\n${rows}`)
  t.equal((await millrace(['run', '../exp/p.yaml', '--quiet'], other)).code, 0)
})

t.test('a start that fails leaves nothing, and an earlier run stays although it is to be replaced', async (t) => {
  const cwd = folders(t)
  await millrace(['run', 'exp/p.yaml', '--out', 'run', '--quiet'], cwd)
  const before = readFileSync(join(cwd, 'run/run.json'), 'utf8')
  for (const flags of [
    ['--set', 'file=gone.csv'],
    ['--set', 'file=exp'],
    ['--set', 'model.eta=-1'],
    ['--kernel', 'native', '--threads', '0'],
  ]) {
    const { code } = await millrace(['run', 'exp/p.yaml', '--out', 'run', '--force', ...flags], cwd)
    t.not(code, 0)
    t.equal(readFileSync(join(cwd, 'run/run.json'), 'utf8'), before)
    await millrace(['run', 'exp/p.yaml', ...flags], cwd)
    t.strictSame(readdirSync(cwd).sort(), ['exp', 'other', 'run'])
  }
})

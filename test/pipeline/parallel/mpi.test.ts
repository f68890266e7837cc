import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { millrace } from '../../cli/millrace.js'
import { bytesOf, job, mpiMissing } from './job.js'
import { pipeline } from './pipeline.js'

const skip = mpiMissing() ?? false

t.test(
  'metrics and parameters have the same bytes, also with augmentation, for any number of ranks and for one process',
  { skip },
  async (t) => {
    const augment =
      '  - use: augment/flip\n  - use: augment/crop\n    with: { pad: 1 }\n  - use: augment/noise\n    with: { sigma: 1 }\n'
    const cwd = t.testdir({ 'p.yaml': pipeline.replace('  - id: model', `${augment}  - id: model`) })
    const local = ['--set', 'parallel.engine=local', '--set', 'parallel.ranks=1']
    t.match(await millrace(['run', 'p.yaml', '--out', 'local', ...local], cwd), { code: 0 })
    for (const ranks of [1, 2, 3, 4]) {
      const set = ['--set', `parallel.ranks=${ranks}`]
      const done = await job(ranks, ['run', 'p.yaml', '--out', `out-${ranks}`, ...set], cwd)
      t.match(done, { code: 0, stdout: /done in/, stderr: '' })
      t.equal(done.stdout.match(/done in/g)?.length, 1, 'one of the ranks talks')
      t.strictSame(bytesOf(join(cwd, `out-${ranks}`)), bytesOf(join(cwd, 'local')), `${ranks} ranks`)
    }
    const record = JSON.parse(readFileSync(join(cwd, 'out-2/run.json'), 'utf8'))
    t.match(record.parallel, { engine: 'mpi', ranks: 2, shards: 8, mode: 'ordered', library: /MPI/ })
  },
)

t.test('rows are dealt into the same splits, and go to the process that has their shard', { skip }, async (t) => {
  const split = (options: string) =>
    pipeline
      .replace(
        'load/digits',
        `load/digits\n    with: { fractions: { all: 1 } }\n  - use: split/rows\n    with: { split: all, ${options} }`,
      )
      .replace('epochs: 3', 'epochs: 1')
      .concat(
        '  - use: sink/predictions\n    from: { parameters: model, examples: examples }\n    with: { split: test, count: 1000 }\n',
      )
  const options = 'fractions: { train: rest, validation: 100, test: 0.2 }, stratify: true, group: [10, 20, 30]'
  const rowsIn = (run: string) => {
    const [header, ...lines] = readFileSync(join(run, 'figures/predictions.csv'), 'utf8').trim().split('\n')
    const at = header!.split(',').indexOf('row')
    return lines.map((line) => Number(line.split(',')[at])).toSorted((a, b) => a - b)
  }
  const cwd = t.testdir({ 'p.yaml': split(options), 'q.yaml': split(options).replace(/^parallel:.*\n/m, '') })
  t.match(await millrace(['run', 'q.yaml', '--out', 'undivided'], cwd), { code: 0 }, options)
  t.match(await job(2, ['run', 'p.yaml', '--out', 'two'], cwd), { code: 0, stderr: '' })
  const [found, expected] = ['two', 'undivided'].map((run) => rowsIn(join(cwd, run)))
  t.strictSame(found, expected, 'the rows of the test split')
  t.match(await job(3, ['run', 'p.yaml', '--out', 'three', '--set', 'parallel.ranks=3'], cwd), { code: 0 })
  t.strictSame(bytesOf(join(cwd, 'three')), bytesOf(join(cwd, 'two')))
})

t.test('the published pipelines run divided, with their figures', { skip }, async (t) => {
  const cwd = t.testdir()
  const local = await millrace(
    ['run', 'digits', '--out', 'one', '--set', 'epochs=2', '--set', 'parallel.engine=local'],
    cwd,
  )
  t.match(local, { code: 0 })
  const set = ['--set', 'epochs=2', '--set', 'parallel.engine=mpi', '--set', 'parallel.ranks=2']
  t.match(await job(2, ['run', 'digits', '--out', 'two', ...set], cwd), { code: 0 })
  for (const file of ['metrics.csv', 'parameters.arrow', 'figures/confusion.csv', 'figures/weights.svg'])
    t.strictSame(readFileSync(join(cwd, 'two', file)), readFileSync(join(cwd, 'one', file)), file)
})

t.test('mode fast gives the same bytes for the same job', { skip }, async (t) => {
  const cwd = t.testdir({ 'p.yaml': pipeline })
  for (const out of ['a', 'b'])
    t.match(await job(2, ['run', 'p.yaml', '--out', out, '--set', 'parallel.mode=fast'], cwd), { code: 0 })
  t.strictSame(bytesOf(join(cwd, 'a')), bytesOf(join(cwd, 'b')))
})

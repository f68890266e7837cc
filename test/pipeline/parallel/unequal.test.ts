import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { millrace } from '../../cli/millrace.js'
import { job, jobOf, mpiMissing } from './job.js'
import { pipeline } from './pipeline.js'

const skip = mpiMissing() ?? false

t.test('a job of another size than the pipeline says does not start', { skip }, async (t) => {
  const cwd = t.testdir({ 'p.yaml': pipeline })
  const message =
    'parallel.ranks is 2, but this job has 3 processes: start it with "mpirun -n 2 millrace run …" (or srun --mpi=pmix -n 2), or say --set parallel.ranks=3\n'
  const three = await job(3, ['run', 'p.yaml', '--out', 'out'], cwd)
  t.equal(three.code, 2)
  t.ok(three.stderr.includes(message))
  const alone = await millrace(['run', 'p.yaml', '--out', 'out'], cwd)
  t.equal(alone.code, 2)
  t.match(alone.stderr, 'parallel.ranks is 2, but this job has 1 process: start it with "mpirun -n 2 millrace run …"')
  t.notOk(existsSync(join(cwd, 'out')), 'nothing is written')
})

t.test('ranks that would not run the same thing do not start', { skip }, async (t) => {
  const rows = Array.from({ length: 60 }, (_, i) => `${i % 7},${(i * 5) % 11},${i % 3}`)
  const text = pipeline.replace('load/digits', 'load/csv\n    with: { path: "${DATA}" }')
  const cwd = t.testdir({ 'p.yaml': text })
  writeFileSync(join(cwd, 'a.csv'), ['x,y,label', ...rows].join('\n'))
  writeFileSync(join(cwd, 'b.csv'), ['x,y,label', ...rows.slice(1)].join('\n'))
  writeFileSync(join(cwd, 'c.csv'), ['x,y,label', ...rows].join('\n'))
  const both = (DATA: string, more: Record<string, string> = {}, text = 'p.yaml') =>
    jobOf(
      [
        { DATA: 'a.csv', ETA: '0.1' },
        { DATA, ETA: '0.1', ...more },
      ],
      ['run', text, '--out', 'out', '--force'],
      cwd,
    )

  t.match(await both('c.csv'), { code: 0 }, 'the same data may lie elsewhere')
  const unequal = await both('b.csv')
  t.equal(unequal.code, 1)
  t.match(
    unequal.stderr,
    /the ranks do not agree on the data of stages\[0\] load\/csv, file 1: rank 0 has "\d+ bytes, sha256 [0-9a-f]+…", rank 1 has/,
  )
  const missing = await both('none.csv')
  t.equal(missing.code, 1)
  t.match(
    missing.stderr,
    /rank 1: p.yaml:\d+:\d+ \(\$DATA\) {2}stages\[0\] load\/csv: cannot read none.csv: no such file or directory/,
  )
  writeFileSync(join(cwd, 'q.yaml'), text.replace('eta: 0.05', 'eta: "${ETA}"'))
  const other = await both('c.csv', { ETA: '0.2' }, 'q.yaml')
  t.equal(other.code, 1)
  t.match(
    other.stderr,
    'the ranks do not agree on stages[4] gradient-step/softmax: eta: rank 0 has 0.1, rank 1 has 0.2',
  )
})

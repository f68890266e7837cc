import { join } from 'node:path'
import t from 'tap'
import { millrace } from '../../cli/millrace.js'
import { data, dataMissing } from '../../data.js'
import { bytesOf, job, mpiMissing } from './job.js'

t.test(
  'Experiment 3 on CIFAR-10 has the same bytes in 1, 2 and 4 processes, and in one without MPI',
  { skip: mpiMissing() ?? dataMissing('cifar-10-batches-bin') },
  async (t) => {
    const cwd = t.testdir()
    // The whole experiment takes half a minute where two ranks share the cores with other tests.
    const run = ['run', 'cifar10/experiments', '--set', 'lambda=0.1', '--set', 'epochs=8']
    run.push('--set', `directory=${data}/cifar-10-batches-bin`, '--set', 'parallel.shards=4')
    const divided = (engine: string, ranks: number, out: string): string[] => [
      ...run,
      ...['--set', `parallel.engine=${engine}`, '--set', `parallel.ranks=${ranks}`, '--out', out],
    ]
    t.match(await millrace(divided('local', 1, 'local'), cwd), { code: 0 })
    for (const ranks of [1, 2, 4]) {
      t.match(await job(ranks, divided('mpi', ranks, `out-${ranks}`), cwd), { code: 0 })
      t.strictSame(bytesOf(join(cwd, `out-${ranks}`)), bytesOf(join(cwd, 'local')), `${ranks} ranks`)
    }
  },
)

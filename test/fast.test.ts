import { existsSync } from 'node:fs'
import t from 'tap'
import { long, reasonToLeaveOut, testFiles } from './fast.js'

t.test('the fast tests leave out what needs more than Node, and what takes long', async (t) => {
  const expected = {
    'test/cli/queue.test.ts': 'redis or postgres',
    'test/cli/resume.test.ts': 'kills',
    'test/cli/run.test.ts': 'kills',
    'test/faults/every-write.test.ts': 'time',
    'test/pipeline/parallel/mpi.test.ts': 'MPI',
    'test/sweep/queue/redis.test.ts': 'kills',
    'test/configs.test.ts': 'time',
    'test/cli/stages.test.ts': undefined,
    'test/pipeline/parallel/tree.test.ts': undefined,
    'test/stages/sink/csv.test.ts': undefined,
  }
  for (const [file, reason] of Object.entries(expected)) t.equal(reasonToLeaveOut(file), reason, file)
})

t.test('most tests are fast, and those that take long exist', async (t) => {
  const files = testFiles()
  const fast = files.filter((file) => reasonToLeaveOut(file) === undefined)
  t.ok(fast.length > 0.8 * files.length, `${fast.length} of ${files.length}`)
  for (const name of long) t.ok(existsSync(name), name)
})

import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { userEnvironment } from '../cli/millrace.js'
import { data, dataMissing } from '../data.js'

const script = fileURLToPath(new URL('../../configs/cifar10/reproduce.js', import.meta.url))
const reproduce = (cwd: string, ...args: string[]) =>
  promisify(execFile)(process.execPath, [script, ...args], { cwd, env: userEnvironment() })

t.test('reproduce refuses what it does not know, and explains itself', async (t) => {
  const cwd = t.testdir()
  await t.rejects(reproduce(cwd, '--sedes', '3'), { code: 2, stderr: /Unknown option '--sedes'/ })
  await t.rejects(reproduce(cwd, '--seeds', '0'), {
    code: 2,
    stderr: '--seeds: expected a whole number from 1 to 1000, got 0\n',
  })
  await t.rejects(reproduce(cwd, '--directory', 'nowhere'), { code: 1, stderr: /no such file or directory/ })
  t.match((await reproduce(cwd, '--help')).stdout, 'npm run reproduce -- --directory')
})

t.test(
  'experiments 2 to 4 are reproduced in cost and accuracy, in a file under 5 MB',
  { skip: dataMissing('cifar-10-batches-bin') },
  async (t) => {
    const cwd = t.testdir()
    const { stdout } = await reproduce(cwd, '--directory', join(data, 'cifar-10-batches-bin'), '--tables', 'tables')
    for (const number of [2, 3, 4]) t.match(stdout, `cifar10-experiment-${number}: reproduced\n`)
    const size = readFileSync(join(cwd, 'report.html')).length
    t.ok(size < 5e6, `${size} bytes`)
    const rows = readFileSync(join(cwd, 'tables/published.csv'), 'utf8').split('\n')
    t.equal(rows.filter((row) => /experiment-[234],.*,reproduced,/.test(row)).length, 9)
  },
)

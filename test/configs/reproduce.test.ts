import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { userEnvironment } from '../cli/millrace.js'
import { data, dataMissing } from '../data.js'
import { smallIdx } from '../stages/load/idx-files.js'

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
  await t.rejects(reproduce(cwd, '--suite', 'hinge'), {
    code: 2,
    stderr: '--suite: expected softmax or networks, got hinge\n',
  })
  await t.rejects(reproduce(cwd, '--directory', 'nowhere'), { code: 1, stderr: /no such file or directory/ })
  t.match((await reproduce(cwd, '--help')).stdout, 'npm run reproduce -- --directory')
})

t.test('networks are run as far as their data is there, and the others are named', async (t) => {
  const cwd = t.testdir()
  const env = { ...userEnvironment(), FASHION_MNIST_DIR: smallIdx(t) }
  const args = ['--suite', 'networks', '--directory', 'nowhere', '--set', 'epochs=1']
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...args], { cwd, env })
  t.match(stdout, /^cifar10-two-layer-final: left out: .*cannot read nowhere\/data_batch_1\.bin: no such file/m)
  for (const name of ['hinge-1', 'two-layer-cyclical', 'three-layer-batch-norm', 'nine-layer'])
    t.match(stdout, new RegExp(`^cifar10-${name}: left out`, 'm'))
  for (const name of ['linear', 'hinge', 'network', 'network-adam'])
    t.match(stdout, new RegExp(`^fashion-mnist-${name}, seed 1: done in`, 'm'))
  t.match(stdout, /^fashion-mnist-linear: not published\n/m)
  t.match(readFileSync(join(cwd, 'report.html'), 'utf8'), 'fashion-mnist-network-adam')
  await t.rejects(
    promisify(execFile)(process.execPath, [script, ...args], { cwd, env: { ...env, FASHION_MNIST_DIR: 'nowhere' } }),
    { code: 1, stderr: 'the data of none of these pipelines is there\n' },
  )
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

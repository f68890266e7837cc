import { cpSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { finished, millrace } from '../../cli/millrace.js'
import { until } from '../../waiting.js'
import { job, jobOf, mpiMissing, processOf, spawnJob } from './job.js'
import { pipeline } from './pipeline.js'

const skip = mpiMissing() ?? false

t.test('a run goes on with another number of ranks, to the bytes it would have had', { skip }, async (t) => {
  const cwd = t.testdir({ 'p.yaml': pipeline })
  const set = ['--set', 'epochs=300', '--checkpoint', '5 steps']
  const child = spawnJob(2, ['run', 'p.yaml', '--out', 'out', ...set], cwd)
  const end = finished(child)
  const metrics = join(cwd, 'out/metrics.csv')
  await until(() => existsSync(metrics) && readFileSync(metrics).length > 1000, 'the first evaluations')
  process.kill(processOf(1, child.pid!), 'SIGKILL')
  t.not((await end).code, 0)
  t.match(await job(4, ['resume', 'out', '--set', 'parallel.ranks=4'], cwd), { code: 0, stdout: /done in/ })

  const local = ['--set', 'epochs=300', '--set', 'parallel.engine=local', '--set', 'parallel.ranks=1']
  t.match(await millrace(['run', 'p.yaml', '--out', 'whole', ...local], cwd), { code: 0 })
  for (const file of ['metrics.csv', 'parameters.arrow'])
    t.strictSame(readFileSync(join(cwd, 'out', file)), readFileSync(join(cwd, 'whole', file)), file)
})

/** Makes the first attempt to open `pipeline.yaml` fail in the process that loads it. */
const failing = `
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
const { openSync } = fs
let attempts = 0
fs.openSync = (path, ...rest) => {
  if (String(path).endsWith('pipeline.yaml') && ++attempts === 1) throw Object.assign(new Error('EIO'), { code: 'EIO' })
  return openSync(path, ...rest)
}
syncBuiltinESMExports()
`

t.test('a rank that cannot read the definition ends the job, and nothing is written', { skip }, async (t) => {
  const cwd = t.testdir({ 'p.yaml': pipeline, 'failing.mjs': failing })
  const set = ['--set', 'epochs=3000', '--checkpoint', '5 steps']
  const child = spawnJob(2, ['run', 'p.yaml', '--out', 'out', ...set], cwd)
  const end = finished(child)
  await until(() => existsSync(join(cwd, 'out/checkpoint')), 'a checkpoint')
  process.kill(processOf(1, child.pid!), 'SIGTERM')
  await end
  cpSync(join(cwd, 'out'), join(cwd, 'before'), { recursive: true })
  const { code, stderr } = await jobOf(
    [{}, { NODE_OPTIONS: `--import=${join(cwd, 'failing.mjs')}` }],
    ['resume', 'out'],
    cwd,
  )
  t.not(code, 0)
  t.match(stderr, 'cannot read the definition out/pipeline.yaml: the device failed')
  for (const file of ['run.json', 'metrics.csv'])
    t.ok(readFileSync(join(cwd, 'out', file)).equals(readFileSync(join(cwd, 'before', file))), file)
})

import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { temporary } from '../stages/harness.js'
import { millrace } from './millrace.js'

t.test('digits survive twenty kills at random moments', async (t) => {
  const cwd = temporary(t)
  // Figures as SVG: PNGs would take most of the time.
  const set = ['curves', 'weights', 'confusion'].flatMap((id) => ['--set', `${id}.formats=[svg]`])
  const { code, stdout, stderr } = await millrace(['verify-resume', 'digits', '--kills', '20', '--json', ...set], cwd)
  t.equal(stderr, '')
  t.match(JSON.parse(stdout), { kills: 20, survived: 20, differing: [] })
  t.equal(code, 0)
})

const network = `stages:
  - { id: examples, use: load/digits }
  - { use: normalize/standardize, with: { fit: train } }
  - { use: batch/rows, with: { size: 100, epochs: 30 } }
  - { id: shuffle, use: shuffle/rows }
  - id: model
    use: gradient-step/network
    with:
      hidden: [40, 30]
      init: he
      batchNorm: true
      dropout: [0.2, 0.5]
      smoothing: 0.1
      classWeights: balanced
      l1: 1.0e-5
      update: adam
      eta: { cyclical: { min: 1.0e-4, max: 0.01, halfCycle: 20 } }
  - { id: metrics, use: evaluate/classification, from: { parameters: model, examples: examples } }
  - { use: sink/csv }
  - { use: sink/parameters, from: model }
`

t.test('a network with dropout, batch normalisation and Adam survives kills', async (t) => {
  const cwd = temporary(t, { 'p.yaml': network })
  const { code, stdout } = await millrace(['verify-resume', 'p.yaml', '--kills', '2', '--json'], cwd)
  t.match(JSON.parse(stdout), { kills: 2, survived: 2, differing: [] })
  t.equal(code, 0)
})

/** A sink that writes the number of its process, which differs after a resume. */
const careless = `
import { writeFileSync } from 'node:fs'
import { defineStage, wire, z } from 'millrace/stage'
import { finalize, ignoreElements } from 'rxjs'
export default defineStage({
  name: 'careless', summary: 'Writes.', options: z.strictObject({}), inputs: { metrics: wire.metrics }, outputs: {}, example: '',
  run: (_, context) => (metrics) =>
    metrics.pipe(ignoreElements(), finalize(() => writeFileSync(context.file('pid.txt'), String(process.pid)))),
})
`

t.test('a stage whose files differ after a resume is found', async (t) => {
  const cwd = temporary(t, { 'careless.mjs': careless })
  writeFileSync(
    join(cwd, 'p.yaml'),
    `stages:
  - { id: examples, use: load/digits }
  - { use: batch/rows, with: { size: 100, epochs: 30 } }
  - { id: model, use: gradient-step/softmax, with: { eta: 0.001 } }
  - { id: metrics, use: evaluate/classification, from: { parameters: model, examples: examples } }
  - { use: sink/csv }
  - { use: ./careless.mjs, from: metrics }
`,
  )
  const args = ['verify-resume', 'p.yaml', '--kills', '2', '--kernel', 'reference', '--out', 'kept']
  const { code, stdout, stderr } = await millrace(args, cwd)
  t.equal(code, 1)
  t.match(stdout, /^without kills: [\d.]+ s, 3 files to compare\n/)
  t.match(stdout, /\n0 of 2 kills survived with identical files/)
  t.equal(stderr, 'files differ after kill and resume: pid.txt\n')
  t.match(readdirSync(join(cwd, 'kept')), ['killed-1'], 'runs that differ are kept')
  const again = await millrace(args, cwd)
  t.equal(again.code, 2)
  t.equal(again.stderr, '--out kept: expected an empty directory, or none\n')
})

t.test('the error of a pipeline that fails without a kill is shown', async (t) => {
  const cwd = temporary(t)
  const { code, stderr } = await millrace(['verify-resume', 'digits', '--set', 'eta=1e300', '--kills', '1'], cwd)
  t.equal(code, 1)
  t.match(stderr, /^millrace run digits .* ended with 1: .*the loss is/)
  t.equal((await millrace(['verify-resume', 'nowhere.yaml'], cwd)).code, 1)
})

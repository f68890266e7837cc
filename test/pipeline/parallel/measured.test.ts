import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { millrace } from '../../cli/millrace.js'
import { job, mpiMissing } from './job.js'
import { pipeline } from './pipeline.js'

const skip = mpiMissing() ?? false

const plateau = '{ plateau: { start: 0.05, metric: test_auc, patience: 1, factor: 0.5, minDelta: 0.005 } }'
const metrics =
  '[balanced_accuracy, macro_f1, class_accuracy, majority_accuracy, auc, log_loss, brier_score, calibration_error, { topK: 3 }]'
const measured = pipeline
  .replace('eta: 0.05', `eta: ${plateau}`)
  .replace('examples: examples }\n', `examples: examples }\n    with: { start: true, metrics: ${metrics} }\n`)
  .concat(
    '  - id: steps\n    use: evaluate/steps\n    from: model\n    with: { every: 4 steps }\n' +
      '  - id: stepsFile\n    use: sink/csv\n    from: steps\n    with: { path: steps.csv }\n',
  )

t.test('all metrics, norms and a watched eta have the same bytes for any number of ranks', { skip }, async (t) => {
  const cwd = t.testdir({ 'p.yaml': measured })
  const local = ['--set', 'parallel.engine=local', '--set', 'parallel.ranks=1']
  t.match(await millrace(['run', 'p.yaml', '--out', 'one', ...local], cwd), { code: 0 })
  t.match(await job(3, ['run', 'p.yaml', '--out', 'three', '--set', 'parallel.ranks=3'], cwd), { code: 0 })
  for (const file of ['metrics.csv', 'steps.csv', 'parameters.arrow'])
    t.strictSame(readFileSync(join(cwd, 'three', file)), readFileSync(join(cwd, 'one', file)), file)
  const etas = readFileSync(join(cwd, 'one/steps.csv'), 'utf8').trim().split('\n').slice(1)
  t.ok(new Set(etas.map((line) => line.split(',')[2])).size > 1, 'eta was reduced')
})

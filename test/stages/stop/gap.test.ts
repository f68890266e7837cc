import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import t from 'tap'
import { Pipeline, run } from '../../../dist/index.js'
import { metricsTable, positionOf } from '../../../dist/pipeline/stage-kit.js'
import { runStage, temporary } from '../harness.js'

const at = (step: number) => ({ epoch: step, step, epochs: 9, steps: 1 })

t.test('stop/gap stops where two metrics are further apart than they should be', async (t) => {
  const entry = '- use: stop/gap\n  from: metrics\n  with: { above: 0.5 }'
  const metrics = [0.5, 0.75].map((gap, i) => metricsTable(at(i + 1), { train_cost: 1, validation_cost: 1 + gap }))
  const { stops } = await runStage(t, entry, { metrics })
  t.strictSame(stops, ['train_cost and validation_cost are 0.75 apart in epoch 2, which is more than 0.5'])
})

t.test('a run that is stopped is done, with whole files and no step behind the evaluation', async (t) => {
  const folder = temporary(t)
  const text = `extends: digits
patch:
  - insertAfter: metrics
    use: stop/gap
    with: { between: [train_accuracy, test_accuracy], above: 0 }
  - insertAfter: metrics
    use: sink/best
    from: { parameters: model, metrics: metrics }
    with: { monitor: test_accuracy }
`.replace('extends: digits', `extends: ${join(import.meta.dirname, '../../../configs/digits.yaml')}`)
  writeFileSync(join(folder, 'a.yaml'), text)
  const pipeline = await Pipeline.load(join(folder, 'a.yaml'))
  const out = join(folder, 'run')
  const { history, record } = await run(pipeline, { out, kernel: 'reference' })
  t.equal(record.status, 'done')
  t.equal(history.length, 1, 'the first evaluation stopped it')
  t.match(record.notes.join('\n'), /^gap: stopped the run: train_accuracy and test_accuracy are .* apart in epoch 1/m)
  for (const file of ['parameters.arrow', 'best.arrow']) {
    const position = positionOf(tableFromIPC(readFileSync(join(out, file))))
    t.equal(position.step, history[0]!.step, file)
  }
  t.ok(readFileSync(join(out, 'figures/curves.svg')).length > 0, 'figures are drawn')
})

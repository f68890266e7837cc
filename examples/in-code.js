// Millrace in a program: make a pipeline, change stages, watch the metrics, use the result.
import { Pipeline, run, start } from 'millrace'
import {
  batchRows,
  evaluateClassification,
  gradientStepSoftmax,
  loadDigits,
  normalizeStandardize,
  shuffleRows,
} from 'millrace/stages'
import noise from './noise.js'

// A pipeline in code has the keys of the YAML. `use` is the name of a stage, or the stage itself: then TypeScript checks
// its options, and knows what its metrics are called.
const built = await Pipeline.define({
  name: 'in-code',
  seed: 1,
  stages: [
    { use: loadDigits },
    { use: normalizeStandardize, id: 'examples' },
    { use: batchRows, with: { size: 32, epochs: 10 } },
    { use: shuffleRows, id: 'shuffle' },
    { use: gradientStepSoftmax, id: 'model', with: { eta: 0.05 } },
    { use: evaluateClassification, id: 'metrics', from: { parameters: 'model', examples: 'examples' } },
  ],
})
const first = await run(built)
console.log(`built in code: ${first.history.length} evaluations`)
console.log(`W is ${first.parameters.W.shape.join(' x ')}, W[3][20] = ${first.parameters.W.get(3, 20).toFixed(4)}`)

// A pipeline from YAML, with overrides as `--set` takes them. Each change returns a new, checked pipeline.
const loaded = await Pipeline.load('digits', { set: ['epochs=10'] })
const changed = loaded
  .replace('shuffle', 'shuffle/batches')
  .insertAfter('shuffle', { use: noise, with: { amount: 2 } })
  .remove('terminal')
  .set('model', { lambda: 0.001 })

// The metrics are an Observable. Any AbortSignal stops the run.
const running = start(changed, { signal: AbortSignal.timeout(60_000) })
running.metrics.subscribe(({ epoch, test_accuracy }) => {
  if (epoch % 5 === 0) console.log(`epoch ${epoch}: test accuracy ${(100 * test_accuracy).toFixed(1)} %`)
})
const { directory } = await running.result
console.log(`files are in ${directory}`)

// Back to YAML. Your own stage objects cannot be written, because YAML has no name for them.
console.log(changed.remove('noise').toYAML())

// Millrace from a program: build a pipeline, swap stages, watch the metrics, use the result.
import { Pipeline, run, start } from 'millrace'
import noise from './noise.js'

// A pipeline in code is what the YAML says, as an object; stages are named, or given as they are.
const built = await Pipeline.define({
  name: 'in-code',
  seed: 1,
  stages: [
    { use: 'load/digits' },
    { use: 'normalize/standardize', id: 'examples' },
    { use: 'batch/rows', with: { size: 32, epochs: 10 } },
    { use: 'shuffle/rows', id: 'shuffle' },
    { use: 'gradient-step/softmax', id: 'model', with: { eta: 0.05 } },
    { use: 'evaluate/classification', id: 'metrics', from: { parameters: 'model', examples: 'examples' } },
  ],
})
const first = await run(built)
console.log(`built in code: ${first.history.length} evaluations`)
console.log(`W is ${first.parameters.W.shape.join(' x ')}, W[3][20] = ${first.parameters.W.get(3, 20).toFixed(4)}`)

// The same from YAML, with overrides as --set takes them. Every change gives a new pipeline, checked again.
const loaded = await Pipeline.load('digits', { set: ['epochs=10'] })
const changed = loaded
  .replace('shuffle', 'shuffle/batches')
  .insertAfter('shuffle', { use: noise, with: { amount: 2 } })
  .remove('terminal')
  .set('model', { lambda: 0.001 })

// Metrics as an Observable; any AbortSignal stops a run.
const running = start(changed, { signal: AbortSignal.timeout(60_000) })
running.metrics.subscribe(({ epoch, test_accuracy }) => {
  if (epoch % 5 === 0) console.log(`epoch ${epoch}: test accuracy ${(100 * test_accuracy).toFixed(1)} %`)
})
const { directory } = await running.result
console.log(`files are in ${directory}`)

// And back to YAML: only stages with a name can be written.
console.log(changed.remove('noise').toYAML())

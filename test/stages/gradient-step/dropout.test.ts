import { createHash } from 'node:crypto'
import { lastValueFrom, map, toArray } from 'rxjs'
import t, { type Test } from 'tap'
import { fastKernelNames, type Kernels, openKernels } from '../../../dist/kernels/index.js'
import { nativeMissing } from '../../../dist/kernels/native/index.js'
import { referenceKernels } from '../../../dist/kernels/reference.js'
import { randomStream } from '../../../dist/pipeline/base/random.js'
import { copyParameters, modelOf } from '../../../dist/pipeline/stage-kit.js'
import { openStage } from '../harness.js'
import { examples } from '../tables.js'

const steps = 4
const random = randomStream(5, 'test', 'rows')
const batches = Array.from({ length: steps }, (_, i) => {
  const rows = Array.from({ length: 50 }, () => Array.from({ length: 30 }, () => random.below(256)))
  const affine = { mean: new Float64Array(30).fill(127), scale: new Float64Array(30).fill(0.01) }
  const position = { epoch: 1, step: i + 1, epochs: 1, steps }
  return examples(
    rows,
    rows.map((_, k) => k % 3),
    { position, affine },
  )
})

/** A digest of all parameters after each step. */
async function trained(t: Test, kernels: Kernels, options: string, seed = 1): Promise<string> {
  const step = `- id: model\n  use: gradient-step/network\n  with: { hidden: [40, 33], init: he, ${options} }`
  const { tables } = openStage(t, step, { batches }, { kernels, seed })
  const copies = await lastValueFrom(tables.pipe(map(copyParameters), toArray()))
  const hash = createHash('sha256')
  for (const table of copies)
    for (const { values } of modelOf(table).arrays) hash.update(new Uint8Array(values.slice().buffer))
  return hash.digest('hex')
}

t.test('steps with dropout have the same bytes with 1, 2, 3 and 8 threads', async (t) => {
  const options = 'dropout: [0.3, 0.5], batchNorm: true, update: adam, classWeights: [1, 2, 0.5], eta: 0.01'
  for (const kernel of fastKernelNames.filter((name) => name !== 'native' || nativeMissing() === undefined)) {
    const found = new Set<string>()
    for (const threads of [1, 2, 3, 8]) {
      const kernels = await openKernels({ kernel, threads, oversubscribe: true })
      found.add(await trained(t, kernels, options))
      kernels.close()
    }
    t.equal(found.size, 1, kernel)
  }
})

t.test('a batch that is cut into slices has the masks of the whole batch', async (t) => {
  const options = 'dropout: 0.5, classWeights: { b: 3 }, eta: 0.1'
  const whole = referenceKernels()
  // Seven rows at a time.
  const slices = { ...whole, slice: 7 * ((30 + 128) * 40 + (40 + 128) * 33 + (33 + 128) * 3) }
  t.equal(await trained(t, slices, options), await trained(t, whole, options))
  t.not(await trained(t, whole, options, 2), await trained(t, whole, options))
})

import fc from 'fast-check'
import t from 'tap'
import type { Kernels, Network, Rows } from '../../dist/kernels/index.js'
import { referenceKernels } from '../../dist/kernels/reference.js'
import { webgpuKernels } from '../../dist/kernels/webgpu/index.js'
import { webgpuSkip } from './adapter.js'
import { agrees, type Case, cases, edges, plain, rules, rulesAgree } from './networks.js'
import { type HostNetwork, part, randomParameters, randomRows, type Shape, sgd } from './problems.js'

const skip = await webgpuSkip()
if (skip) {
  t.pass(`skipped: ${skip}`)
  process.exit()
}

const kernels: Kernels = await webgpuKernels()
t.teardown(() => kernels.close())
t.comment(kernels.detail)

t.test('the GPU computes networks as the reference does', async () => {
  const own: Omit<Case, 'seed'>[] = [
    ...edges,
    { ...plain([], 3072), kind: 'uint8 with affine', rows: 100 },
    { ...plain([], 7), classes: 2, rows: 1 },
    { ...plain([1], 5), classes: 2, rows: 3, kind: 'uint8' },
    { ...plain([70], 130), classes: 1000, rows: 90, batchNorm: true },
    { ...plain([200, 140], 90), rows: 150, kind: 'uint8 with affine', dropout: 0.3 },
  ]
  for (const [i, each] of own.entries()) await agrees(kernels, { ...each, seed: i + 5 })
  await fc.assert(
    fc.asyncProperty(cases, (each) => agrees(kernels, each)),
    { seed: 400, numRuns: 20, endOnFailure: true },
  )
})

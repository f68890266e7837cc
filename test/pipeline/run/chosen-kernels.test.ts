import t, { type Test } from 'tap'
import { Pipeline } from '../../../dist/index.js'
import type { Kernels, Network } from '../../../dist/kernels/index.js'
import { referenceKernels } from '../../../dist/kernels/reference.js'
import { implementations } from '../../../dist/kernels/registry.js'
import { chosenKernels } from '../../../dist/pipeline/run/chosen-kernels.js'
import { temporary } from '../../stages/harness.js'
import { data } from './keeping.js'

/** A pipeline whose steps take so many units of a hidden layer; undefined: of data whose size is not known before it is read. */
function pipelineOf(t: Test, units: number | undefined): Promise<Pipeline> {
  const folder = temporary(t, { 'data.csv': data })
  const load =
    units === undefined
      ? { use: 'load/csv', with: { path: `${folder}/data.csv`, label: 'kind' } }
      : { use: 'load/digits' }
  return Pipeline.define({
    name: 'toy',
    stages: [
      load,
      { use: 'batch/rows', with: { split: 'train', size: 500, epochs: 1 } },
      { use: 'gradient-step/network', with: { hidden: [units ?? 8], eta: 0.1 } },
    ],
  })
}

/** A device that computes nothing, and takes so long for a step. */
function device(milliseconds: number, more: Partial<Kernels> = {}): Kernels {
  const network = {
    load: () => {},
    free: () => {},
    accumulate: () => {},
    step: () => {
      if (milliseconds < 0) throw new Error('the shader does not compile')
      return new Promise<number>((resolve) => setTimeout(() => resolve(1), milliseconds))
    },
  } as unknown as Network
  return { ...referenceKernels(), name: 'webgpu', detail: 'Toy 1', stepsAhead: 8, network: () => network, ...more }
}

t.test('auto takes a device where it was measured to be faster, and says why', async (t) => {
  const table = implementations as Record<string, { open(): Promise<Kernels> }>
  const before = table.webgpu!
  t.teardown(() => {
    table.webgpu = before
  })
  const absent = async () => {
    throw new Error('no GPU was found')
  }
  const cases: [
    units: number | undefined,
    open: () => Promise<Kernels>,
    name: string,
    reason: RegExp,
    divided?: true,
  ][] = [
    [20, async () => device(0), 'native', /a step is small \(.*multiply-adds\)/],
    [undefined, async () => device(0), 'native', /the size of the model is not known before data is read/],
    [5000, async () => device(0), 'native', /a divided run trains on CPUs/, true],
    [5000, absent, 'native', /no GPU was found/],
    [5000, async () => device(0, { isSoftware: true }), 'native', /Toy 1 is no hardware/],
    [5000, async () => device(-1), 'native', /the shader does not compile/],
    [
      5000,
      async () => device(600, { stepsAhead: 1 }),
      'native',
      /a step of 500 rows took 6\d\d\.\d\d ms on Toy 1, [\d.]+ ms/,
    ],
    [5000, async () => device(0), 'webgpu', /took webgpu: a step of 500 rows took [\d.]+ ms on Toy 1, [\d.]+ ms on/],
  ]
  const host = await chosenKernels({}, (await pipelineOf(t, 20)).graph, false)
  host.kernels.close()
  t.equal(host.reason, undefined)
  for (const [units, open, name, reason, divided] of cases) {
    table.webgpu = { ...before, open }
    const { graph } = await pipelineOf(t, units)
    const chosen = await chosenKernels({ kernel: 'auto' }, graph, divided ?? false)
    chosen.kernels.close()
    t.equal(chosen.kernels.name, name === 'native' ? host.kernels.name : name)
    t.match(chosen.reason, reason)
    t.match(chosen.reason, /^--kernel auto took /)
  }
})

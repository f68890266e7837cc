import t, { type Test } from 'tap'
import {
  fastKernelNames,
  hostKernelNames,
  type KernelName,
  kernelNames,
  openKernels,
} from '../../dist/kernels/index.js'
import { implementations } from '../../dist/kernels/registry.js'

/** Opens kernels without a name, and returns the name of what was opened. */
async function openedName(): Promise<KernelName> {
  const kernels = await openKernels({ threads: 1 })
  kernels.close()
  return kernels.name
}

/** Makes implementations appear to be missing until the end of the test. */
function hide(t: Test, ...names: KernelName[]): void {
  for (const name of names) {
    const { missing } = implementations[name]
    implementations[name].missing = async () => `${name} is hidden`
    t.teardown(() => {
      implementations[name].missing = missing
    })
  }
}

t.test('every kernel name has an implementation, and no other name has one', async (t) => {
  t.strictSame(Object.keys(implementations).sort(), [...kernelNames].sort())
  for (const name of kernelNames) {
    const missing = await implementations[name].missing()
    if (missing === undefined) {
      const kernels = await implementations[name].open({ threads: 1 })
      t.equal(kernels.name, name)
      kernels.close()
    } else await t.rejects(implementations[name].open({ threads: 1 }), { message: missing })
  }
})

t.test('the reference is not among the kernels that are checked against it', async (t) => {
  t.strictSame(
    fastKernelNames,
    hostKernelNames.filter((name) => name !== 'reference'),
  )
  t.ok(fastKernelNames.length > 0)
})

t.test('wasm and the reference are never missing', async (t) => {
  for (const name of ['wasm', 'reference'] as const) t.equal(await implementations[name].missing(), undefined)
})

t.test('openKernels without a name opens the first kernel in this process that is not missing', async (t) => {
  const missing = await Promise.all(hostKernelNames.map((name) => implementations[name].missing()))
  t.equal(await openedName(), hostKernelNames[missing.indexOf(undefined)])
  const hidden: KernelName[] = []
  for (const name of hostKernelNames) {
    t.notOk(hidden.includes(await openedName()))
    hide(t, name)
    hidden.push(name)
  }
  await t.rejects(openKernels(), { message: 'this machine has no kernel' })
})

t.test('openKernels keeps the order of hostKernelNames', async (t) => {
  hide(t, 'native')
  t.equal(await openedName(), 'wasm')
  hide(t, 'wasm')
  t.equal(await openedName(), 'reference')
})

t.test('openKernels opens the kernel of a given name', async (t) => {
  for (const kernel of kernelNames) {
    if ((await implementations[kernel].missing()) !== undefined) continue
    const kernels = await openKernels({ kernel, threads: 1 })
    t.equal(kernels.name, kernel)
    kernels.close()
  }
})

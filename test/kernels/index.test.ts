import { availableParallelism } from 'node:os'
import t from 'tap'
import { type KernelName, openKernels } from '../../dist/kernels/index.js'
import { nativeMissing } from '../../dist/kernels/native/index.js'

const many = availableParallelism() + 2

for (const kernel of ['native', 'wasm'] as KernelName[])
  t.test(
    `${kernel}: a thread per core, and no more unless oversubscribed`,
    { skip: kernel === 'native' && nativeMissing() },
    async (t) => {
      for (const [options, threads] of [
        [{}, availableParallelism()],
        [{ threads: 1 }, 1],
        [{ threads: many }, availableParallelism()],
        [{ threads: many, oversubscribe: true }, many],
      ] as const) {
        const kernels = await openKernels({ kernel, ...options })
        t.equal(kernels.threads, threads)
        kernels.close()
      }
    },
  )

t.test('the reference has one thread', async (t) => {
  t.equal((await openKernels({ kernel: 'reference', threads: 8, oversubscribe: true })).threads, 1)
})

import { availableParallelism } from 'node:os'
import t from 'tap'
import { fastKernelNames, openKernels } from '../../dist/kernels/index.js'
import { implementations } from '../../dist/kernels/registry.js'

const many = availableParallelism() + 2

for (const kernel of fastKernelNames)
  t.test(
    `${kernel}: one thread per core, and more only with oversubscribe`,
    { skip: (await implementations[kernel].missing()) ?? false },
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

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Arena } from '../../../dist/kernels/wasm/arena.js'
import { leaseArena } from '../../../dist/kernels/wasm/pool.js'
import { createSoftmax } from '../../../dist/kernels/wasm/softmax.js'

const rows = { values: new Uint8Array(2000 * 512).fill(1), labels: new Int32Array(2000) }

/** Resolves when the workers of a closed arena have ended, which they do after a second. */
async function hasEnded({ workers }: Arena): Promise<void> {
  await sleep(1100)
  while (workers.some(({ threadId }) => threadId !== -1)) await sleep(20)
  await sleep(20)
}

t.test('the memory of an ended arena is used again, with any number of threads', async (t) => {
  // While this test holds the leases, the garbage collector cannot free the heaps.
  const leases = []
  for (const threads of [2, 1, 3]) leases.push(await leaseArena(threads))
  for (const lease of leases) {
    lease.arena.heap.allocate(2 ** 20)
    lease.close()
  }
  await Promise.all(leases.map(({ arena }) => hasEnded(arena)))
  const expected = new Set(leases.map(({ arena }) => arena.heap.memory))
  for (const threads of [4, 2, 2]) {
    const { arena, close } = await leaseArena(threads)
    t.ok(expected.delete(arena.heap.memory))
    t.equal(createSoftmax(arena, 512, 3).evaluate(rows).correct, 2000)
    t.teardown(close)
  }
})

t.test('memory does not add up when kernels are opened and closed', async (t) => {
  const bytes = 2 ** 27
  const before = process.memoryUsage().rss
  for (const threads of [1, 2, 1]) {
    const { arena, close } = await leaseArena(threads)
    new Uint8Array(...arena.heap.place(bytes), bytes).fill(1)
    close()
    await hasEnded(arena)
  }
  const grown = process.memoryUsage().rss - before
  t.ok(grown < 1.5 * bytes, `${(grown / 2 ** 20).toFixed(0)} MiB`)
})

t.test('a closed arena is used again, with its workers', async (t) => {
  const first = await leaseArena(2)
  first.close()
  first.close()
  const second = await leaseArena(2)
  t.equal(second.arena.workers, first.arena.workers)
  const third = await leaseArena(2)
  t.not(third.arena.workers, first.arena.workers, 'an arena has one user at a time')
  second.close()
  third.close()
})

t.test('closed kernels throw, and do not reach the memory of the next user', async (t) => {
  const first = await leaseArena(1)
  const model = createSoftmax(first.arena, 512, 3)
  first.close()
  const second = await leaseArena(1)
  const block = second.arena.heap.allocate(64)
  t.throws(() => model.step(rows, 0.1, 0), { message: 'these kernels are closed' })
  t.throws(() => first.arena.heap.allocate(64), { message: 'these kernels are closed' })
  first.arena.heap.free(block)
  t.not(second.arena.heap.allocate(64), block, 'the block is still allocated')
  second.close()
})

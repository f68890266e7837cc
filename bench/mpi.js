/**
 * Measures how long it takes to add up gradients over the ranks of an MPI job, in milliseconds: in the order of the
 * shards, and with MPI_Allreduce (mode `fast`), for several sizes of the model.
 *
 *   millrace engines build mpi && mpirun -n 2 node bench/mpi.js
 */
import { openComm } from '../dist/pipeline/parallel/open.js'
import { Ranks } from '../dist/pipeline/parallel/ranks.js'

const ranks = Number(process.env.OMPI_COMM_WORLD_SIZE ?? process.env.PMI_SIZE ?? 1)
const SHARDS = 8
const sizes = [650, 30730, 307300, 4194304]
const comm = await openComm({ engine: 'mpi', ranks, timeout: 60 })

/** Times one sum after another. With one shard per rank it times the exchange alone: nothing is added up before. */
async function times(mode, length, channel, shards = SHARDS) {
  const parallel = new Ranks(comm, { shards, mode, onStop: () => {} }).stage(channel, () => ({}))
  const vectors = Array.from({ length: parallel.own.length }, () => new Float32Array(length).fill(1 / 3))
  const found = []
  for (let i = 0; i < (length > 1e6 ? 20 : 300); i++) {
    const start = process.hrtime.bigint()
    await parallel.sum(vectors)
    found.push(Number(process.hrtime.bigint() - start) / 1e6)
  }
  return found.slice(found.length / 5).sort((a, b) => a - b)
}

const shown = (found) => `${found[Math.floor(found.length / 2)].toFixed(3)} (${found[0].toFixed(3)})`
const rows = []
for (const [i, length] of sizes.entries()) {
  const ordered = await times('ordered', length, 3 * i + 1)
  const one = await times('ordered', length, 3 * i + 2, ranks)
  const fast = await times('fast', length, 3 * i + 3, ranks)
  rows.push({
    'gradient, kB': Math.round((length * 4) / 1000),
    [`${SHARDS} shards in order`]: shown(ordered),
    'a shard per rank, in order': shown(one),
    MPI_Allreduce: shown(fast),
  })
}
if (comm.rank === 0) {
  console.log(`${comm.library}, ${ranks} ranks, ${comm.neighbours} on this machine; ms, median (least)`)
  console.table(rows)
}
await comm.close()

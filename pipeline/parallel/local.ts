import type { Parallel, Vector } from '../stage/parallel-contract.js'

/**
 * What stages of a run that is not divided are given: one rank that holds one shard. So a stage needs no second path
 * for such runs.
 */
export const localParallel: Parallel = {
  isDivided: false,
  rank: 0,
  ranks: 1,
  shards: 1,
  own: [0],
  mode: 'ordered',
  stopping: false,
  stop: () => {},
  at: () => {},
  gather: async (own) => [...own],
  sum: async <V extends Vector>([vector]: readonly V[]) => vector!,
  collect: async (bytes) => [bytes],
  agree: async () => {},
}

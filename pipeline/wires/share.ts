/** The rows of a split that a table holds: all rows `i` with `i % shards = shard`. */
export interface Share {
  /** Number of the shard, from 0. */
  readonly shard: number
  /** Number of shards of the run. */
  readonly shards: number
  /** Rows of the whole split, on all ranks. */
  readonly rows: number
}

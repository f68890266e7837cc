/** Which rows of a split a table holds: row `i` of the split where `i % shards = shard`. */
export interface Share {
  readonly shard: number
  readonly shards: number
  /** Rows of the whole split, on all ranks. */
  readonly rows: number
}

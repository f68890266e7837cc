/** Numbers that several processes add up. */
export type Vector = Float32Array | Float64Array

/** What a stage of a parallel run knows of the other ranks, and how it talks to its like there. */
export interface Parallel {
  readonly rank: number
  readonly ranks: number
  /** Parts that every split is dealt into: row `i` of a split belongs to shard `i % shards`. */
  readonly shards: number
  /** The shards this rank holds, in order. */
  readonly own: readonly number[]
  /** `fast`: sums may have another order, and other bits, with another number of ranks. */
  readonly mode: 'ordered' | 'fast'
  /** True once this rank was asked to stop. Who adds it to a sum and calls `stop` everywhere stops everywhere at the same step. */
  readonly stopping: boolean
  stop(): void
  /** What this rank is doing, for the message of a timeout: `step 512`. */
  at(position: string): void
  /** One vector per own shard in, one per shard out, in order. All must have the same length, everywhere. */
  gather(own: readonly Float64Array[]): Promise<Float64Array[]>
  /**
   * The sum of the vectors of all shards, one per own shard (in mode `fast`: one for all of them). It is the same on
   * every rank, and lies in memory that the next sum overwrites, as this one overwrites the vectors given.
   */
  sum<V extends Vector>(own: readonly V[]): Promise<V>
  /** The bytes of every rank, by rank; they may differ in length. */
  collect(bytes: Uint8Array): Promise<Uint8Array[]>
  /** Throws a PipelineError `PARALLEL` on every rank where they do not agree: it names rank and fact. */
  agree(facts: Readonly<Record<string, unknown>>): Promise<void>
}

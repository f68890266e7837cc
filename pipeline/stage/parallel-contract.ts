/** Numbers that several processes add up. */
export type Vector = Float32Array | Float64Array

/**
 * What a stage knows of its rank, and how it exchanges numbers with the same stage on the other ranks. A run that is
 * not divided has one rank with one shard.
 */
export interface Parallel {
  /** Whether the run is divided among ranks. */
  readonly isDivided: boolean
  /** The number of this process, from 0. */
  readonly rank: number
  /** How many processes the run has. */
  readonly ranks: number
  /** How many parts every split is dealt into: row `i` of a split belongs to shard `i % shards`. */
  readonly shards: number
  /** The shards of this rank, in order. */
  readonly own: readonly number[]
  /**
   * `ordered`: sums have the same bits for any number of ranks. `fast`: the order of a sum, and so its bits, may
   * differ.
   */
  readonly mode: 'ordered' | 'fast'
  /**
   * True once this rank was asked to stop. A stage adds it to a sum, so that all ranks see it at the same step, and
   * then calls `stop` on all of them.
   */
  readonly stopping: boolean
  /** Stops this rank. Call it on every rank at the same step. */
  stop(): void
  /** Sets the text that says what this rank is doing (`step 512`). It appears in the message of a timeout. */
  at(position: string): void
  /**
   * Takes one vector per own shard, and returns one per shard of all ranks, in order. All vectors must have the same
   * length.
   */
  gather(own: readonly Float64Array[]): Promise<Float64Array[]>
  /**
   * Returns the sum of the vectors of all shards. Takes one vector per own shard; in mode `fast` one vector for all of
   * them. The sum is the same on every rank. Its memory is overwritten by the next sum, and the given vectors by this
   * one.
   */
  sum<V extends Vector>(own: readonly V[]): Promise<V>
  /** Returns the bytes that every rank gave, by rank. Their lengths may differ. */
  collect(bytes: Uint8Array): Promise<Uint8Array[]>
  /**
   * Throws a PipelineError `PARALLEL` on every rank if the values differ between ranks. It names the value and the
   * rank.
   */
  agree(terms: Readonly<Record<string, unknown>>): Promise<void>
}

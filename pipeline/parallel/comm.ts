/**
 * The connection between the processes of one run. An engine moves bytes between ranks and knows nothing of shards,
 * stages or training: `ranks.ts` builds everything else on `exchange`.
 */
export interface Comm {
  /** The number of this process, from 0. */
  readonly rank: number
  /** How many ranks there are. */
  readonly size: number
  /** How many of the ranks run on this machine, this one included. */
  readonly neighbours: number
  /** The name and version that the engine's library gives, for `run.json`. */
  readonly library: string
  /**
   * Sends `outgoing[r]` to every other rank `r`, and fills `incoming[r]` with the bytes that rank `r` sent here. The
   * entries of this rank are ignored. Sender and receiver must give the same length. All ranks must make the exchanges
   * of one channel in the same order; exchanges of different channels may overtake each other. The caller must not
   * touch the arrays until the promise has settled.
   *
   * Rejects with a PipelineError `SILENT` if a rank does not answer within the timeout, and `PARALLEL` if a rank fails
   * or sends another length.
   */
  exchange(channel: number, outgoing: readonly Uint8Array[], incoming: readonly Uint8Array[]): Promise<void>
  /** Adds the vectors of all ranks, in place, in the order that is fastest. Rejects as `exchange` does. */
  total(values: Float32Array | Float64Array): Promise<void>
  /** Says what this rank is doing (`step 512`), for the message of a timeout. */
  at(position: string): void
  /** Makes every exchange under way, and every later one, reject with this error. */
  cancel(error: Error): void
  /**
   * Tells rank 0 that this rank has failed. Resolves at once on rank 0; on other ranks after a moment, in which rank 0
   * usually ends the job.
   */
  fail(message: string): Promise<void>
  /** Resolves once every rank has called it. The process may then end. */
  close(): Promise<void>
}

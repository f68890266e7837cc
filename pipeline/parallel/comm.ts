/**
 * What joins the processes of one run. An engine moves bytes between ranks and knows nothing of shards, stages or
 * training: `ranks.ts` builds everything else on `exchange`.
 */
export interface Comm {
  readonly rank: number
  /** How many ranks there are. */
  readonly size: number
  /** How many of them share this machine, this one included. */
  readonly neighbours: number
  /** The engine as it names itself, for `run.json`. */
  readonly library: string
  /**
   * Sends `outgoing[r]` to every other rank `r` and fills `incoming[r]` with what it sent here; the entries of this rank
   * are passed over. The lengths must agree on both sides. Exchanges of one channel must be made in the same order
   * everywhere; those of different channels may overtake each other. Memory must not be touched until it is done.
   *
   * Rejects with a PipelineError `PARALLEL`: a rank stays silent for longer than the timeout, fails, or sends another
   * length.
   */
  exchange(channel: number, outgoing: readonly Uint8Array[], incoming: readonly Uint8Array[]): Promise<void>
  /** Adds the vectors of all ranks, in place, in whatever order is fastest. Same errors as `exchange`. */
  total(values: Float32Array | Float64Array): Promise<void>
  /** What the timeout's message says this rank was doing. */
  at(position: string): void
  /** Makes every exchange under way, and every later one, reject. */
  cancel(error: Error): void
  /** Tells the others that this rank has failed. Rank 0 returns at once; the others wait until it has ended them, or a moment. */
  fail(message: string): Promise<void>
  /** Waits until every rank has come here. The process may then end. */
  close(): Promise<void>
}

/** The engine `local`: one process, no native code, nobody to talk to. */
export function localComm(): Comm {
  const nothing = async (): Promise<void> => {}
  return {
    rank: 0,
    size: 1,
    neighbours: 1,
    library: 'local',
    exchange: nothing,
    total: nothing,
    at: () => {},
    cancel: () => {},
    fail: nothing,
    close: nothing,
  }
}

import { PipelineError } from '../base/errors.js'
import type { Parallel } from '../stage/parallel-contract.js'
import type { Comm } from './comm.js'
import { orderedSum } from './sum.js'
import { type Span, spanOf } from './tree.js'

/** How the ranks of a run share its work. */
export interface RanksOptions {
  /** Into how many parts the examples are dealt. */
  readonly shards: number
  /** `ordered`: sums have the same bits for any number of ranks; `fast`: they may not. */
  readonly mode: 'ordered' | 'fast'
  /** Called once, when all ranks have agreed to stop. */
  readonly onStop: () => void
}

/** Values that the ranks must agree on. The key names the value in the message of a disagreement. */
export type AgreementTerms = Readonly<Record<string, unknown>>

/** The ranks of one run. Gives each stage what it needs to talk to the same stage on the other ranks. */
export class Ranks {
  /** The connection between the ranks. */
  readonly comm: Comm
  private readonly options: RanksOptions
  private readonly own: Span
  private isStopping = false
  private hasStopped = false

  constructor(comm: Comm, options: RanksOptions) {
    this.comm = comm
    this.options = options
    this.own = spanOf(comm.rank, comm.size, options.shards)
  }

  /**
   * Asks for a stop at the next step. The stage that trains passes it on to the other ranks, and calls `stop` on all.
   */
  requestStop(): void {
    this.isStopping = true
  }

  /** Stops this rank, once all ranks have agreed on the step. */
  stop(): void {
    if (this.hasStopped) return
    this.hasStopped = true
    this.options.onStop()
  }

  /**
   * Returns what one stage is given.
   *
   * @param channel a number of its own, the same on every rank
   * @param terms returns the values that the ranks must agree on before the stage first talks to the other ranks
   */
  stage(channel: number, terms: () => AgreementTerms): Parallel {
    const { comm, own, options } = this
    const { shards, mode } = options
    let last: Promise<unknown> | undefined

    /** Runs the operations of the stage one after the other, the agreement first. */
    function inTurn<T>(operation: () => Promise<T>): Promise<T> {
      last ??= agree(terms())
      const result = last.then(operation)
      last = result
      return result
    }

    async function collect(bytes: Uint8Array): Promise<Uint8Array[]> {
      const length = new Uint8Array(Float64Array.of(bytes.length).buffer)
      const lengths = Array.from({ length: comm.size }, () => new Float64Array(1))
      await comm.exchange(
        channel,
        lengths.map(() => length),
        lengths.map(({ buffer }) => new Uint8Array(buffer)),
      )
      const all = lengths.map(([size], rank) => (rank === comm.rank ? bytes : new Uint8Array(size!)))
      await comm.exchange(
        channel,
        all.map(() => bytes),
        all,
      )
      return all
    }

    async function agree(own: AgreementTerms): Promise<void> {
      const collected = await collect(new TextEncoder().encode(JSON.stringify(own)))
      const all = collected.map((bytes) => JSON.parse(new TextDecoder().decode(bytes)) as AgreementTerms)
      for (const [rank, theirs] of all.entries()) checkAgreement(theirs, all[0]!, rank)
    }

    async function gather(vectors: readonly Float64Array[]): Promise<Float64Array[]> {
      const length = vectors[0]?.length ?? 0
      const bytes = length * Float64Array.BYTES_PER_ELEMENT
      const all = new Float64Array(length * shards)
      for (const [i, vector] of vectors.entries()) all.set(vector, (own.from + i) * length)
      const memory = new Uint8Array(all.buffer)
      const parts = Array.from({ length: comm.size }, (_, rank) => {
        const { from, to } = spanOf(rank, comm.size, shards)
        return memory.subarray(from * bytes, to * bytes)
      })
      await comm.exchange(
        channel,
        parts.map(() => parts[comm.rank]!),
        parts,
      )
      return Array.from({ length: shards }, (_, shard) => all.subarray(shard * length, (shard + 1) * length))
    }

    const addInOrder = orderedSum(comm, channel, shards)
    const ranks = this
    return {
      isDivided: true,
      rank: comm.rank,
      ranks: comm.size,
      shards,
      own: Array.from({ length: own.to - own.from }, (_, i) => own.from + i),
      mode,
      get stopping() {
        return ranks.isStopping
      },
      stop: () => ranks.stop(),
      at: (position) => comm.at(position),
      gather: (vectors) => inTurn(() => gather(vectors)),
      collect: (bytes) => inTurn(() => collect(bytes)),
      agree: (terms) => inTurn(() => agree(terms)),
      sum: (vectors) =>
        inTurn(async () => {
          if (mode === 'ordered') return addInOrder(vectors)
          await comm.total(vectors[0]!)
          return vectors[0]!
        }),
    }
  }
}

/** Throws a PipelineError `PARALLEL` if rank `rank` has other terms than rank 0. */
export function checkAgreement(theirs: AgreementTerms, first: AgreementTerms, rank: number): void {
  for (const name of new Set([...Object.keys(first), ...Object.keys(theirs)])) {
    const [expected, found] = [first[name], theirs[name]].map((value) => JSON.stringify(value))
    if (expected !== found)
      throw new PipelineError(
        'PARALLEL',
        `the ranks do not agree on ${name}: rank 0 has ${expected ?? 'none'}, rank ${rank} has ${found ?? 'none'}`,
      )
  }
}

import { createRequire } from 'node:module'
import { setTimeout as pause } from 'node:timers/promises'
import { messageOf, PipelineError } from '../base/errors.js'
import type { Comm } from './comm.js'
import { builtMpi, mpiEnginePath } from './engines.js'
import { sizeProblem } from './launcher.js'

/** The exports of `native/mpi_napi.c`. Promises reject with an `ExchangeFailure`. */
interface Addon {
  open(): { readonly rank: number; readonly size: number; readonly neighbours: number; readonly library: string }
  exchange(
    tag: number,
    outgoing: readonly Uint8Array[],
    incoming: readonly Uint8Array[],
    seconds: number,
  ): Promise<void>
  total(values: Float32Array | Float64Array, seconds: number): Promise<void>
  tell(text: string): void
  cancel(): void
  abort(code: number): never
  finalize(): void
}

/** Why an exchange failed. */
interface ExchangeFailure {
  readonly outcome: 'late' | 'length' | 'failed' | 'cancelled' | 'broken'
  /** The ranks that had not answered: `1, 3`. */
  readonly missing: string
  /** The rank that sent the wrong length, or that failed. */
  readonly rank: number
  /** The length that arrived, in bytes; negative: more than expected. */
  readonly length: number
  /** The message of the failed rank, or of MPI. */
  readonly text: string
}

/** The tag of the last exchange of a run. It is larger than the tag of any channel. */
const CLOSING_TAG = 32_000

/** How long a rank that has failed waits for rank 0 to report the failure and end the job, in milliseconds. */
const REPORT_TIME = 2000

/** The MPI job. A process can open MPI once, so its runs share the job, one after the other. */
let joined: { readonly addon: Addon; readonly job: ReturnType<Addon['open']> } | undefined
/** How many runs have not ended well. While there are any, the exit of this process ends the whole job. */
let unfinished = 0

/**
 * Joins the MPI job that this process was started in. Throws a PipelineError `KERNEL` if the engine is not built or
 * does not load, and `ARGUMENTS` if the job has another number of processes than `ranks`.
 *
 * @param timeout how long a rank may stay silent, in seconds
 */
export async function mpiComm({ ranks, timeout }: { readonly ranks: number; readonly timeout: number }): Promise<Comm> {
  joined ??= join()
  const { addon, job } = joined
  const { rank, size } = job
  unfinished++
  if (size !== ranks) {
    // All ranks have the same message. The others leave rank 0 the time to report it and to end the job.
    if (rank > 0) await pause(REPORT_TIME)
    throw new PipelineError('ARGUMENTS', sizeProblem(ranks, size))
  }
  let position = 'before the first step'
  let reason: Error | undefined

  async function guarded(operation: Promise<void>): Promise<void> {
    try {
      await operation
    } catch (error) {
      throw reason ?? errorOf(error as ExchangeFailure)
    }
  }

  function errorOf({ outcome, missing, rank: other, length, text }: ExchangeFailure): Error {
    switch (outcome) {
      case 'late':
        return silence(missing, timeout, position)
      case 'length':
        return new PipelineError(
          'PARALLEL',
          `rank ${other} sent ${length < 0 ? 'more' : `${length} bytes, not as many`} than rank ${rank} expected (${position}): do they run the same pipeline?`,
        )
      case 'failed':
        return new PipelineError('PARALLEL', `rank ${other}: ${text}`)
      default:
        return new PipelineError(
          'PARALLEL',
          `the exchange with the other ranks ${outcome === 'broken' ? `failed: ${text}` : 'was cancelled'} (${position})`,
        )
    }
  }

  return {
    ...job,
    exchange: (channel, outgoing, incoming) => guarded(addon.exchange(channel + 1, outgoing, incoming, timeout)),
    total: (values) => guarded(addon.total(values, timeout)),
    at: (next) => {
      position = next
    },
    cancel: (error) => {
      reason = error
      addon.cancel()
    },
    fail: async (message) => {
      if (rank === 0) return
      addon.tell(message)
      await pause(REPORT_TIME)
    },
    close: async () => {
      // The others wait without a limit, because the first rank may still be drawing figures.
      const limit = rank === 0 ? timeout : 0
      const bytes = (): Uint8Array[] => Array.from({ length: size }, () => new Uint8Array(1))
      await guarded(addon.exchange(CLOSING_TAG, bytes(), bytes(), limit))
      unfinished--
    },
  }
}

function join(): NonNullable<typeof joined> {
  const addon = load()
  const job = addon.open()
  process.once('exit', (code) => {
    // If this process left without telling MPI, the other ranks would wait for it.
    if (unfinished === 0) addon.finalize()
    else addon.abort(code || 1)
  })
  return { addon, job }
}

function load(): Addon {
  const built = builtMpi()
  if (!built)
    throw new PipelineError(
      'KERNEL',
      `the engine mpi is not built (no ${mpiEnginePath()}): "millrace engines build mpi" builds it with the mpicc of this site`,
    )
  try {
    return createRequire(import.meta.url)(built.path) as Addon
  } catch (cause) {
    throw new PipelineError(
      'KERNEL',
      `the engine mpi does not load: ${messageOf(cause)}; was the MPI changed since it was built (${built.library})? "millrace engines build mpi" builds it anew`,
      { cause },
    )
  }
}

/** The error of ranks that do not answer. `missing` has their numbers with commas, `timeout` is in seconds. */
export function silence(missing: string, timeout: number, position: string): PipelineError {
  const subject =
    missing === '' ? 'a rank has' : missing.includes(',') ? `ranks ${missing} have` : `rank ${missing} has`
  return new PipelineError('SILENT', `${subject} not answered for ${timeout} s (${position})`)
}

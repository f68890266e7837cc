import { createRequire } from 'node:module'
import { setTimeout as pause } from 'node:timers/promises'
import { messageOf, PipelineError } from '../base/errors.js'
import type { Comm } from './comm.js'
import { builtMpi, mpiEnginePath } from './engines.js'

/** What `native/mpi_napi.c` exports. Promises reject with an `Ending`. */
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

/** Why an exchange did not come to its end. */
interface Ending {
  readonly outcome: 'late' | 'length' | 'failed' | 'cancelled' | 'broken'
  /** The ranks that had not answered: `1, 3`. */
  readonly missing: string
  readonly rank: number
  readonly length: number
  readonly text: string
}

/** The channel on which the end of a run is waited for: no stage has it. */
const CLOSING = 32_000

/** How long a rank that has failed waits to be ended by rank 0, which then has told why, in milliseconds. */
const PATIENCE = 2000

/** MPI can be opened once in the life of a process, so its runs share it, one after the other. */
let joined: { readonly addon: Addon; readonly job: ReturnType<Addon['open']> } | undefined
/** Runs that have not come to a good end: a process that exits now takes the job with it. */
let unfinished = 0

/** Joins the MPI job that this process was started in. */
export async function mpiComm({ ranks, timeout }: { readonly ranks: number; readonly timeout: number }): Promise<Comm> {
  joined ??= join()
  const { addon, job } = joined
  const { rank, size } = job
  unfinished++
  if (size !== ranks) {
    // All have the same to say: the first says it.
    if (rank > 0) await pause(PATIENCE)
    throw new PipelineError(
      'ARGUMENTS',
      `parallel.ranks is ${ranks}, but this job has ${size} ${size === 1 ? 'process' : 'processes'}: start it with "mpirun -n ${ranks} millrace run …" (or srun --mpi=pmix -n ${ranks}), or say --set parallel.ranks=${size}`,
    )
  }
  let position = 'before the first step'
  let reason: Error | undefined

  async function guarded(operation: Promise<void>): Promise<void> {
    try {
      await operation
    } catch (error) {
      throw reason ?? worded(error as Ending)
    }
  }

  function worded({ outcome, missing, rank: other, length, text }: Ending): Error {
    switch (outcome) {
      case 'late':
        return silence(
          missing ? `${missing.includes(',') ? 'ranks' : 'rank'} ${missing}` : 'a rank',
          missing.includes(','),
        )
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

  function silence(who: string, several: boolean): PipelineError {
    return new PipelineError('SILENT', `${who} ${several ? 'have' : 'has'} not answered for ${timeout} s (${position})`)
  }

  const byte = Array.from({ length: size }, () => new Uint8Array(1))
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
      await pause(PATIENCE)
    },
    close: async () => {
      // The first rank may still be drawing when the others are done.
      await guarded(
        addon.exchange(
          CLOSING,
          byte,
          byte.map(() => new Uint8Array(1)),
          rank === 0 ? timeout : 0,
        ),
      )
      unfinished--
    },
  }
}

function join(): NonNullable<typeof joined> {
  const addon = load()
  const job = addon.open()
  process.once('exit', (code) => {
    // Whoever leaves without a word leaves the others waiting: MPI must hear of it.
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

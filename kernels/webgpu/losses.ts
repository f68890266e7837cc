import type { Gpu, Memory } from './device.js'
import type { Stream } from './stream.js'

/** See `Kernels.stepsAhead`. */
export const STEPS_AHEAD = 64

/** Losses are read back when so many have gathered, so that the next ones gather while these are under way. */
const GATHERED = STEPS_AHEAD / 2

/** After so many milliseconds without being read, losses are read back: somebody may be waiting for them. */
const PATIENCE = 5

/** The losses of steps, which gather on the device. */
export interface Losses {
  /** The place for the loss of the next step, which must be encoded before `promise` is called. */
  readonly slot: number
  /** The loss that will stand at `slot`. */
  promise(): Promise<number>
  /** Has all losses so far read back; resolves when their promises are settled. Never rejects. */
  read(): Promise<void>
}

interface Waiting {
  resolve(loss: number): void
  reject(error: unknown): void
}

/** Makes the losses of a network, whose first `STEPS_AHEAD` results are theirs. */
export function makeLosses(gpu: Gpu, stream: Stream, results: Memory): Losses {
  let waiting: Waiting[] = []
  let settled: Promise<void> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined

  async function settle(some: readonly Waiting[], before: Promise<void>): Promise<void> {
    try {
      const [bits] = await stream.read({ memory: results, offset: 0, bytes: 4 * some.length })
      const found = new Float32Array(bits!)
      await before
      for (const [i, { resolve }] of some.entries()) resolve(found[i]!)
    } catch (error) {
      await before
      for (const { reject } of some) reject(gpu.failure(error))
    }
  }

  function read(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    if (waiting.length > 0) {
      const some = waiting
      waiting = []
      settled = settle(some, settled)
    }
    return settled
  }

  return {
    get slot() {
      return waiting.length
    },
    promise: () => {
      const promised = new Promise<number>((resolve, reject) => waiting.push({ resolve, reject }))
      if (waiting.length >= GATHERED) read()
      else timer ??= setTimeout(read, PATIENCE)
      return promised
    },
    read,
  }
}

import type { Kernels, Network } from '../../kernels/contract.js'
import type { Memory } from '../stage/memory.js'

/**
 * Measures the time inside kernels, in milliseconds. The calls of steps and evaluations count; those of scores do not,
 * because stages ask for them after the training. Of a kernel on a device, whose calls overlap, it is the time in which at
 * least one of them is under way.
 */
export interface KernelClock {
  /** Time inside kernels since the first step. */
  busy: number
  /** The number of steps of training so far. */
  steps: number
  /** When the first step began, by `now()`; undefined before it. */
  firstStep: number | undefined
  /** When the last call, step or evaluation ended, by `now()`. */
  lastCall: number
}

/**
 * Returns the milliseconds of a monotonic clock. `performance.now()` reads the same clock, but takes three times as
 * long in code that is not hot yet.
 */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** Returns the same kernels with their calls timed by `clock`. */
export function timedKernels(kernels: Kernels, clock: KernelClock): Kernels {
  let underWay = 0
  let since = 0

  function timed<A extends unknown[], R>(call: (...args: A) => R): (...args: A) => R {
    return (...args) => {
      const start = now()
      const result = call(...args)
      clock.lastCall = now()
      if (result instanceof Promise) {
        if (underWay++ === 0) since = start
        result.then(end, end)
      } else if (clock.firstStep !== undefined && underWay === 0) clock.busy += clock.lastCall - start
      return result
    }
  }

  /** Ends a call whose result came later. */
  function end(): void {
    clock.lastCall = now()
    if (--underWay === 0 && clock.firstStep !== undefined) clock.busy += clock.lastCall - since
  }

  function timedNetwork(inner: Network): Network {
    const step = timed(inner.step)
    const accumulate = timed(inner.accumulate)
    return {
      ...inner,
      change: timed(inner.change),
      step: (rows, update) => {
        clock.firstStep ??= now()
        return step(rows, update)
      },
      accumulate: (rows) => {
        clock.firstStep ??= now()
        accumulate(rows)
      },
      gradient: timed(inner.gradient),
      evaluate: timed(inner.evaluate),
      penalty: timed(inner.penalty),
    }
  }

  return {
    ...kernels,
    network: (shape) => timedNetwork(kernels.network(shape)),
    moments: timed(kernels.moments),
  }
}

/** Returns the same kernels, whose memory counts against the limit of the run. */
export function countedKernels(kernels: Kernels, memory: Memory, what: string): Kernels {
  if (memory.limit === Number.POSITIVE_INFINITY) return kernels
  return {
    ...kernels,
    allocate: (bytes) => {
      memory.take(bytes, what)
      return kernels.allocate(bytes)
    },
  }
}

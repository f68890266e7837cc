import { performance } from 'node:perf_hooks'
import type { Kernels, Softmax } from '../kernels/index.js'

/**
 * Time spent in kernels since the first step began, in milliseconds, when that was, and when the last step or evaluation
 * ended (`performance.now()`).
 */
export interface KernelClock {
  busy: number
  steps: number
  firstStep: number | undefined
  lastWork?: number
}

/** The same kernels, with their calls timed. */
export function timedKernels(kernels: Kernels, clock: KernelClock): Kernels {
  function timed<A extends unknown[], R>(call: (...args: A) => R): (...args: A) => R {
    return (...args) => {
      const start = performance.now()
      const result = call(...args)
      if (clock.firstStep !== undefined) {
        clock.lastWork = performance.now()
        clock.busy += clock.lastWork - start
      }
      return result
    }
  }

  function timedSoftmax(inner: Softmax): Softmax {
    const step = timed(inner.step.bind(inner))
    return {
      features: inner.features,
      classes: inner.classes,
      parameters: inner.parameters,
      load: inner.load.bind(inner),
      step: (rows, eta, lambda) => {
        clock.firstStep ??= performance.now()
        clock.steps++
        return step(rows, eta, lambda)
      },
      accumulate: timed(inner.accumulate.bind(inner)),
      gradient: inner.gradient.bind(inner),
      evaluate: timed(inner.evaluate.bind(inner)),
      // What is done with single rows once training is over is no part of it.
      logits: inner.logits.bind(inner),
      free: inner.free.bind(inner),
    }
  }

  return {
    name: kernels.name,
    detail: kernels.detail,
    threads: kernels.threads,
    precision: kernels.precision,
    slice: kernels.slice,
    allocate: kernels.allocate.bind(kernels),
    softmax: (features, classes) => timedSoftmax(kernels.softmax(features, classes)),
    moments: timed(kernels.moments.bind(kernels)),
    close: kernels.close.bind(kernels),
  }
}

import { messageOf, PipelineError } from '../base/errors.js'

/** The runs of this process that go on, each as a function that records its failure. */
const running = new Set<(error: PipelineError) => void>()

/** Registers a run. Returns a function that ends that, once the run has recorded its own end. */
export function whileRunning(fail: (error: PipelineError) => void): () => void {
  running.add(fail)
  return () => running.delete(fail)
}

/**
 * Records in every run of this process that it has failed, before the process ends because of an error that no code
 * waited for. Never throws.
 */
export function abandonRuns(error: PipelineError): void {
  for (const fail of running) {
    running.delete(fail)
    try {
      fail(new PipelineError(error.code, `the process ended: ${messageOf(error)}`, { cause: error }))
    } catch {
      // The record cannot be written, either. It keeps saying that the run goes on, as after a kill.
    }
  }
}

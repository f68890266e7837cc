import { now } from '../pipeline/clock.js'
import { messageOf, PipelineError } from '../pipeline/errors.js'
import { Pipeline } from '../pipeline/pipeline.js'
import type { Prepared } from '../pipeline/prepared.js'
import { run } from '../pipeline/run.js'
import type { Outcome, Surroundings } from './executor.js'
import { definitionDigest } from './identity.js'
import type { Point } from './plan.js'

/**
 * Executes a point in this thread: an ordinary run, with the same bytes as `millrace run` with the same overrides.
 * Never rejects: whatever goes wrong is part of the outcome.
 */
export async function executePoint(
  point: Point,
  { directory, kernel, threads }: Surroundings,
  signal: AbortSignal,
  prepared?: Prepared,
): Promise<Outcome> {
  const start = now()
  const outcome = (rest: Omit<Outcome, 'key' | 'seconds'>): Outcome => ({
    key: point.key,
    ...rest,
    seconds: Math.round(now() - start) / 1000,
  })
  try {
    const pipeline = await Pipeline.load(point.pipeline, { set: point.set, seed: point.seed })
    if (definitionDigest(pipeline) !== point.definition)
      throw new PipelineError('DEFINITION', `${point.pipeline} has changed since the sweep was planned; start it again`)
    const { history } = await run(pipeline, { out: directory, force: true, kernel, threads, signal, prepared })
    return outcome({ status: 'done', final: history.at(-1) })
  } catch (error) {
    const isAborted = error instanceof PipelineError && error.code === 'ABORTED'
    return outcome({ status: isAborted ? 'interrupted' : 'failed', error: messageOf(error) })
  }
}

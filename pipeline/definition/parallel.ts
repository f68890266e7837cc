import { z } from 'zod'
import type { Problem } from '../base/errors.js'
import { checkPart } from './issues.js'
import { withReadings } from './readings.js'
import { formatOrigin, isResolved, locate, type Value } from './value.js'

/** Schema of the block `parallel:`: how one run is divided among several processes. */
export const parallel = z.strictObject({
  engine: z.enum(['mpi', 'local']).describe('How the processes communicate: mpi, or local for a single process.'),
  ranks: z.int().positive().default(1).describe('Number of processes.'),
  shards: z
    .int()
    .positive()
    .max(4096)
    .default(8)
    .describe('Parts of every split. Results depend on this number, not on the number of processes.'),
  mode: z
    .enum(['ordered', 'fast'])
    .default('ordered')
    .describe('How gradients are added: ordered, by shard, or fast, in whatever order the engine is fastest.'),
  timeout: z
    .number()
    .positive()
    .max(86400)
    .default(30)
    .describe('Seconds without an answer from a rank after which the run fails.'),
})

/** The values of the block `parallel:`, with defaults. */
export type ParallelOptions = z.output<typeof parallel>

/** The block `parallel:` with text from outside as the block needs it. */
export function withParallelReadings(value: Value): Value {
  return withReadings(parallel, value)
}

/**
 * Reads the block `parallel:`. Returns undefined if there is none or if it is wrong; adds its mistakes to `problems`.
 */
export function parallelOf(value: Value | undefined, problems: Problem[]): ParallelOptions | undefined {
  if (!value || !isResolved(value)) return undefined
  const checked = checkPart(parallel, value, 'parallel: ', problems, 'key')
  if (!checked) return undefined
  const { engine, ranks, shards } = checked
  const report = (key: string, message: string): void => {
    problems.push({ where: formatOrigin(locate(value, [key]).origin), message: `parallel: ${message}` })
  }
  if (engine === 'local' && ranks !== 1)
    report('ranks', `ranks: the engine local is one process, expected 1, got ${ranks} (--set parallel.ranks=1)`)
  if (shards < ranks) report('shards', `shards: expected at least one for each of the ${ranks} ranks, got ${shards}`)
  return checked
}

import { z } from 'zod'
import type { Problem } from '../base/errors.js'
import { formatIssues } from './option-schema.js'
import { formatOrigin, isResolved, locate, plain, type Value } from './value.js'

/** How one run is divided: which engine joins its processes, and into how many shards the rows are dealt. */
export const parallel = z.strictObject({
  engine: z.enum(['mpi', 'local']).describe('What joins the processes: mpi, or local, which is one process.'),
  ranks: z.int().positive().default(1).describe('Processes the run is started with.'),
  shards: z
    .int()
    .positive()
    .max(4096)
    .default(8)
    .describe('Parts every split is dealt into. Results depend on it, not on the number of processes.'),
  mode: z
    .enum(['ordered', 'fast'])
    .default('ordered')
    .describe('How gradients are added: in the order of the shards, or as the engine finds fastest.'),
  timeout: z.number().positive().max(86400).default(30).describe('Seconds after which a silent rank ends the run.'),
})

export type ParallelOptions = z.output<typeof parallel>

/** Checks the block `parallel`; undefined where there is none, or where it is wrong. */
export function parallelOf(value: Value | undefined, problems: Problem[]): ParallelOptions | undefined {
  if (!value) return undefined
  const checked = parallel.safeParse(plain(value))
  if (!checked.success) {
    if (isResolved(value)) problems.push(...formatIssues(checked.error, parallel, value, 'parallel: ', 'key'))
    return undefined
  }
  const { engine, ranks, shards } = checked.data
  const report = (key: string, message: string): void => {
    problems.push({ where: formatOrigin(locate(value, [key]).origin), message: `parallel: ${message}` })
  }
  if (engine === 'local' && ranks !== 1)
    report('ranks', `ranks: the engine local is one process, expected 1, got ${ranks} (--set parallel.ranks=1)`)
  if (shards < ranks) report('shards', `shards: expected at least one for each of the ${ranks} ranks, got ${shards}`)
  return checked.data
}

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { executePoint } from '../../dist/sweep/execute.js'
import {
  type Executor,
  type Outcome,
  type Plan,
  type PlanOptions,
  type Point,
  planSweep,
  pointDirectory,
  runSweep,
  type SweepOptions,
  type SweepResult,
  threadPool,
} from '../../dist/sweep/index.js'

/** A pipeline on the digits that trains in milliseconds. */
export const pipeline = `name: small
seed: 1
vars: { eta: 0.05, lambda: 0, epochs: 2 }
stages:
  - use: load/digits
  - id: examples
    use: normalize/standardize
  - use: batch/rows
    with: { size: 100, epochs: "\${epochs}" }
  - use: shuffle/rows
  - id: model
    use: gradient-step/softmax
    with: { eta: "\${eta}", lambda: "\${lambda}" }
  - id: metrics
    use: evaluate/classification
    from: { parameters: model, examples: examples }
  - use: sink/csv
  - use: sink/parameters
    from: model
`

/** A sweep that has run. */
export interface SweepRun {
  readonly plan: Plan
  readonly result: SweepResult
  /** The outcomes of the points that were executed, in the order in which they ended. */
  readonly outcomes: readonly (Outcome & { readonly point: Point })[]
}

/** Executes points in this thread, one after the other: a thread of its own takes half a second to start. */
function inThisThread(directory: string): Executor {
  const settingsOf = (point: Point) => ({ directory: pointDirectory(directory, point), threads: undefined, trust: {} })
  return {
    run: async function* (points, signal) {
      for (const point of points) if (!signal.aborted) yield executePoint(point, settingsOf(point), signal)
    },
    close: async () => {},
  }
}

/** Plans and runs a sweep: in this thread, or in so many threads as there are `jobs`. */
export async function runSweepIn(
  directory: string,
  file: string,
  planned: PlanOptions,
  { jobs, ...options }: Partial<SweepOptions> & { readonly jobs?: number } = {},
): Promise<SweepRun> {
  const plan = await planSweep(file, { kernel: 'reference', ...planned })
  const executor =
    options.executor ??
    (jobs === undefined
      ? inThisThread(directory)
      : threadPool({ jobs, directoryOf: (point) => pointDirectory(directory, point) }))
  const outcomes: (Outcome & { readonly point: Point })[] = []
  const onOutcome = (outcome: Outcome, point: Point): void => {
    outcomes.push({ ...outcome, point })
    options.onOutcome?.(outcome, point)
  }
  try {
    const result = await runSweep(plan, { directory, executor, ...options, onOutcome })
    return { plan, result, outcomes }
  } finally {
    if (!options.executor) await executor.close()
  }
}

/** The content of the files that tests compare, as base64. */
export function filesOf(directory: string, names = ['metrics.csv', 'parameters.arrow', 'pipeline.yaml']): string[] {
  return names.map((name) => readFileSync(join(directory, name)).toString('base64'))
}

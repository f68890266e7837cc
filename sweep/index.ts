/** Sweeps: many runs of one pipeline with different settings, and what came of them. */
export {
  isSweepDirectory,
  pointDirectory,
  readOutcomes,
  readPlan,
  type SweepRecord,
} from './directory.js'
export { executePoint } from './execute.js'
export type { Executor, Outcome, PointSettings } from './executor.js'
export { defaultMonitor } from './monitor.js'
export { type PlanOptions, planSweep } from './plan.js'
export { formatPoint, type Plan, type Point } from './point.js'
export { type PoolOptions, threadPool } from './pool.js'
export { type Part, runSweep, type SweepOptions, type SweepResult } from './run.js'
export { type RunOneOptions, runOne } from './run-one.js'
export type { SweepFlags } from './settings.js'

/** Sweeps: many runs of one pipeline with different settings, and what came of them. */
export {
  isSweepDirectory,
  pointDirectory,
  readOutcomes,
  readPlan,
  type SweepRecord,
} from './directory.js'
export { executePoint } from './execute.js'
export type { Executor, Outcome, Surroundings } from './executor.js'
export { defaultMonitor } from './monitor.js'
export { type PlanOptions, planSweep } from './plan.js'
export { type Plan, type Point, wordPoint } from './point.js'
export { type PoolOptions, threadPool } from './pool.js'
export { type Part, runSweep, type SweepOptions, type SweepResult } from './run.js'
export { type RunOneOptions, runOne } from './run-one.js'
export type { SweepFlags } from './settings.js'

/** Sweeps on many machines, by way of a queue at a Redis or PostgreSQL server. */
export { type Collected, collect } from './collect.js'
export { defaultHold, type Holding, openServer, type Server } from './server.js'
export { type SweepStatus, statusOf, sweepNamed } from './status.js'
export { type Submitted, submit } from './submit.js'
export { type Task, Tasks } from './task.js'
export { type WorkEvent, work } from './work.js'

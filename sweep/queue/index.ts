/** Sweeps on many machines: a queue at a Redis or PostgreSQL server, and workers that run its points. */
export { type Collection, collect } from './collect.js'
export { type LockSettings, openServer, type Server } from './server.js'
export { type SweepStatus, statusOf, sweepNamed } from './status.js'
export { type Submission, submit } from './submit.js'
export { type Task, Tasks } from './task.js'
export { type WorkEvent, type WorkOptions, work } from './work.js'

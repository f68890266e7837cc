import type { Trust } from '../../pipeline/definition/trust.js'
import type { Outcome } from '../executor.js'
import type { FolderOptions } from './folders.js'
import type { LockSettings, Server } from './server.js'
import type { Task } from './task.js'

/** How to work at a queue. */
export interface WorkOptions {
  /**
   * The number of points that run at the same time, each in a thread of its own. The main thread renews their locks.
   */
  readonly jobs: number
  /** Threads of the kernel of each point. Default: 1, or one per core if `jobs` is 1. */
  readonly threads?: number | undefined
  /** What the definitions are allowed to do. */
  readonly trust?: Trust | undefined
  /** How points are locked. */
  readonly locks: LockSettings
  /**
   * The folders that points may use: jobs that read data or want their runs elsewhere fail. If one folder for runs is
   * named, runs whose folder has another path here go there.
   */
  readonly folders?: FolderOptions | undefined
  /** The secret that jobs must be signed with. Results are then signed with it, too. Default: nothing is signed. */
  readonly secret?: string | undefined
  /** Seconds that points may take to end after `signal` has aborted. Then they are interrupted and handed back. */
  readonly grace: number
  /** Ends when no point is left at the queue, neither waiting nor running anywhere. */
  readonly untilDone?: boolean | undefined
  /** Ends the work: no further point starts. */
  readonly signal: AbortSignal
  /** Called when the worker is ready for points. */
  readonly onReady?: ((server: Server) => void) | undefined
  /** Called for everything that a user may want to see. */
  readonly onEvent: (event: WorkEvent) => void
}

/** An event of a worker. */
export type WorkEvent =
  /** A point has ended. */
  | { readonly type: 'outcome'; readonly outcome: Outcome; readonly task: Task }
  /** The worker does not run a job, because it is no sound point, or not signed. */
  | { readonly type: 'refused'; readonly job: string; readonly message: string }
  /** The worker has lost a point, because it did not renew the lock in time. */
  | { readonly type: 'lost'; readonly task: Task }
  /** The worker has handed a point back, because it is about to end. */
  | { readonly type: 'handed-back'; readonly task: Task }
  /** The connection to the server has an error. */
  | { readonly type: 'trouble'; readonly message: string }

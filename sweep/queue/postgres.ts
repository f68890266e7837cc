import { setTimeout } from 'node:timers/promises'
import { isLost } from './lost.js'

/** Milliseconds that a server has to answer. */
export const ANSWER_TIMEOUT = 5000

/** Milliseconds between attempts to reach a lost server: short enough to reconnect before locks expire. */
export const RECONNECT_DELAY = 500

/** What is used here of the package pg, which has no types. */
interface Pg {
  readonly Pool: new (
    settings: object,
  ) => {
    query(...args: unknown[]): Promise<unknown>
    connect(...args: unknown[]): Promise<unknown>
    on(event: 'error', listener: (error: unknown) => void): unknown
    emit(event: 'error', error: unknown): unknown
    end(): Promise<void>
  }
}

/** A pool of connections that waits for a lost server, and how to end it. */
export interface PatientPool {
  /** The pool, for BullMQ. */
  readonly pool: object
  /** Ends the waiting: a call that finds the server lost from now on fails. */
  readonly leave: () => void
  /** Closes the connections. */
  readonly close: () => Promise<void>
}

/**
 * Opens a pool of connections to PostgreSQL whose calls wait while the server is lost, as those of ioredis do. BullMQ
 * itself takes most errors of a lost connection for errors of the call, and then fails the point.
 *
 * @param pg the package pg
 * @param schema where BullMQ has its tables
 */
export function openPatientPool(pg: Pg, url: string, schema: string): PatientPool {
  let isLeaving = false
  async function patiently<T>(call: () => Promise<T>): Promise<T> {
    for (;;)
      try {
        return await call()
      } catch (error) {
        if (isLeaving || !isLost(error)) throw error
        pool.emit('error', error)
        await setTimeout(RECONNECT_DELAY)
      }
  }
  class Pool extends pg.Pool {
    override query(...args: unknown[]): Promise<unknown> {
      return patiently(() => super.query(...args))
    }
    override connect(...args: unknown[]): Promise<unknown> {
      // With a callback, it is the pool itself that connects, for a query.
      return args.length > 0 ? super.connect(...args) : patiently(() => super.connect())
    }
  }
  const pool = new Pool({
    connectionString: url,
    connectionTimeoutMillis: ANSWER_TIMEOUT,
    keepAlive: true,
    options: `-c search_path="${schema}"`,
  })
  // Without a listener, the loss of an idle connection would end the process.
  pool.on('error', () => {})
  return {
    pool,
    leave: () => {
      isLeaving = true
    },
    close: () => pool.end(),
  }
}

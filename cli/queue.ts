import { counted, shortPath } from '../pipeline/base/words.js'
import { collect, Signer, statusOf, sweepNamed, work } from '../sweep/queue/index.js'
import type { ReadingFlags } from './options.js'
import { type QueueFlags, remarksTo, takeSecret, withServer } from './queue-connection.js'
import { statusLines } from './queue-lines.js'
import { interruption, type Output } from './terminal.js'
import { WorkLog } from './work-log.js'

/** The flags of `millrace sweep work`; times in seconds. */
export interface WorkFlags extends QueueFlags, Pick<ReadingFlags, 'plugins' | 'allowAbsolutePaths'> {
  /** Points that run at the same time. */
  readonly jobs: number
  /** Kernel threads of each point. */
  readonly threads?: number
  /** The folders that points may read data from. */
  readonly data: readonly string[]
  /** The folders that runs may go to. */
  readonly artifacts: readonly string[]
  /** True if the worker ends when no point is left. */
  readonly untilDone?: boolean
  /** How long running points may take to end after a signal. */
  readonly grace: number
  /** After this time without an answer, a worker loses its points. */
  readonly lock: number
  /** The time between two searches for lost points. */
  readonly check: number
  /** How often a point may be lost before it counts as failed. */
  readonly losses: number
  /** True if only errors are printed. */
  readonly quiet?: boolean
}

/** `millrace sweep work`: runs points, and prints a line for each that ends. */
export async function workCommand(flags: WorkFlags, output: Output): Promise<void> {
  const { queue, jobs, threads, data, artifacts, untilDone, grace } = flags
  const { lock, check, losses, plugins, allowAbsolutePaths } = flags
  const secret = takeSecret()
  const stop = interruption(output)
  const log = new WorkLog(output, flags.quiet === true)
  try {
    const isClosed = await work(queue, {
      jobs,
      threads,
      folders: { data, artifacts },
      secret,
      untilDone,
      grace,
      locks: { lock: lock * 1000, check: check * 1000, losses },
      trust: { plugins, allowAbsolutePaths },
      signal: stop.signal,
      onReady: (server) => log.ready(server, jobs),
      onEvent: (event) => log.event(event),
    })
    log.end()
    // BullMQ's timers would keep the process alive for ever. The delay lets the last lines be read.
    if (!isClosed) setTimeout(() => output.exit(), 500).unref()
  } finally {
    stop.release()
  }
}

/** `millrace sweep status`: prints a row for each sweep of a queue. */
export async function statusCommand(flags: StatusFlags, output: Output): Promise<void> {
  const signer = new Signer(takeSecret())
  if (flags.follow) return (await import('./queue-wait.js')).followStatus(flags, signer, output)
  await withServer(flags, output, async (server) => {
    const sweeps = await statusOf(server, signer, remarksTo(output))
    if (flags.json) return output.write(`${JSON.stringify(sweeps)}\n`)
    if (sweeps.length === 0) return output.write(`no sweep at ${server.name}\n`)
    for (const line of statusLines(sweeps)) output.write(`${line}\n`)
  })
}

/** The flags of `millrace sweep status`. */
export interface StatusFlags extends QueueFlags {
  /** Prints again whenever something changes, until no point is left. */
  readonly follow?: boolean
}

/** The flags of `millrace sweep collect`. */
export interface CollectFlags extends QueueFlags {
  /** The directory to write. */
  readonly out?: string
  /** The folders that runs are read from. */
  readonly artifacts: readonly string[]
  /** Waits until no point is waiting or running. */
  readonly wait?: boolean
  /** Seconds to wait at most. */
  readonly timeout?: number
}

/** `millrace sweep collect`: writes the results of a sweep into a sweep directory. */
export async function collectCommand(name: string | undefined, flags: CollectFlags, output: Output): Promise<void> {
  const signer = new Signer(takeSecret())
  const { out, artifacts } = flags
  await withServer(flags, output, async (server) => {
    const record = await sweepNamed(server, name, signer, remarksTo(output))
    if (
      flags.wait &&
      !(await (
        await import('./queue-wait.js')
      ).waitFor(server, record.name, flags.timeout, signer, output, flags.json === true))
    )
      return
    const result = await collect(server, record, { out, artifacts, signer })
    const { total, done, failed } = result
    if (flags.json) return output.write(`${JSON.stringify(result)}\n`)
    const failures = failed > 0 ? `, ${failed} failed` : ''
    const directory = shortPath(result.directory)
    output.write(`${done} of ${counted(total, 'point')} done${failures}; millrace table ${directory} shows them\n`)
  })
}

import { join, resolve } from 'node:path'
import type { KernelName } from '../kernels/index.js'
import { slugOf } from '../pipeline/base/slug.js'
import { textColumns } from '../pipeline/base/text-table.js'
import { shortPath } from '../pipeline/base/words.js'
import type { SweepFlags } from '../sweep/index.js'
import { planSweep } from '../sweep/index.js'
import { collect, openServer, type Server, statusOf, submit, sweepNamed, Tasks, work } from '../sweep/queue/index.js'
import type { ReadingFlags } from './options.js'
import { interruption, type Output } from './terminal.js'
import { WorkLog } from './work-log.js'

/** The flags of every command that talks to a queue. */
interface QueueFlags {
  /** The URL of the server. */
  readonly queue: string
  /** True if the result is printed as JSON. */
  readonly json?: boolean
}

/** The flags of `millrace sweep submit`. */
export interface SubmitFlags extends QueueFlags, ReadingFlags, SweepFlags {
  /** The kernel of all runs. */
  readonly kernel?: KernelName
  /** The folder for the runs, shared by all machines. */
  readonly artifacts?: string
  /** True if failed points are to run again. */
  readonly retry?: boolean
}

/** `millrace sweep submit`: plans a sweep and puts it on the queue. */
export async function submitCommand(name: string, flags: SubmitFlags, output: Output): Promise<void> {
  await withServer(flags, output, async (server) => {
    for (const warning of server.warnings) output.warn(`note: ${warning}\n`)
    const tasks = new Tasks()
    const plan = await planSweep(name, { ...flags, onPoint: tasks.note })
    const artifacts = resolve(flags.artifacts ?? join('sweeps', slugOf(plan.name)))
    const result = await submit(server, plan, tasks.of(plan, artifacts), flags.retry === true)
    const { total, added, retried } = result
    const again = retried > 0 ? `, ${retried} again` : ''
    const text = `${plan.name}: ${total} points, ${added} of them new at ${server.name}${again}`
    output.write(
      flags.json ? `${JSON.stringify({ ...result, artifacts })}\n` : `${text}; runs go to ${shortPath(artifacts)}\n`,
    )
  })
}

/** The flags of `millrace sweep work`; times in seconds. */
export interface WorkFlags extends QueueFlags, Pick<ReadingFlags, 'plugins' | 'allowAbsolutePaths'> {
  /** Points that run at the same time. */
  readonly jobs: number
  /** Kernel threads of each point. */
  readonly threads?: number
  /** The path of the shared folder on this machine. */
  readonly artifacts?: string
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
  const { queue, jobs, threads, artifacts, untilDone, grace, lock, check, losses, plugins, allowAbsolutePaths } = flags
  const stop = interruption(output)
  const log = new WorkLog(output, flags.quiet === true)
  try {
    const isClosed = await work(queue, {
      jobs,
      threads,
      artifacts: artifacts && resolve(artifacts),
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
export async function statusCommand(flags: QueueFlags, output: Output): Promise<void> {
  await withServer(flags, output, async (server) => {
    const sweeps = await statusOf(server)
    if (flags.json) return output.write(`${JSON.stringify(sweeps)}\n`)
    if (sweeps.length === 0) return output.write(`no sweep at ${server.name}\n`)
    const rows = sweeps.map(({ name, total, done, failed, running, waiting }) =>
      [name, total, done, failed, running, waiting].map(String),
    )
    const head = ['sweep', 'points', 'done', 'failed', 'running', 'waiting']
    for (const line of textColumns([head, ...rows], (column) => column > 0)) output.write(`${line}\n`)
  })
}

/** The flags of `millrace sweep collect`. */
export interface CollectFlags extends QueueFlags {
  /** The directory to write. */
  readonly out?: string
  /** The path of the shared folder on this machine. */
  readonly artifacts?: string
}

/** `millrace sweep collect`: writes the results of a sweep into a sweep directory. */
export async function collectCommand(name: string | undefined, flags: CollectFlags, output: Output): Promise<void> {
  await withServer(flags, output, async (server) => {
    const result = await collect(server, await sweepNamed(server, name), flags)
    const { total, done, failed } = result
    if (flags.json) return output.write(`${JSON.stringify(result)}\n`)
    const failures = failed > 0 ? `, ${failed} failed` : ''
    const directory = shortPath(result.directory)
    output.write(`${done} of ${total} points done${failures}; millrace table ${directory} shows them\n`)
  })
}

async function withServer(
  { queue }: QueueFlags,
  output: Output,
  use: (server: Server) => Promise<unknown>,
): Promise<void> {
  const server = await openServer(queue, ({ message }) => output.warn(`note: ${message}\n`))
  try {
    await use(server)
  } finally {
    await server.close()
  }
}

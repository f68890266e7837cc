import { join, resolve } from 'node:path'
import type { KernelName } from '../kernels/index.js'
import { shortPath } from '../pipeline/base/words.js'
import type { SweepFlags } from '../sweep/index.js'
import { formatPoint, planSweep } from '../sweep/index.js'
import {
  collect,
  openServer,
  type Server,
  statusOf,
  submit,
  sweepNamed,
  Tasks,
  type WorkEvent,
  work,
} from '../sweep/queue/index.js'
import { interruption } from './interruption.js'
import type { Output } from './output.js'
import type { ReadingFlags } from './reading.js'

interface QueueFlags {
  readonly queue: string
  readonly json?: boolean
}

export interface SubmitFlags extends QueueFlags, ReadingFlags, SweepFlags {
  readonly kernel?: KernelName
  readonly artifacts?: string
  readonly retry?: boolean
}

/** `millrace sweep submit`: plans a sweep and puts it on the queue. */
export async function submitCommand(name: string, flags: SubmitFlags, output: Output): Promise<void> {
  await withServer(flags, output, async (server) => {
    for (const warning of server.warnings) output.warn(`note: ${warning}\n`)
    const tasks = new Tasks()
    const plan = await planSweep(name, { ...flags, onPoint: tasks.note })
    const artifacts = resolve(flags.artifacts ?? join('sweeps', plan.name))
    const result = await submit(server, plan, tasks.of(plan, artifacts), flags.retry === true)
    const { total, added, retried } = result
    const again = retried > 0 ? `, ${retried} again` : ''
    output.write(
      flags.json
        ? `${JSON.stringify({ ...result, artifacts })}\n`
        : `${plan.name}: ${total} points, ${added} of them new at ${server.name}${again}; runs go to ${shortPath(artifacts)}\n`,
    )
  })
}

export interface WorkFlags extends QueueFlags {
  readonly jobs: number
  readonly threads?: number
  readonly artifacts?: string
  readonly untilDone?: boolean
  readonly grace: number
  readonly lock: number
  readonly check: number
  readonly losses: number
  readonly quiet?: boolean
  readonly plugins?: boolean | string
  readonly allowAbsolutePaths?: boolean
}

/** `millrace sweep work`: a line for each point that ends. */
export async function workCommand(flags: WorkFlags, output: Output): Promise<void> {
  const { queue, jobs, threads, artifacts, untilDone, grace, lock, check, losses, plugins, allowAbsolutePaths } = flags
  const stop = interruption()
  const teller = new Teller(output, flags.quiet === true)
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
      onReady: (server) => teller.ready(server, jobs),
      onEvent: (event) => teller.tell(event),
    })
    teller.end()
    // What BullMQ leaves behind would keep the process for ever; a moment for the last lines to be read.
    if (!isClosed) setTimeout(() => process.exit(), 500).unref()
  } finally {
    stop.release()
  }
}

/** Says what a worker does. */
class Teller {
  private readonly output: Output
  private readonly isQuiet: boolean
  private readonly counts = { done: 0, failed: 0, lost: 0, back: 0 }
  private trouble = ''

  constructor(output: Output, isQuiet: boolean) {
    this.output = output
    this.isQuiet = isQuiet
  }

  ready({ name }: Server, jobs: number): void {
    this.say(`working at ${name} with ${jobs} job${jobs === 1 ? '' : 's'}\n`)
  }

  tell(event: WorkEvent): void {
    if (event.type === 'trouble') {
      this.tellTrouble(event.message)
      return
    }
    this.trouble = ''
    this.say(`${formatPoint(event.task)}  ${this.count(event)}\n`)
  }

  /** Counts what became of a point, and says it. */
  private count(event: Exclude<WorkEvent, { type: 'trouble' }>): string {
    const { counts } = this
    if (event.type === 'lost') {
      counts.lost++
      return 'lost: this worker did not answer for too long, the point is run again'
    }
    if (event.type === 'handed-back') {
      counts.back++
      return 'handed back'
    }
    const { status, error, seconds } = event.outcome
    counts[status === 'done' ? 'done' : 'failed']++
    return `${status === 'done' ? status : `failed: ${error?.split('\n', 1)[0]}`}  (${seconds.toFixed(2)} s)`
  }

  /** While a server is away, the same is told again and again: once is enough. */
  private tellTrouble(message: string): void {
    if (message === this.trouble) return
    this.trouble = message
    this.output.warn(`note: ${message}\n`)
  }

  end(): void {
    const { done, failed, lost, back } = this.counts
    const others = [failed > 0 && `${failed} failed`, lost > 0 && `${lost} lost`, back > 0 && `${back} handed back`]
    this.say(`${[`${done} points done`, ...others.filter(Boolean)].join(', ')}\n`)
  }

  private say(text: string): void {
    if (!this.isQuiet) this.output.write(text)
  }
}

/** `millrace sweep status`: a row for each sweep. */
export async function statusCommand(flags: QueueFlags, output: Output): Promise<void> {
  await withServer(flags, output, async (server) => {
    const sweeps = await statusOf(server)
    if (flags.json) return output.write(`${JSON.stringify(sweeps)}\n`)
    if (sweeps.length === 0) return output.write(`no sweep at ${server.name}\n`)
    const rows = sweeps.map(({ name, total, done, failed, running, waiting }) =>
      [name, total, done, failed, running, waiting].map(String),
    )
    const head = ['sweep', 'points', 'done', 'failed', 'running', 'waiting']
    const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)))
    for (const row of [head, ...rows])
      output.write(
        `${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')}\n`,
      )
  })
}

export interface CollectFlags extends QueueFlags {
  readonly out?: string
  readonly artifacts?: string
}

/** `millrace sweep collect`: makes a directory of a sweep. */
export async function collectCommand(name: string | undefined, flags: CollectFlags, output: Output): Promise<void> {
  await withServer(flags, output, async (server) => {
    const result = await collect(server, await sweepNamed(server, name), flags)
    const { total, done, failed } = result
    if (flags.json) return output.write(`${JSON.stringify(result)}\n`)
    const directory = shortPath(result.directory)
    output.write(
      `${done} of ${total} points done${failed > 0 ? `, ${failed} failed` : ''}; millrace table ${directory} shows them\n`,
    )
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

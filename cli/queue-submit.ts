import { join, resolve } from 'node:path'
import type { KernelChoice } from '../kernels/index.js'
import { slugOf } from '../pipeline/base/slug.js'
import { counted, listed, shortPath } from '../pipeline/base/words.js'
import type { SweepFlags } from '../sweep/index.js'
import { planSweep } from '../sweep/index.js'
import { freeName, type Server, Signer, type Submission, submit, Tasks } from '../sweep/queue/index.js'
import type { ReadingFlags } from './options.js'
import { type QueueFlags, takeSecret, withServer } from './queue-connection.js'
import type { Output } from './terminal.js'

/** The flags of `millrace sweep submit`. */
export interface SubmitFlags extends QueueFlags, ReadingFlags, SweepFlags {
  /** The kernel of all runs. */
  readonly kernel?: KernelChoice
  /** The folder for the runs, shared by all machines. */
  readonly artifacts?: string
  /** True if points are to run again that failed, or whose runs are gone. */
  readonly retry?: boolean
}

/** `millrace sweep submit`: plans a sweep and puts it on the queue. */
export async function submitCommand(pipeline: string, flags: SubmitFlags, output: Output): Promise<void> {
  const signer = new Signer(takeSecret())
  await withServer(flags, output, async (server) => {
    for (const warning of server.warnings) output.warn(`note: ${warning}\n`)
    const tasks = new Tasks()
    const used = new Set<string>()
    const plan = await planSweep(pipeline, { ...flags, environment: watched(process.env, used), onPoint: tasks.note })
    const name = await freeName(server, plan, signer)
    const artifacts = resolve(flags.artifacts ?? join('sweeps', slugOf(name)))
    const options = { name, retry: flags.retry === true, signer }
    const result = await submit(server, plan, tasks.of(plan, artifacts), options)
    if (used.size > 0)
      output.warn(`note: everybody who reads the queue sees the value of ${listed([...used].sort(), 'and')}\n`)
    if (name !== plan.name)
      output.warn(`note: the sweep "${plan.name}" at the queue has other points and stays; this one is "${name}"\n`)
    for (const note of notesOn(result)) output.warn(`note: ${note}\n`)
    output.write(flags.json ? `${JSON.stringify({ ...result, artifacts })}\n` : textOf(result, server, artifacts))
  })
}

function textOf({ name, total, added, retried }: Submission, server: Server, artifacts: string): string {
  const again = retried > 0 ? `, ${retried} again` : ''
  const where = added + retried > 0 ? `; runs go to ${shortPath(artifacts)}` : ''
  return `${name}: ${counted(total, 'point')}, ${added} of them new at ${server.name}${again}${where}\n`
}

function notesOn({ gone, elsewhere }: Submission): string[] {
  const places = Object.entries(elsewhere).map(
    ([folder, count]) => `${count} of the points were submitted before, with their runs in ${folder}`,
  )
  return gone > 0
    ? [...places, `the runs of ${counted(gone, 'finished point')} are gone; --retry makes them again`]
    : places
}

/** The variables of an environment. Adds the names of those that are read to `used`. */
function watched(environment: NodeJS.ProcessEnv, used: Set<string>): Readonly<Record<string, string | undefined>> {
  return new Proxy(environment, {
    get: (target, name) => {
      const value = typeof name === 'string' ? target[name] : undefined
      if (value !== undefined && name !== 'MILLRACE_NO_PLUGINS') used.add(String(name))
      return value
    },
  })
}

import type { ChildProcess } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { openServer } from '../../../dist/sweep/queue/index.js'
import { type Finished, finished, millrace, spawnMillrace } from '../../pipeline/cli/millrace.js'
import { pause } from './servers.js'

/** Locks that run out soon, so that tests do not wait long. */
export const quick = ['--lock', '3', '--check', '1']

export interface TestWorker {
  readonly process: ChildProcess
  readonly ended: Promise<Finished>
}

/** Starts `millrace sweep work`; it ends with the test. */
export function startWorker(t: Test, url: string, cwd: string, ...args: string[]): TestWorker {
  const process = spawnMillrace(['sweep', 'work', '--queue', url, ...quick, ...args], cwd)
  t.teardown(() => process.kill('SIGKILL'))
  return { process, ended: finished(process) }
}

/** Runs a command of sweeps to its end. */
export function sweep(url: string, cwd: string, command: string, ...args: string[]): Promise<Finished> {
  return millrace(['sweep', command, '--queue', url, ...args], cwd)
}

/** Stops a worker (SIGSTOP) at a moment when it has a point in hand. */
export async function freeze({ process }: TestWorker, artifacts: string): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    process.kill('SIGSTOP')
    if (pointsInHand(artifacts, process.pid!) > 0) return
    process.kill('SIGCONT')
    await pause(15)
  }
  throw new Error('the worker never had a point in hand')
}

/** Runs under way of a worker. */
export function pointsInHand(artifacts: string, pid: number): number {
  const folder = join(artifacts, 'working')
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.includes(`-${pid}-`)).length : 0
}

/** How often points were begun, all together. */
export async function executions(url: string): Promise<number> {
  const server = await openServer(url)
  try {
    const jobs = await server.points.getJobs(['completed', 'failed', 'active', 'waiting'], 0, -1)
    return jobs.reduce((sum, { attemptsStarted }) => sum + attemptsStarted, 0)
  } finally {
    await server.close()
  }
}

/** How many points are done. */
export async function doneAt(url: string): Promise<number> {
  const server = await openServer(url)
  try {
    return await server.points.getCompletedCount()
  } finally {
    await server.close()
  }
}

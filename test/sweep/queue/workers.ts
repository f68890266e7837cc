import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { type PlanOptions, planSweep } from '../../../dist/sweep/index.js'
import {
  type Collection,
  collect,
  openServer,
  type Server,
  type Submission,
  submit,
  sweepNamed,
  Tasks,
  type WorkEvent,
  work,
} from '../../../dist/sweep/queue/index.js'
import { type Finished, finished, main, userEnvironment } from '../../cli/millrace.js'
import { pause, until } from './servers.js'

/** Locks that expire soon, so that tests do not wait long. */
const locks = { lock: 3000, check: 1000, losses: 5 }

/** Uses a server once. */
export async function at<T>(url: string, use: (server: Server) => Promise<T>): Promise<T> {
  const server = await openServer(url)
  try {
    return await use(server)
  } finally {
    await server.close()
  }
}

/** Plans a sweep and puts it on a queue. */
export async function submitted(
  url: string,
  file: string,
  planned: PlanOptions,
  artifacts: string,
  retry = false,
): Promise<Submission> {
  const tasks = new Tasks()
  const plan = await planSweep(file, { kernel: 'reference', onPoint: tasks.note, ...planned })
  return at(url, (server) => submit(server, plan, tasks.of(plan, artifacts), retry))
}

/** Works until nothing is left; tells how each point ended. */
export async function worked(url: string, jobs = 1): Promise<string[]> {
  const told: string[] = []
  const onEvent = (event: WorkEvent): void => {
    told.push(event.type === 'outcome' ? (event.outcome.error ?? event.outcome.status) : event.type)
  }
  const { signal } = new AbortController()
  await work(url, { jobs, locks, grace: 0, untilDone: true, signal, onEvent })
  return told
}

/** Fetches what came of a sweep. */
export function collected(url: string, name: string, out?: string): Promise<Collection> {
  return at(url, async (server) => collect(server, await sweepNamed(server, name), { out }))
}

/** How often points were begun, all together. */
export function executions(url: string): Promise<number> {
  return at(url, async ({ points }) => {
    const jobs = await points.getJobs(['completed', 'failed', 'active', 'waiting'], 0, -1)
    return jobs.reduce((sum, { attemptsStarted }) => sum + attemptsStarted, 0)
  })
}

/** How many points are done. */
export function doneAt(url: string): Promise<number> {
  return at(url, ({ points }) => points.getCompletedCount())
}

export interface TestWorker {
  readonly process: ChildProcess
  readonly ended: Promise<Finished>
}

/** Starts `millrace sweep work`; it ends with the test. */
export function startWorker(t: Test, url: string, cwd: string, ...args: string[]): TestWorker {
  return startWorkerOn([], t, url, cwd, ...args)
}

/** The same, by way of another command. */
export function startWorkerOn(
  via: readonly string[],
  t: Test,
  url: string,
  cwd: string,
  ...args: string[]
): TestWorker {
  const own = [process.execPath, main, 'sweep', 'work', '--queue', url, '--lock', '3', '--check', '1', ...args]
  const [program, ...rest] = [...via, ...own]
  const worker = spawn(program!, rest, { cwd, env: userEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => worker.kill('SIGKILL'))
  return { process: worker, ended: finished(worker) }
}

/** Stops a worker (SIGSTOP) at a moment when it has a point in hand. */
export async function freezeWithPoint({ process }: TestWorker, artifacts: string): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    process.kill('SIGSTOP')
    await until(() => isStopped(process.pid!), 'the worker to stop')
    if (pointsInHand(artifacts, process.pid!) > 0) return
    process.kill('SIGCONT')
    await pause(15)
  }
  throw new Error('the worker never had a point in hand')
}

/** A signal takes its time to arrive. */
function isStopped(pid: number): boolean {
  return execFileSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' }).startsWith('T')
}

/** Runs under way of a worker. */
export function pointsInHand(artifacts: string, pid: number): number {
  const folder = join(artifacts, 'working')
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.includes(`-${pid}-`)).length : 0
}

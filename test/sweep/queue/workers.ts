import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join, parse } from 'node:path'
import type { Test } from 'tap'
import { type PlanOptions, planSweep } from '../../../dist/sweep/index.js'
import {
  type Collection,
  collect,
  freeName,
  openServer,
  type Server,
  Signer,
  type Submission,
  submit,
  sweepNamed,
  Tasks,
  type WorkEvent,
  type WorkOptions,
  work,
} from '../../../dist/sweep/queue/index.js'
import { type Finished, finished, main, userEnvironment } from '../../cli/millrace.js'
import { pause, until } from '../../waiting.js'

/** Locks that expire soon, so that tests do not wait long. */
const locks = { lock: 3000, check: 1000, losses: 5 }

/** Connects to a server, and closes the connection after use. */
export async function at<T>(url: string, use: (server: Server) => Promise<T>): Promise<T> {
  const server = await openServer(url)
  try {
    return await use(server)
  } finally {
    await server.close()
  }
}

/** Signs nothing. */
export const unsigned = new Signer(undefined)

/** Every folder: for tests that are about something else. */
const everywhere = [parse(process.cwd()).root]

/** Plans a sweep and puts it on a queue. */
export async function submitSweep(
  url: string,
  file: string,
  planned: PlanOptions,
  artifacts: string,
  retry = false,
  signer = unsigned,
): Promise<Submission> {
  const tasks = new Tasks()
  const plan = await planSweep(file, { kernel: 'reference', onPoint: tasks.note, ...planned })
  return at(url, async (server) => {
    const name = await freeName(server, plan, signer)
    return submit(server, plan, tasks.of(plan, artifacts), { name, retry, signer })
  })
}

/** Works until no point is left. Returns how each point ended. */
export async function workUntilDone(url: string, options: Partial<WorkOptions> = {}): Promise<string[]> {
  const told: string[] = []
  const onEvent = (event: WorkEvent): void => {
    if (event.type === 'outcome') told.push(event.outcome.error ?? event.outcome.status)
    else told.push('message' in event ? `${event.type}: ${event.message}` : event.type)
  }
  const { signal } = new AbortController()
  const folders = { artifacts: everywhere, data: everywhere }
  await work(url, { jobs: 1, locks, grace: 0, untilDone: true, signal, onEvent, folders, ...options })
  return told
}

/** Collects the results of a sweep whose runs are in a shared folder, by default into this folder itself. */
export function collectSweep(url: string, name: string, artifacts: string, out?: string): Promise<Collection> {
  return at(url, async (server) =>
    collect(server, await sweepNamed(server, name, unsigned), { out, artifacts: [artifacts], signer: unsigned }),
  )
}

/** How often points have started, all together. */
export function countExecutions(url: string): Promise<number> {
  return at(url, async ({ points }) => {
    const jobs = await points.getJobs(['completed', 'failed', 'active', 'waiting'], 0, -1)
    return jobs.reduce((sum, { attemptsStarted }) => sum + attemptsStarted, 0)
  })
}

/** How many points are done. */
export function countDone(url: string): Promise<number> {
  return at(url, ({ points }) => points.getCompletedCount())
}

export interface TestWorker {
  readonly process: ChildProcess
  readonly ended: Promise<Finished>
}

/** Starts `millrace sweep work`. It ends with the test. */
export function startWorker(t: Test, url: string, cwd: string, ...args: string[]): TestWorker {
  return startWorkerOn([], t, url, cwd, ...args)
}

/** Starts `millrace sweep work` through another command, such as one that enters a network namespace. */
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

/** Freezes a worker (SIGSTOP) while it runs a point. */
export async function freezeWithPoint({ process }: TestWorker, artifacts: string): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    process.kill('SIGSTOP')
    await until(() => isStopped(process.pid!), 'the worker to stop')
    if (countRunning(artifacts, process.pid!) > 0) return
    process.kill('SIGCONT')
    await pause(15)
  }
  throw new Error('the worker never ran a point')
}

/** Whether a process has received SIGSTOP. */
function isStopped(pid: number): boolean {
  return execFileSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' }).startsWith('T')
}

/** How many points a worker is running. */
export function countRunning(artifacts: string, pid: number): number {
  const folder = join(artifacts, 'working')
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.includes(`-${pid}-`)).length : 0
}

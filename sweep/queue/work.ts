import { show } from '../../pipeline/base/words.js'
import { Folders } from './folders.js'
import { isLost } from './lost.js'
import { POLL_INTERVAL, TaskRunner } from './runner.js'
import { closeOrCut, openServer, type Server } from './server.js'
import { Signer } from './signature.js'
import { unreadableJobs } from './unreadable.js'
import type { WorkOptions } from './work-options.js'

/**
 * Runs points from the queue of a server until `signal` aborts or, with `untilDone`, until none is left. Returns
 * whether the connection was closed. If it was not, because the server was lost, timers of BullMQ keep the process
 * alive. Throws as `openServer` does, and a PipelineError `ARGUMENTS` if the secret is empty or a folder with data does
 * not exist.
 */
export async function work(url: string, options: WorkOptions): Promise<boolean> {
  const signer = new Signer(options.secret)
  const folders = new Folders(options.folders ?? {})
  const server = await openServer(url, (message) => options.onEvent({ type: 'trouble', message }))
  const bullmq = await import('bullmq')
  const runner = new TaskRunner(options, signer, folders, bullmq)
  const worker = server.worker((job, token) => runner.process(job, token), options.jobs, options.locks)
  let isClosed: boolean
  try {
    worker.on('lockRenewalFailed', (ids) => runner.lose(ids))
    const running = worker.run()
    options.onReady?.(server)
    await Promise.race([running, aborted(options.signal), ...(options.untilDone ? [allDone(server, options)] : [])])
  } finally {
    isClosed = await closeOrCut(worker, (signal) => runner.end(signal))
    if (!isClosed)
      options.onEvent({
        type: 'trouble',
        message:
          'the server did not answer at the end; other workers get the unfinished points when their locks expire',
      })
    await runner.close()
    await server.close()
  }
  return isClosed
}

/** Jobs that are looked at one by one, because no worker can ever end one that cannot be parsed. */
const MAX_UNREADABLE = 20

async function allDone({ points, name }: Server, { signal, onEvent }: WorkOptions): Promise<void> {
  while (!signal.aborted) {
    // While the server is lost, this call waits for it.
    const { waiting, active, delayed } = await points.getJobCounts('waiting', 'active', 'delayed')
    const left = waiting! + active! + delayed!
    if (left === 0) return
    if (left <= MAX_UNREADABLE && !(await hasReadableJob(points))) {
      for (const id of await unreadableJobs(points))
        onEvent({
          type: 'trouble',
          message: `${show(id)} at ${name}: the job cannot be read, and no worker can end it`,
        })
      return
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL))
  }
}

async function hasReadableJob(points: Server['points']): Promise<boolean> {
  for (const id of await points.getRanges(['waiting', 'active', 'delayed'], 0, MAX_UNREADABLE)) {
    const job = await points.getJob(id).catch((error) => (isLost(error) ? error : undefined))
    if (job) return true
  }
  return false
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

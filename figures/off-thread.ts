import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { messageOf } from '../pipeline/base/errors.js'
import { entryPoint } from '../pipeline/base/package.js'
import { type DrawingAnswer, type DrawingRequest, type Drawings, drawings } from './drawings.js'

/** A thread without work ends after this time in milliseconds: it holds the drawing packages, some 100 MB. */
const IDLE = 10_000

/** The thread that draws, if there is one. Runs of one process share it. */
let thread: DrawingThread | undefined

/**
 * Calls a function that draws in another thread, so that the event loop of this one goes on. The result has the same
 * bytes. Rejects with the error of the function. If no thread can be started, the function is called in this thread.
 *
 * @param name of the function
 * @param given its arguments, plain data
 * @param signal once it aborts, the drawing no longer keeps the process alive
 */
export async function drawOffThread<K extends keyof Drawings>(
  name: K,
  given: Parameters<Drawings[K]>,
  signal?: AbortSignal,
): Promise<Awaited<ReturnType<Drawings[K]>>> {
  type Result = Awaited<ReturnType<Drawings[K]>>
  try {
    return (await openThread().draw(name, given, signal)) as Result
  } catch (error) {
    if (!(error instanceof NoThread)) throw error
    const draw = drawings[name] as unknown as (...given: readonly unknown[]) => Promise<Result>
    return draw(...given)
  }
}

/**
 * Starts the thread, if there is none yet, and loads there what a figure will need, while this thread has other work. Does not wait,
 * does not keep the process alive, and tells of no error: the figure will.
 */
export function prepareDrawing(what: Parameters<Drawings['load']>[0]): void {
  try {
    openThread()
      .draw('load', [what], AbortSignal.abort())
      .catch(() => {})
  } catch {}
}

function openThread(): DrawingThread {
  if (thread) return thread
  const made = new DrawingThread(() => {
    if (thread === made) thread = undefined
  })
  thread = made
  return made
}

/** The system gave no thread. */
class NoThread extends Error {}

/**
 * Whether `ulimit -v` limits the memory of the process. V8 reserves much of it for a thread, and ends the whole process
 * if that fails.
 */
function isAddressSpaceLimited(): boolean {
  try {
    return /^Max address space +\d/m.test(readFileSync('/proc/self/limits', 'utf8'))
  } catch {
    return false
  }
}

interface Job {
  readonly done: (result: string | Uint8Array) => void
  readonly fail: (error: Error) => void
}

class DrawingThread {
  private readonly worker: Worker
  private readonly jobs = new Map<number, Job>()
  private hasStarted = false
  private count = 0
  /** Jobs that keep the process alive. */
  private wanted = 0
  private idle: NodeJS.Timeout | undefined
  private readonly onEnd: () => void

  /** @param onEnd called when the thread takes no more work */
  constructor(onEnd: () => void) {
    this.onEnd = onEnd
    if (isAddressSpaceLimited()) throw new NoThread('the address space is limited')
    try {
      this.worker = new Worker(entryPoint('figures/worker.js'), {
        name: 'millrace figures',
        // By default workers load the loaders of the process, which are slow, and not found from another folder.
        execArgv: [],
      })
    } catch (cause) {
      throw new NoThread(messageOf(cause), { cause })
    }
    this.worker.unref()
    const end = (error: Error): void => {
      onEnd()
      for (const job of this.jobs.values()) job.fail(error)
      this.jobs.clear()
    }
    this.worker.on('online', () => {
      this.hasStarted = true
    })
    this.worker.on('message', (answer: DrawingAnswer) => {
      const job = this.jobs.get(answer.id)
      this.jobs.delete(answer.id)
      if ('error' in answer) job?.fail(new Error(answer.error))
      else job?.done(answer.result)
    })
    this.worker.on('error', (error) => end(this.hasStarted ? error : new NoThread(error.message)))
    this.worker.on('exit', () => end(new Error('the thread that draws figures has ended')))
  }

  draw(name: keyof Drawings, given: readonly unknown[], signal: AbortSignal | undefined): Promise<string | Uint8Array> {
    clearTimeout(this.idle)
    const release = this.keepAlive()
    if (signal?.aborted) release()
    signal?.addEventListener('abort', release)
    return new Promise<string | Uint8Array>((done, fail) => {
      const id = this.count++
      this.jobs.set(id, { done, fail })
      this.worker.postMessage({ id, name, given } satisfies DrawingRequest)
    }).finally(() => {
      signal?.removeEventListener('abort', release)
      release()
      if (this.jobs.size === 0) this.idle = setTimeout(() => this.stop(), IDLE).unref()
    })
  }

  private stop(): void {
    // At once: the end of the thread takes some milliseconds, and a figure that comes meanwhile needs another one.
    this.onEnd()
    void this.worker.terminate()
  }

  /** Keeps the process alive until the returned function is called. */
  private keepAlive(): () => void {
    if (this.wanted++ === 0) this.worker.ref()
    let isReleased = false
    return () => {
      if (isReleased) return
      isReleased = true
      if (--this.wanted === 0) this.worker.unref()
    }
  }
}

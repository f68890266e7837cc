import { Worker } from 'node:worker_threads'
import { checkRoomForThreads } from '../../kernels/memory.js'
import { type DataSource, entryPoint } from '../../pipeline/stage-kit.js'

/** Asks for the next images. */
export interface ImageRequest {
  /** Further files, which the thread reads after those that it was given before. */
  readonly paths: readonly string[]
  /** The size that PNG images get; undefined: they keep their own. */
  readonly size: readonly [height: number, width: number] | undefined
}

/** An image that was read, or why it cannot be. `length` is that of its bytes in the data of the answer. */
export type ReadImage =
  | { readonly length: number; readonly problem: string }
  | { readonly length: number; readonly source: DataSource; readonly png?: PngSize }

/** The size of a PNG image, which is decoded: `[height, width, 3]`. The bytes of other files are as they were read. */
export interface PngSize {
  /** Width in pixels. */
  readonly width: number
  /** Height in pixels. */
  readonly height: number
  /** Whether its own size was another one. */
  readonly wasResized: boolean
}

/** The next images, as many as were quickly read: at least one, if files are left. */
export interface ImageAnswer {
  /** The images, in order. */
  readonly images: readonly ReadImage[]
  /** Their bytes, one after the other. */
  readonly data: Uint8Array<ArrayBuffer>
}

/** Files that the thread knows ahead of those that were used. */
const KNOWN_AHEAD = 128

const ENDED = 'the thread that reads images was ended'

/** Answers that are asked for at a time: one is made while another one is used. */
const ANSWERS = 2

interface Job {
  readonly done: (answer: ImageAnswer) => void
  readonly fail: (error: unknown) => void
}

/**
 * A thread that reads files of images, and decodes those that are PNG. It waits for each file, because a small one is read sooner
 * than asked for and waited for asynchronously. It starts with the first image; call `close` at the end.
 */
export class ImageThread {
  private readonly signal: AbortSignal
  private worker: Worker | undefined
  private jobs: Job[] = []

  /** @param signal ends the thread if it aborts; what is being read is then rejected with its reason */
  constructor(signal: AbortSignal) {
    this.signal = signal
  }

  /**
   * Reads images in order, some at a time, and resizes PNG images if a size is given. Throws a RangeError if there is no memory for a
   * thread, and the error of the thread if that ends.
   */
  async *read(paths: readonly string[], size: ImageRequest['size']): AsyncGenerator<ImageAnswer> {
    const answers: Promise<ImageAnswer>[] = []
    let asked = 0
    let count = 0
    try {
      while (count < paths.length) {
        while (answers.length < ANSWERS) {
          const further = paths.slice(asked, count + KNOWN_AHEAD)
          asked += further.length
          answers.push(this.ask({ paths: further, size }))
        }
        const answer = await answers.shift()!
        yield answer
        count += answer.images.length
      }
      await Promise.all(answers)
    } finally {
      // The answers that it still gives are not those of the next call.
      if (count < paths.length) await this.close()
    }
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    await this.end(new Error(ENDED))
  }

  private ask(request: ImageRequest): Promise<ImageAnswer> {
    this.signal.throwIfAborted()
    this.worker ??= this.start()
    const answer = new Promise<ImageAnswer>((done, fail) => {
      this.jobs.push({ done, fail })
      this.worker!.postMessage(request)
    })
    // Each is waited for, but an earlier one may have failed.
    answer.catch(() => {})
    return answer
  }

  private start(): Worker {
    checkRoomForThreads(1)
    // By default workers load the loaders of the process, and then start ten times slower.
    const worker = new Worker(entryPoint('stages/load/image-worker.js'), { execArgv: [] })
    worker.on('message', (answer: ImageAnswer) => this.jobs.shift()?.done(answer))
    const died = (error: unknown): void => {
      if (this.worker === worker) void this.end(error)
    }
    worker.on('error', died)
    worker.on('exit', () => died(new Error(ENDED)))
    this.signal.addEventListener('abort', this.onAbort)
    return worker
  }

  private readonly onAbort = (): void => void this.end(this.signal.reason)

  private async end(reason: unknown): Promise<void> {
    const { worker, jobs } = this
    this.worker = undefined
    this.jobs = []
    this.signal.removeEventListener('abort', this.onAbort)
    for (const { fail } of jobs) fail(reason)
    await worker?.terminate()
  }
}

import { Worker } from 'node:worker_threads'
import { entryPoint } from '../../pipeline/stage-kit.js'
import type { Rgb } from './png.js'

/** An image to decode. */
export interface PngRequest {
  /** Number of the request, which its answer has as well. */
  readonly id: number
  /** The PNG file. */
  readonly bytes: Uint8Array
  /** The size that the image gets; undefined: it keeps its own. */
  readonly size: readonly [height: number, width: number] | undefined
}

/** The image and the size that it had, or why it cannot be decoded. */
export type PngAnswer =
  | { readonly id: number; readonly height: number; readonly width: number; readonly image: Rgb }
  | { readonly id: number; readonly problem: string }

/** An image that was decoded, and the size that it had. */
export interface SizedImage {
  /** Height of the file, in pixels. */
  readonly height: number
  /** Width of the file, in pixels. */
  readonly width: number
  /** The image, in the size that was asked for. */
  readonly image: Rgb
}

interface Job {
  readonly done: (image: SizedImage) => void
  readonly fail: (error: Error) => void
}

/** Images of more pixels are decoded in a thread of their own: here they would hold the event loop for over 50 ms. */
const MOST_HERE = 1 << 16

/** Whether a PNG file says that it has so many pixels that it is not decoded in this thread. */
export function isLargePng(bytes: Buffer): boolean {
  return bytes.length >= 24 && bytes.readUInt32BE(16) * bytes.readUInt32BE(20) > MOST_HERE
}

/**
 * A thread that decodes PNG images, one after the other. It starts with the first image, and again after it has died; call
 * `close` at the end.
 */
export class PngThread {
  private worker: Worker | undefined
  private readonly jobs = new Map<number, Job>()
  private count = 0
  private isClosed = false

  /** Decodes an image, to a size if it is given. Rejects if it is damaged, or if the thread ends, has ended or cannot start. */
  async decode(bytes: Uint8Array, size: PngRequest['size']): Promise<SizedImage> {
    // Nobody would end another thread.
    if (this.isClosed) throw ended()
    this.worker ??= this.start()
    const id = this.count++
    return new Promise((done, fail) => {
      this.jobs.set(id, { done, fail })
      this.worker!.postMessage({ id, bytes, size } satisfies PngRequest)
    })
  }

  /** Ends the thread. Images that it has not decoded are rejected. */
  async close(): Promise<void> {
    this.isClosed = true
    await this.worker?.terminate()
    this.failAll(ended())
  }

  private start(): Worker {
    const worker = new Worker(entryPoint('stages/load/png-worker.js'), { execArgv: [] })
    worker.on('message', (answer: PngAnswer) => {
      const job = this.jobs.get(answer.id)
      this.jobs.delete(answer.id)
      if ('problem' in answer) job?.fail(new Error(answer.problem))
      else job?.done(answer)
    })
    const fail = (error: Error): void => {
      if (this.worker !== worker) return
      this.worker = undefined
      this.failAll(error)
    }
    worker.on('error', (error) => fail(error as Error))
    worker.on('exit', () => fail(ended()))
    return worker
  }

  private failAll(error: Error): void {
    for (const { fail } of this.jobs.values()) fail(error)
    this.jobs.clear()
  }
}

const ended = (): Error => new Error('the thread that decodes images was ended')

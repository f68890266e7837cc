import { Pipeline } from '../index.js'
import { type KernelName, type Kernels, openKernels } from '../kernels/index.js'
import type { Trust } from '../pipeline/definition/trust.js'
import { type Prepared, prepare } from '../pipeline/run/prepared.js'
import type { Point } from './point.js'

/** Prepared data beyond this many bytes is forgotten, the least recently used first; the newest is always kept. */
const MOST = 1 << 30

/** The prepared data of points: made once, and given to all that agree on it, in whatever thread. */
export class SharedData {
  private readonly trust: Trust
  private readonly kernels = new Map<KernelName, Promise<Kernels>>()
  private readonly known = new Map<string, Prepared>()
  /** Whether data differs from seed to seed, by preparation. */
  private readonly usesSeed = new Map<string, boolean>()
  private queue: Promise<unknown> = Promise.resolve()

  constructor(trust: Trust) {
    this.trust = trust
  }

  /** The data of a point; nothing where it cannot be shared, or cannot be had: the run itself then says why. */
  of(point: Point, signal: AbortSignal): Promise<Prepared | undefined> {
    const next = this.queue.then(() => this.find(point, signal))
    this.queue = next
    return next
  }

  private async find(point: Point, signal: AbortSignal): Promise<Prepared | undefined> {
    const { preparation, seed } = point
    if (preparation === undefined || signal.aborted) return undefined
    const keyOf = (): string => (this.usesSeed.get(preparation) ? `${preparation} ${seed}` : preparation)
    const known = this.usesSeed.has(preparation) ? this.known.get(keyOf()) : undefined
    if (known) return this.keep(keyOf(), known)
    const made = await this.make(point, signal)
    if (!made) return undefined
    this.usesSeed.set(preparation, made.usesSeed)
    return this.keep(keyOf(), made)
  }

  private async make(point: Point, signal: AbortSignal): Promise<Prepared | undefined> {
    try {
      const kernels = this.kernels.get(point.kernel) ?? openKernels({ kernel: point.kernel, threads: 1 })
      this.kernels.set(point.kernel, kernels)
      const pipeline = await Pipeline.load(point.pipeline, { set: point.set, seed: point.seed, ...this.trust })
      return await prepare(pipeline, await kernels, signal)
    } catch {
      return undefined
    }
  }

  /** Puts it last, and forgets what is too much. */
  private keep(key: string, prepared: Prepared): Prepared {
    this.known.delete(key)
    this.known.set(key, prepared)
    let bytes = 0
    for (const [other, data] of [...this.known].reverse()) {
      bytes += data.bytes
      if (bytes > MOST && other !== key) this.known.delete(other)
    }
    return prepared
  }

  async close(): Promise<void> {
    await this.queue
    this.known.clear()
    for (const kernels of this.kernels.values())
      await kernels.then(
        (opened) => opened.close(),
        () => {},
      )
  }
}

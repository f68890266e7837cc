import { Pipeline } from '../index.js'
import { type KernelName, type Kernels, openKernels } from '../kernels/index.js'
import type { Trust } from '../pipeline/definition/trust.js'
import { type Prepared, prepare } from '../pipeline/run/prepared.js'
import type { Point } from './point.js'

/** The bytes of prepared data to keep. The least recently used goes first; the newest always stays. */
const MAX_BYTES = 1 << 30

/** The prepared data of points. It is made once and shared by all points with the same preparation, in all threads. */
export class SharedData {
  private readonly trust: Trust
  private readonly kernels = new Map<KernelName, Promise<Kernels>>()
  private readonly known = new Map<string, Prepared>()
  /** Whether the data depends on the seed, by preparation. */
  private readonly usesSeed = new Map<string, boolean>()
  private queue: Promise<unknown> = Promise.resolve()

  /** @param trust what the definitions are allowed to do */
  constructor(trust: Trust) {
    this.trust = trust
  }

  /** The data of a point. Returns undefined if it cannot be shared or made: then the run of the point reports why. */
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
    const prepared = await this.make(point, signal)
    if (!prepared) return undefined
    this.usesSeed.set(preparation, prepared.usesSeed)
    return this.keep(keyOf(), prepared)
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

  /** Marks data as the most recently used, and drops the oldest if there is too much. */
  private keep(key: string, prepared: Prepared): Prepared {
    this.known.delete(key)
    this.known.set(key, prepared)
    let bytes = 0
    for (const [other, data] of [...this.known].reverse()) {
      bytes += data.bytes
      if (bytes > MAX_BYTES && other !== key) this.known.delete(other)
    }
    return prepared
  }

  /** Frees the data and closes the kernels. */
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

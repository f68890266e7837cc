import type { KernelName } from '../kernels/contract.js'
import type { Halving } from '../pipeline/definition/sweep.js'
import type { DataSource } from '../pipeline/stage/stage.js'

/** One run of a sweep. It is plain data: it can be sent to a thread, a queue or another machine. */
export interface Point {
  /** What it is, see `keyOf`: points of equal keys give equal results. Also the name of its directory. */
  readonly key: string
  /** The values that tell it from other points, by name, without the seed. */
  readonly settings: Readonly<Record<string, unknown>>
  readonly seed: number
  /** The YAML file, or the built-in pipeline. */
  readonly pipeline: string
  /** What makes the point of the pipeline, as `--set` takes it; the seed comes on top. */
  readonly set: readonly string[]
  readonly kernel: KernelName
  /** Digest of the definition as it was planned: whoever executes the point can tell that it is still the same. */
  readonly definition: string
  /** Points with the same one (and, where it matters, the same seed) share their prepared data. */
  readonly preparation?: string | undefined
  /** Says how long to run it, of a point that is run in parts. */
  readonly length?: Length | undefined
}

/** How many epochs a run has, and which var or `stage.option` says so. */
export interface Length {
  readonly name: string
  readonly epochs: number
}

/** Everything a sweep is going to run. */
export interface Plan {
  readonly name: string
  readonly pipeline: string
  readonly kernel: KernelName
  /** The metric that says which setting is best, where the definition or the command line names one. */
  readonly monitor?: string | undefined
  readonly halving?: Halving | undefined
  /** Names of the settings, in order. */
  readonly names: readonly string[]
  readonly data: readonly DataSource[]
  readonly points: readonly Point[]
}

/** `eta=0.01 lambda=0.1 seed=400`. */
export function formatPoint({ settings, seed }: Pick<Point, 'settings' | 'seed'>): string {
  return [...Object.entries(settings), ['seed', seed] as const]
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ')
}

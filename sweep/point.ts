import type { KernelName } from '../kernels/contract.js'
import type { DataSource } from '../pipeline/base/data-source.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import type { Halving } from '../pipeline/definition/sweep.js'

/** One run of a sweep. It is plain data, so that it can be sent to a thread, a queue or another machine. */
export interface Point {
  /** Identifies the point: points with equal keys give equal results. Also the name of its directory. */
  readonly key: string
  /** The values that tell the point from others, by name, without the seed and the fold. */
  readonly settings: Readonly<Record<string, unknown>>
  /** The seed of the run. */
  readonly seed: number
  /** The fold of a cross-validation that is held out, from 1. */
  readonly fold?: number | undefined
  /** The YAML file, or the name of a built-in pipeline. */
  readonly pipeline: string
  /** The overrides that turn the pipeline into this point, as `--set` takes them, without the seed. */
  readonly set: readonly string[]
  /** The kernel that executes the point. */
  readonly kernel: KernelName
  /** A digest of the definition. The executor compares it, to find out if the file has changed since. */
  readonly definition: string
  /**
   * A digest of the data preparation. Points that agree in it (and in the seed, if the data depends on it) share data.
   */
  readonly preparation?: string | undefined
  /** The length of the run, for a point that is run in parts. */
  readonly length?: Length | undefined
}

/** The length of a run. */
export interface Length {
  /** The var or `stage.option` that holds the number of epochs. */
  readonly name: string
  /** The number of epochs. */
  readonly epochs: number
}

/** The plan of a sweep: every point that it runs. */
export interface Plan {
  /** The name of the pipeline. */
  readonly name: string
  /** The YAML file, or the name of a built-in pipeline. */
  readonly pipeline: string
  /** The kernel that executes the points. */
  readonly kernel: KernelName
  /** The metric that settings are compared by, if the definition or the command line names one. */
  readonly monitor?: string | undefined
  /** After how many epochs settings are compared, and which share of them continues. */
  readonly halving?: Halving | undefined
  /** The names of the settings, in order. */
  readonly names: readonly string[]
  /** The data files that the points read. */
  readonly data: readonly DataSource[]
  /** The points, in order. */
  readonly points: readonly Point[]
}

/** Formats a point for people: `eta=0.01 lambda=0.1 seed=400 fold=2`. */
export function formatPoint({ settings, seed, fold }: Pick<Point, 'settings' | 'seed' | 'fold'>): string {
  const places = [['seed', seed] as const, ...(fold === undefined ? [] : [['fold', fold] as const])]
  return [...Object.entries(settings), ...places]
    .map(([name, value]) => oneLine(`${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`))
    .join(' ')
}

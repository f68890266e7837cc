import type { Table } from 'apache-arrow'
import type { Observable } from 'rxjs'
import type { z } from 'zod'
import type { Kernels } from '../../kernels/contract.js'
import type { DataSource } from '../base/data-source.js'
import type { Random } from '../base/random.js'
import type { Flow } from './flow-contract.js'
import type { AnyLearner } from './learner.js'
import type { Parallel } from './parallel-contract.js'

/**
 * What kind of table a wire carries: one of the kinds that Millrace knows, or any other name that a stage of a user
 * gives. A wire connects ports of the same type only.
 */
export type WireType =
  | 'examples'
  | 'batch'
  | 'parameters'
  | 'metrics'
  | 'gradient-check'
  | 'any'
  // Any other string. The intersection keeps the names above in the suggestions of an editor.
  | (string & Record<never, never>)

/** A named input or output of a stage: what kind of table goes through it. */
export interface Port<T extends WireType = WireType> {
  readonly type: T
}
export type Ports = Readonly<Record<string, Port>>

/** The port types. An `any` input takes whatever comes. */
export const wire = {
  examples: { type: 'examples' },
  batch: { type: 'batch' },
  parameters: { type: 'parameters' },
  metrics: { type: 'metrics' },
  gradientCheck: { type: 'gradient-check' },
  any: { type: 'any' },
} as const satisfies Record<string, Port>

/** What is known about a wire before any data is read; what is not known is left out. */
export interface Facts {
  readonly splits?: readonly string[]
  /** Shape of one example; its product is the feature width. */
  readonly shape?: readonly number[]
  readonly classes?: readonly string[]
  /** Names of the columns of a `metrics` wire. */
  readonly metrics?: readonly string[]
  /** The learner of a `parameters` wire; null if the stage that makes it names none. */
  readonly learner?: AnyLearner | null
}

/** What a stage may look at when the graph is checked. */
export interface Checking<O> {
  readonly options: O
  /** Facts of each input, by port. */
  readonly inputs: Readonly<Record<string, Facts>>
  /** Reports a mistake; `path` is the option it is about (`splits[2]`), empty for the stage as a whole. */
  problem(path: string, message: string): void
}

/** What a running stage is given. */
export interface StageContext {
  readonly id: string
  /** What is known statically about each input. */
  readonly inputs: Readonly<Record<string, Facts>>
  readonly kernels: Kernels
  /**
   * The learner that made parameters, by the name they carry. Throws a PipelineError `DATA` if no stage of the pipeline
   * declares a learner of that name.
   */
  learner(name: string): AnyLearner
  readonly flow: Flow
  readonly signal: AbortSignal
  /** The stream of random numbers for one purpose of this stage, of its own for each epoch. */
  random(purpose: string, epoch?: number): Random
  /** The absolute path of an output file inside the run directory; folders on the way are made. */
  file(path: string): string
  /** Tells the run which data was read, for `run.json`. */
  source(source: DataSource): void
  /** Says something a user should know: shown once, kept in `run.json`. */
  note(message: string): void
  /**
   * Ends the run early and well: the sources give nothing more, what is under way is finished, and the run is done.
   * The reason is kept like a note. Who calls it while an evaluation holds the training sees no further step.
   */
  stop(reason: string): void
  /**
   * Makes what this stage keeps from table to table a part of checkpoints. Call it once, when the stage is subscribed.
   * When the run is resumed, `restore` is called within, before anything flows.
   *
   * After that the sources start again at the epoch of the checkpoint, or before it: a stage that counts or writes what
   * passes must ignore the steps it had seen. A stage that keeps nothing, or that is given all of it again within an
   * epoch, needs no state.
   */
  state<S extends z.ZodType>(schema: S, keeper: StateHooks<z.output<S>>): void
  /** The part of this process in the run: which shards of the examples it holds, and how it talks to the other processes. */
  readonly parallel: Parallel
  /** Where progress goes. */
  readonly terminal: Terminal
}

/** How a stage gives its state away and takes it back. State is JSON, numbers of any kind, and arrays of numbers. */
export interface StateHooks<S> {
  /** The state as it is, between two tables; nothing where there is none yet. Arrays are copied by whoever asks. */
  snapshot(): S | undefined
  restore(state: S): void
  /** Resolves when files that the snapshot speaks of are on the disk. */
  sync?(): Promise<void>
}

export type { DataSource }

export interface Terminal {
  /** True where lines may be redrawn. */
  readonly interactive: boolean
  write(text: string): void
}

type IsUnion<T, U = T> = T extends unknown ? ([U] extends [T] ? false : true) : never
type Side<P extends Ports> = IsUnion<keyof P> extends true ? { [K in keyof P]: Observable<Table> } : Observable<Table>
type Outcome<P extends Ports> = [keyof P] extends [never] ? Observable<unknown> : Side<P>

/** What `run` returns: an Observable for a source, else a function of the inputs; several ports are objects of Observables. */
export type Runner<I extends Ports, P extends Ports> = [keyof I] extends [never]
  ? Outcome<P>
  : (inputs: Side<I>) => Outcome<P>

export interface Stage<
  O extends z.ZodType = z.ZodType,
  I extends Ports = Ports,
  P extends Ports = Ports,
  M extends readonly string[] = readonly string[],
> {
  /** `family/name`, which is also the file it lives in. */
  readonly name: string
  /** One sentence, third person. */
  readonly summary: string
  readonly options: O
  readonly inputs: I
  readonly outputs: P
  /**
   * For a stage that makes metrics: what they measure. A metric is named by the split and one of these, `test_loss`.
   * Only TypeScript uses it, for the type of the rows. If left out, rows have any metric.
   */
  readonly metrics?: M
  /** YAML of one use. */
  readonly example: string
  /** What it keeps in memory and how many tables are in flight, in words; nothing said: nothing held. */
  readonly holds?: string
  /**
   * Where it runs when a run is divided: on `every` rank, which for a stage with examples or batches means that it works
   * on the shards of its rank and knows it; or on the `first` alone, as befits what writes. Nothing said: on every rank,
   * unless it has examples or batches: then such a run is refused.
   */
  readonly parallel?: 'every' | 'first'
  /** The learner whose parameters it emits; every stage that makes parameters names one. */
  readonly learner?: AnyLearner
  /**
   * What is known about the outputs; checks options against what is known about the inputs. Default: the facts of the
   * input if the stage has exactly one, else nothing.
   */
  facts?(checking: Checking<z.output<O>>): Partial<Record<keyof P, Facts>>
  /**
   * The files whose content decides what it emits, of a stage that reads data: all of them. A sweep knows by them which
   * of its points are done, and prepares the data once for all points.
   */
  sources?(options: z.output<O>): readonly string[]
  /**
   * The output files that are known before the run, as `context.file` will be asked for them, so that two stages do not
   * write the same one. Default: the options that are an `outputPath`.
   */
  files?(options: z.output<O>): readonly string[]
  run(options: z.output<O>, context: StageContext): Runner<I, P>
}

/** A stage of any kind, as the engine handles it. */
// biome-ignore lint/suspicious/noExplicitAny: the engine checks options and wires itself
export type AnyStage = Omit<Stage<any, any, any>, 'run'> & { run(options: any, context: StageContext): unknown }

/** Returns its argument: it is there so that TypeScript infers the options and ports. */
export function defineStage<
  O extends z.ZodType,
  const I extends Ports,
  const P extends Ports,
  const M extends readonly string[] = readonly string[],
>(stage: Stage<O, I, P, M>): Stage<O, I, P, M> {
  return stage
}

export function isStage(value: unknown): value is AnyStage {
  const stage = value as Partial<AnyStage> | null
  return (
    typeof stage === 'object' &&
    stage !== null &&
    typeof stage.name === 'string' &&
    typeof stage.run === 'function' &&
    typeof stage.options?.safeParse === 'function' &&
    typeof stage.inputs === 'object' &&
    typeof stage.outputs === 'object'
  )
}

import type { Table } from 'apache-arrow'
import type { Observable } from 'rxjs'
import type { z } from 'zod'
import type { Kernels } from '../../kernels/contract.js'
import type { DataSource } from '../base/data-source.js'
import type { TrainingInterval } from '../base/every.js'
import type { Random } from '../base/random.js'
import { listed } from '../base/words.js'
import type { Flow } from './flow-contract.js'
import type { AnyLearner } from './learner.js'
import type { Memory } from './memory.js'
import type { Parallel } from './parallel-contract.js'

/**
 * The kind of table that a wire carries: one of the kinds that Millrace knows, or a name that a user's stage defines.
 * A wire connects ports of the same type only.
 */
export type WireType =
  | 'examples'
  | 'batch'
  | 'parameters'
  | 'metrics'
  | 'predictions'
  | 'gradient-check'
  | 'any'
  // Any other string. The intersection keeps the names above in the suggestions of an editor.
  | (string & Record<never, never>)

/** An input or output of a stage. */
export interface Port<T extends WireType = WireType> {
  /** The kind of table that goes through it. */
  readonly type: T
  /** Other kinds that an input takes as well. */
  readonly also?: readonly WireType[]
}

/** The inputs or the outputs of a stage, by name. */
export type Ports = Readonly<Record<string, Port>>

/** The port types. An `any` input accepts tables of every kind. */
export const wire = {
  examples: { type: 'examples' },
  batch: { type: 'batch' },
  parameters: { type: 'parameters' },
  metrics: { type: 'metrics' },
  predictions: { type: 'predictions' },
  /** For inputs: tables whose columns are numbers and texts, of metrics or of predictions. */
  flat: { type: 'metrics', also: ['predictions'] },
  gradientCheck: { type: 'gradient-check' },
  any: { type: 'any' },
} as const satisfies Record<string, Port>

/** What is known about a wire before any data is read. Fields that are not known are left out. */
export interface Facts {
  /** Names of the splits. */
  readonly splits?: readonly string[]
  /** Shape of one example; its product is the feature width. */
  readonly shape?: readonly number[]
  /** Names of the classes, in the order of the labels. */
  readonly classes?: readonly string[]
  /** Rows of a batch. */
  readonly batchSize?: number
  /** Whether each example has a weight, by which training steps multiply its loss. */
  readonly weighted?: boolean
  /** The splits from whose rows the load stage took the fill values of missing cells, if it took any from rows. */
  readonly fitted?: readonly string[]
  /** Names of the columns of a `metrics` wire. */
  readonly metrics?: readonly string[]
  /** The learner of a `parameters` wire; null if the stage that makes it names none. */
  readonly learner?: AnyLearner | null
}

/** What a stage gets when the graph is checked, before the run. */
export interface Checking<O> {
  /** Its options. */
  readonly options: O
  /** Facts of each input, by port. */
  readonly inputs: Readonly<Record<string, Facts>>
  /** Reports a mistake. `path` is the option with the mistake (`splits[2]`), or empty for the stage as a whole. */
  problem(path: string, message: string): void
}

/** The output that feeds an input. */
export interface Feed {
  /** The id of the stage. */
  readonly id: string
  /** The kind of table. */
  readonly type: WireType
}

/** What a stage may ask of the stage that makes the parameters of an input. */
export interface Asked {
  /** A table with the parameters before the first step, at step 0 of epoch 0. */
  readonly start?: boolean
  /** The norm of the gradient, at the end of every such interval; `gradientNormOf` returns it. */
  readonly gradientNorm?: TrainingInterval
  /**
   * When it reads the arrays of parameters: at the end of every such interval and in the last table, or in the last one
   * alone. A kernel on a device copies them into this process then, and no reader may look at those of other tables. A stage
   * that leaves this out gets them with every table, which takes a device longer than the step.
   */
  readonly arrays?: TrainingInterval | 'last'
  /**
   * Examples in tables of a few megabytes, split after split or mixed, instead of one table for each split: the rows need not
   * be in memory together. A stage that does not answer this gives whole splits.
   */
  readonly pieces?: boolean
  /** Batches whose rows are still in a file, if the split is. A stage that does not answer this reads the rows. */
  readonly unread?: boolean
  /**
   * Batches whose memory may be used again as soon as the next one is emitted: the stage keeps none of them. It holds only if it
   * does for all stages that get the batches, also those to which they are passed on.
   */
  readonly borrowed?: boolean
}

/** What stands above a stage: all that its input depends on. */
export interface Above {
  /** A checksum of the stages above, their options, the seeds and the version, in hexadecimal. */
  readonly digest: string
  /** The files that they read. */
  readonly sources: readonly string[]
  /** Those that the run has read so far, with their checksums. */
  read(): readonly DataSource[]
}

/** What a running stage gets from the run. */
export interface StageContext {
  /** The id of the stage in the pipeline. */
  readonly id: string
  /** What was known about each input before the run, by port. */
  readonly inputs: Readonly<Record<string, Facts>>
  /** What the stages that its outputs feed ask of it; see `Stage.asks`. */
  readonly asked: readonly Asked[]
  /** The metrics that `Stage.watches` names, evaluation by evaluation; undefined if it names none. */
  readonly watched: Observable<Table> | undefined
  /** The kernels of the run. */
  readonly kernels: Kernels
  /**
   * Returns the learner with the name and the options that a `parameters` table carries. Throws a PipelineError `DATA` if
   * no stage of the pipeline declares a learner of that name.
   */
  learner(name: string, options?: Readonly<Record<string, unknown>>): AnyLearner
  /** Backpressure; see `Flow`. */
  readonly flow: Flow
  /** The memory that all stages of the run share. */
  readonly memory: Memory
  /** What stands above this stage. */
  readonly above: Above
  /**
   * Tells that this stage needs no more of its input. Stages above that nobody else reads are ended, without an error.
   */
  enough(): void
  /** Aborted if the run is stopped. */
  readonly signal: AbortSignal
  /** Returns the stream of random numbers for one purpose of this stage. Each epoch has a stream of its own. */
  random(purpose: string, epoch?: number): Random
  /**
   * Returns the stream of random numbers that divides data into splits. Its seed is the one in the definition, whatever
   * seed the run was given (`--seed`, sweeps over seeds): runs with different seeds are tested on the same rows.
   *
   * @param seed another seed, from an option of the stage; a non-negative safe integer
   */
  splitRandom(seed?: number): Random
  /** The absolute path of the run directory; empty if the run has none. Files are written to what `file` returns. */
  readonly directory: string
  /** Returns the absolute path of an output file inside the run directory. Makes the folders above it. */
  file(path: string): string
  /**
   * Returns the absolute path of a file inside the run directory that is none of the outputs of the run. Makes the folders
   * above it.
   */
  unlistedFile(path: string): string
  /**
   * Whether the definition is the user's own, so that a stage may keep files beside the data. One from elsewhere, from a run
   * directory, or that may load no code writes into the run directory only.
   */
  readonly isOwn: boolean
  /** Records in `run.json` which data was read. */
  source(source: DataSource): void
  /** Adds a note for the user. It is shown once and kept in `run.json`. */
  note(message: string): void
  /**
   * Ends the run early, without an error. The sources emit no further table, the stages finish the tables that they
   * have, and the run is done. The reason is kept like a note. If an evaluation calls it, no further training step
   * runs.
   */
  stop(reason: string): void
  /**
   * Adds the state of this stage to checkpoints. Call it once, when the stage is subscribed. If the run is resumed,
   * `restore` is called during this call, before any table arrives. Write no file before `begin` or the first new table:
   * until then a resumed run may be refused, and must stay as it was.
   *
   * A resumed run starts its sources again at the epoch of the checkpoint, or before it. A stage that counts or writes
   * tables must therefore ignore the steps that it has already seen. A stage needs no state if it keeps nothing from
   * table to table, or if it gets all of it again within an epoch.
   */
  state<S extends z.ZodType>(schema: S, keeper: StateHooks<z.output<S>>): void
  /** The rank of this process: the shards of the examples that it holds, and its connection to the other processes. */
  readonly parallel: Parallel
  /** The output for progress. */
  readonly terminal: Terminal
}

/**
 * How a stage saves and restores its state. A state consists of JSON values, numbers of any kind (also NaN and
 * infinities), and typed arrays.
 */
export interface StateHooks<S> {
  /**
   * Brings the state into this process, if it lies elsewhere, as on a device. Called before `snapshot`, between two tables;
   * the run waits for the promise.
   */
  prepare?(): Promise<void> | undefined
  /** Returns the state between two tables, or undefined if there is none yet. The caller copies arrays. */
  snapshot(): S | undefined
  /** Takes over the state that a checkpoint holds. */
  restore(state: S): void
  /**
   * Opens the files of the stage and puts them back to the state: cuts what has grown since, writes what was replaced
   * since. Called once, after `restore` and before the first table of a new step. Until then a resumed run may still be
   * refused, and then no file may have changed.
   */
  begin?(): void
  /** Resolves once every file named in the snapshot has been synced to disk. */
  sync?(): Promise<void>
}

/** The output for progress, for example of `sink/terminal`. */
export interface Terminal {
  /** True if lines may be redrawn. */
  readonly interactive: boolean
  /** The width in columns, now; it changes with the window. Undefined or 0 if it is not known. */
  readonly width?: number | undefined
  /** True if the metrics and the progress are shown without `sink/terminal`. */
  readonly showsMetrics?: boolean | undefined
  /** Writes a text as it is; it adds no line break. */
  write(text: string): void
}

type IsUnion<T, U = T> = T extends unknown ? ([U] extends [T] ? false : true) : never
type Side<P extends Ports> = IsUnion<keyof P> extends true ? { [K in keyof P]: Observable<Table> } : Observable<Table>
type Outcome<P extends Ports> = [keyof P] extends [never] ? Observable<unknown> : Side<P>

/**
 * What `run` returns: an Observable if the stage has no inputs, else a function from the inputs to the outputs. A side
 * with one port is an Observable, a side with several ports an object of Observables.
 */
export type Runner<I extends Ports, P extends Ports> = [keyof I] extends [never]
  ? Outcome<P>
  : (inputs: Side<I>) => Outcome<P>

/** A stage: its declaration, and the function that runs it. */
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
  /** The schema of its options. */
  readonly options: O
  /** Its inputs, by name. */
  readonly inputs: I
  /** Its outputs, by name. */
  readonly outputs: P
  /**
   * The metrics that the stage computes for each split. The name of a column is the split and one of these names:
   * `test_loss`. Only TypeScript uses this list, for the type of the rows. If left out, rows have any metric.
   */
  readonly metrics?: M
  /** YAML of one use. */
  readonly example: string
  /** What it keeps in memory and how many tables are in flight, as a text. Leave it out if it holds nothing. */
  readonly holds?: string
  /**
   * The ranks of a divided run on which the stage runs. `every`: all ranks; a stage with examples or batches then works
   * on the shards of its rank. `first`: the first rank only, for stages that write files. Default: every rank, but a
   * divided run is refused if the stage has examples or batches.
   */
  readonly parallel?: 'every' | 'first'
  /**
   * The options that may have another value when a run is resumed. `whole`: it is then as if the run had had the new
   * value from the start, as with the number of epochs or the title of a figure. `rest`: the new value counts for the
   * steps from there on, as with a learning rate, and `run.json` says so. All other options must stay as they are,
   * because they give the stored states, rows and files their meaning.
   */
  readonly onResume?: { readonly [option: string]: 'whole' | 'rest' }
  /**
   * True for a sink that a run can do without, such as a figure. If it fails, the run goes on and is done; `run.json`
   * notes it, and `resume` tries again. It fails the run all the same if a file cannot be written.
   */
  readonly optional?: boolean
  /**
   * What it asks of the stages that feed its inputs, by input. The pipeline is refused if the stage there does not answer
   * that. So what one stage in a hundred needs costs the others nothing.
   */
  asks?(options: z.output<O>): Partial<Record<keyof I, Asked>>
  /**
   * The outputs as the options make them, if the type of a wire depends on an option; `outputs` then says `wire.any`. The
   * names of the ports must be the same.
   */
  outputsFor?(options: z.output<O>): Readonly<Record<keyof P, Port>>
  /**
   * Fills in options that depend on what feeds the stage, such as the name of a file after the wire. Called once the options
   * are checked and the wires are known; inputs that could not be connected are left out.
   */
  complete?(options: z.output<O>, feeds: Readonly<Partial<Record<keyof I, Feed>>>): z.output<O>
  /** What stages below may ask of it; it finds in `context.asked` what they do ask. */
  readonly answers?: readonly (keyof Asked)[]
  /**
   * The metric that the stage watches though it is computed below it, and the option that names it. Training waits during
   * an evaluation, so the metrics of a step arrive in `context.watched` before the next step.
   */
  watches?(options: z.output<O>): { readonly metric: string; readonly option: string } | undefined
  /** The learner whose parameters it emits. Every stage that makes parameters should name one. */
  readonly learner?: AnyLearner
  /**
   * Checks the options against the facts of the inputs, and returns the facts of the outputs. Default: the facts of the
   * input if the stage has exactly one, else no facts.
   */
  facts?(checking: Checking<z.output<O>>): Partial<Record<keyof P, Facts>>
  /**
   * All files that the stage reads. A sweep uses them to find out which of its points are done, and to prepare the data
   * once for all points.
   */
  sources?(options: z.output<O>): readonly string[]
  /**
   * The options with which a load stage reads the files or folders that a user gives to `millrace predict` or `evaluate`.
   * Throws a PipelineError `ARGUMENTS` if they do not go together. Default: the options `path`, or `directory`.
   *
   * @param paths one or more
   */
  optionsFor?(paths: readonly string[]): Readonly<Record<string, unknown>>
  /**
   * The output files that are known before the run, by the paths that the stage gives to `context.file`. The check
   * reports two stages that would write the same file. Default: the options that are an `outputPath`.
   */
  files?(options: z.output<O>): readonly string[]
  /** Returns the operator of the stage. Its state belongs inside the subscription (`defer`), not in the module. */
  run(options: z.output<O>, context: StageContext): Runner<I, P>
}

/** A stage of any kind, as the engine handles it. */
// biome-ignore lint/suspicious/noExplicitAny: the engine checks options and wires itself
export type AnyStage = Omit<Stage<any, any, any>, 'run'> & { run(options: any, context: StageContext): unknown }

/**
 * Returns its argument; it lets TypeScript infer the options and ports. Throws a TypeError if a port is no wire, or if name,
 * summary or options are missing.
 */
export function defineStage<
  O extends z.ZodType,
  const I extends Ports,
  const P extends Ports,
  const M extends readonly string[] = readonly string[],
>(stage: Stage<O, I, P, M>): Stage<O, I, P, M> {
  for (const key of ['name', 'summary'] as const)
    if (typeof stage[key] !== 'string') throw new TypeError(`defineStage: ${key}: expected a text, got ${stage[key]}`)
  if (typeof stage.options?.safeParse !== 'function')
    throw new TypeError(
      `defineStage: ${stage.name}: options: expected a zod schema, such as z.strictObject({}), got ${stage.options}`,
    )
  const known = (stage.options as { shape?: object }).shape
  for (const option of Object.keys(stage.onResume ?? {}))
    if (known && !Object.hasOwn(known, option))
      throw new TypeError(
        `defineStage: ${stage.name}: onResume.${option}: there is no such option; expected one of ${listed(Object.keys(known))}`,
      )
  if (stage.optional && Object.keys(stage.outputs).length > 0)
    throw new TypeError(`defineStage: ${stage.name}: optional: expected a stage without outputs`)
  for (const side of ['inputs', 'outputs'] as const)
    for (const [port, given] of Object.entries<Port | undefined>(stage[side]))
      if (typeof given?.type !== 'string')
        throw new TypeError(
          `defineStage: ${stage.name}: ${side}.${port} is not a wire; expected ${listed(Object.keys(wire).map((name) => `wire.${name}`))}, or { type: 'a-name-of-yours' }`,
        )
  return stage
}

/** Whether a value is a stage: it has a name, a `run`, an options schema and ports. */
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

import type { Table } from 'apache-arrow'
import type { Observable } from 'rxjs'
import type { z } from 'zod'
import { listed } from '../base/words.js'
import type { Asked } from './asked.js'
import type { StageContext } from './context.js'
import type { Checking, Facts, Feed } from './facts.js'
import type { AnyLearner } from './learner.js'
import { type Port, type Ports, wire } from './port.js'

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

import type { z } from 'zod'
import type { TrainingInterval } from '../base/every.js'
import type { Trust } from '../definition/trust.js'
import type { AnyStage } from '../stage/stage.js'
import type { MetricsRow } from '../wires/metrics.js'

/**
 * A stage in a pipeline made in code: the same keys as in YAML. If `use` is a stage object, TypeScript checks the
 * options in `with`; if it is a name, only `Pipeline.define` checks them.
 */
export type StageSpec<Use extends AnyStage | string = AnyStage | string> = {
  /** The stage: what `defineStage` returns, or a name as in YAML. */
  readonly use: Use
  /** A name for the stage in this pipeline. Default: the last part of the name of the stage. */
  readonly id?: string
  /** The id of the stage that feeds the input; an object of ids for several inputs. Default: the stage above. */
  readonly from?: string | Readonly<Record<string, string>>
} & WithOptions<OptionsOf<Use>>

/** What `replace` takes as options: they may be left out if none is required. */
export type OptionsArgument<Options> =
  AllOptional<Options> extends true ? readonly [options?: Options] : readonly [options: Options]

/** The key `with`, which may be left out if no option is required. */
type WithOptions<Options> = AllOptional<Options> extends true ? { readonly with?: Options } : { readonly with: Options }

/** Whether no option is required. `Partial` would not do: a stage without options takes a `Record<string, never>`. */
type AllOptional<Options> = Record<never, never> extends Options ? true : false

/** The options that a stage takes. Any, if `Use` is a name or a stage of unknown type. */
export type OptionsOf<Use> = Use extends { readonly options: infer Schema extends z.ZodType }
  ? unknown extends z.input<Schema>
    ? Readonly<Record<string, unknown>>
    : DeepReadonly<z.input<Schema>>
  : Readonly<Record<string, unknown>>

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T

/** A pipeline made in code: the same keys as in YAML. */
export interface PipelineSpec<Stages extends readonly StageSpec[] = readonly StageSpec[]>
  extends Pick<Trust, 'allowAbsolutePaths'> {
  /** Names the run directory. */
  readonly name: string
  /** A non-negative integer. Default: 0. */
  readonly seed?: number
  /** The seed of the division of data into splits. Default: `seed`. */
  readonly splitSeed?: number
  /** The most memory that the stages take for rows, in bytes or as `500MB`. Default: no limit. */
  readonly memory?: number | string
  /** One or more lines of text, for readers. */
  readonly description?: string
  /** When to make checkpoints and how many to keep, as in YAML. */
  readonly checkpoint?: 'none' | { readonly every?: string | TrainingInterval; readonly keep?: number }
  /** Published results, which reports compare with: `source`, and `{ value, tolerance, … }` by metric. */
  readonly published?: Readonly<Record<string, unknown>>
  /** How the run is divided among processes: `{ engine, ranks, shards, mode, timeout }`. */
  readonly parallel?: Readonly<Record<string, unknown>>
  /** The stages, in the order of the data. */
  readonly stages: Inferred<Stages, { readonly [I in keyof Stages]: StageSpec<Stages[I]['use']> }>
}

/**
 * The type `Checked`, in a place from which TypeScript infers `Given`. If the parameter were of the type `Given`, every
 * misspelt key would be a part of `Given`, and so would be accepted.
 */
export type Inferred<Given, Checked> = [Given] extends [never] ? Given : Checked

/**
 * The rows of metrics that a stage makes; never, if it makes none. They have any metric, if the stage is given by name
 * or does not declare its `metrics`.
 */
export type RowOf<Spec> = Spec extends { readonly use: infer Use }
  ? Use extends { readonly outputs: infer Outputs }
    ? 'metrics' extends WireTypeOf<Outputs[keyof Outputs]>
      ? MetricsRow<MetricName<SplitOf<Spec>, HasMoreMetrics<Spec> extends true ? string : SuffixOf<Use>>>
      : never
    : MetricsRow
  : never

/** The rows that `set` adds: the options `splits` and `metrics` change the names of metrics. */
export type RowOfOptions<Options> = 'splits' extends keyof Options
  ? MetricsRow
  : 'metrics' extends keyof Options
    ? MetricsRow
    : never

/**
 * The rows of a run, from the union that its pipeline carries. If one member of the union has any metric, so has the
 * result: TypeScript reads a property of a union only if each member has it.
 */
export type RowOfRun<Row extends MetricsRow> = true extends (Row extends unknown ? HasAnyMetric<Row> : never)
  ? MetricsRow
  : Row

type HasAnyMetric<Row> = string extends keyof Row ? true : false

type WireTypeOf<Port> = Port extends { readonly type: infer Type } ? Type : never

type SuffixOf<Use> = Use extends { readonly metrics?: readonly (infer Suffix extends string)[] } ? Suffix : string

/** Whether the option `metrics` adds metrics to those that the stage declares. */
type HasMoreMetrics<Spec> = Spec extends { readonly with: { readonly metrics: readonly unknown[] } } ? true : false

type SplitOf<Spec> = Spec extends { readonly with: { readonly splits: readonly (infer Split extends string)[] } }
  ? Split
  : string

/** `test_loss`: the split and the suffix. Any name, if the suffixes are not known. */
type MetricName<Split extends string, Suffix extends string> = string extends Suffix ? string : `${Split}_${Suffix}`

import type { Table } from 'apache-arrow'
import type { Observable, ObservableInput } from 'rxjs'
import type { z } from 'zod'
import type { Kernels } from '../../kernels/contract.js'
import type { DataSource } from '../base/data-source.js'
import type { Asked } from '../stage/asked.js'
import type { Above } from '../stage/context.js'
import type { Facts } from '../stage/facts.js'
import type { AnyLearner } from '../stage/learner.js'
import type { AnyStage } from '../stage/stage.js'

/** A stage and its options, as `Pipeline.define` takes them. */
export interface StageUse<S extends AnyStage = AnyStage> {
  /** The stage: what `defineStage` returned. */
  readonly use: S
  /** The id in the pipeline. Random streams depend on it. Default: the last part of the stage's name. */
  readonly id?: string
  /** The options, as a user writes them. */
  readonly with?: z.input<S['options']>
}

/** The tables of each input port. The tables of an array arrive at once; an Observable, say a Subject, sets its own pace. */
export type StageInputs<S extends AnyStage = AnyStage> = { readonly [P in keyof S['inputs']]: ObservableInput<Table> }

/** The run around the stage. */
export interface TestRun {
  /** The seed of the random streams; default 1. */
  readonly seed?: number
  /** From `openKernels` of `millrace/kernels`, and closed by the caller; default: the reference kernels, in float64. */
  readonly kernels?: Kernels
  /** The learners that `context.learner` finds; default: the stage's own, if it has one. */
  readonly learners?: readonly AnyLearner[]
  /** The run directory, made if it is missing. Default: a temporary folder, removed when the process ends. */
  readonly directory?: string
  /** What is known about each input before data is read; default: nothing. */
  readonly facts?: Readonly<Record<string, Facts>>
  /** What the stages below ask of it; default: nothing. */
  readonly asked?: Asked
  /** The memory that the run allows, in bytes. Default: no limit. */
  readonly memory?: number
  /** What stands above the stage. Default: nothing. */
  readonly above?: Above
  /** The metrics that it watches; default: none arrive. */
  readonly watched?: Observable<Table>
  /** Whether the terminal redraws lines; default false. */
  readonly interactive?: boolean
  /** The state to resume from: what `snapshot` returned. */
  readonly state?: unknown
}

/** What the stage told its run. */
export interface TestRecord {
  /** The absolute path of the run directory, which has the stage's output files. */
  readonly directory: string
  /** The messages given to `context.note`. */
  readonly notes: readonly string[]
  /** The reasons given to `context.stop`. The inputs go on all the same. */
  readonly stops: readonly string[]
  /** The files given to `context.source`. */
  readonly sources: readonly DataSource[]
  /** The texts written to the terminal. */
  readonly printed: readonly string[]
}

/** A stage that is wired to its inputs. Nothing flows until `tables` or every one of the `outputs` is subscribed. */
export interface OpenStage extends TestRecord {
  /** The tables of all outputs. A sink has no output: it only completes. */
  readonly tables: Observable<Table>
  /** The tables of each output port. */
  readonly outputs: Readonly<Record<string, Observable<Table>>>
  /**
   * Waits until the stage is between two tables, and resolves with its state as a checkpoint would give it back, or with
   * undefined if the stage has none. Another `openStage` or `runStage` takes it as `state`.
   */
  snapshot(): Promise<unknown>
}

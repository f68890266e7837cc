import type { Table } from 'apache-arrow'
import type { Observable } from 'rxjs'
import type { z } from 'zod'
import type { Kernels } from '../../kernels/contract.js'
import type { DataSource } from '../base/data-source.js'
import type { Random } from '../base/random.js'
import type { Asked } from './asked.js'
import type { Facts } from './facts.js'
import type { Flow } from './flow-contract.js'
import type { AnyLearner } from './learner.js'
import type { Memory } from './memory.js'
import type { Parallel } from './parallel-contract.js'

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

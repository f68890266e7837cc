import { existsSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { resolve } from 'node:path'
import type { Kernels } from '../../kernels/contract.js'
import type { DataSource } from '../base/data-source.js'
import type { PipelineError } from '../base/errors.js'
import { version } from '../base/package.js'
import type { ParallelOptions } from '../definition/parallel.js'
import { type SettingValues, settingsAsJson } from '../definition/settings.js'
import type { OptionChange } from '../directory/configuration.js'
import type { RunDirectory } from '../directory/run-directory.js'
import { foldersOf } from '../graph/input-files.js'
import type { Pipeline } from '../graph/pipeline.js'
import type { MetricInfos } from '../wires/metrics.js'
import type { DataSummary } from './data-summary.js'
import type { GitState } from './git-state.js'
import { type KernelClock, now } from './timed-kernels.js'

/** How a run ended. */
export type RunStatus = 'done' | 'failed' | 'interrupted'

/** The content of `run.json`. Times are in seconds. */
export interface RunRecord {
  /** `running` until the run has ended; it stays so if the process is killed. */
  readonly status: RunStatus | 'running'
  /** The message of the error that ended the run. */
  readonly error?: string
  /** The name of the pipeline. */
  readonly name: string
  /** The seed of all random numbers of the run. */
  readonly seed: number
  /** The versions of Millrace and of Node. */
  readonly versions: { readonly millrace: string; readonly node: string }
  /** The machine, as its operating system describes it. */
  readonly machine: { readonly platform: string; readonly cpu: string; readonly cores: number }
  /** The kernel: its name, the instructions it used, and its number of threads. */
  readonly kernel: { readonly name: string; readonly detail: string; readonly threads: number }
  /** How the run was divided among processes, and the library that joined them; left out if it was not divided. */
  readonly parallel?: ParallelOptions & { readonly library: string }
  /** SHA-256 of `pipeline.yaml`. */
  readonly definition: string
  /** Its vars, and the options that refer to none (`model.eta`); left out if JSON cannot hold them (`.inf`). */
  readonly settings?: SettingValues
  /** The commit of the folder that the definition lies in; left out if git knows none. */
  readonly git?: GitState
  /** The folders in which relative paths of data were looked for, in this order. */
  readonly folders: readonly string[]
  /** The step of the checkpoint that a resumed run went on from. Times are then those since the resumption. */
  readonly resumedAt?: number
  /** The last step that was made, counted from the start of the run; left out before the first. */
  readonly step?: number
  /** The options that were changed when the run was resumed, in the order of time; left out if none was. */
  readonly changes?: readonly OptionChange[]
  /** The sinks that failed without failing the run, by id: their figures are missing. Left out if there is none. */
  readonly undrawn?: readonly string[]
  /** How many checkpoints this process wrote. */
  readonly checkpoints: number
  /** When the run started, in ISO 8601. */
  readonly started: string
  /** When the run ended, in ISO 8601. */
  readonly finished?: string
  /** How long the parts of the run took, once it has ended. */
  readonly timings?: {
    /** The whole run. */
    readonly total: number
    /** Until the first step: reading, statistics, wiring. */
    readonly prepare: number
    /** From the first step to the end of the last evaluation. */
    readonly train: number
    /** From the last evaluation to the end: the files that are written at the end. */
    readonly finish: number
    /** Time inside kernels since the first step. */
    readonly kernels: number
    /** Share of `train` spent outside kernels, 0 … 1. */
    readonly overhead: number
    /** The number of steps made. */
    readonly steps: number
  }
  /** What the columns of the metrics say about themselves, by name. */
  readonly metrics: MetricInfos
  /** The files that were read. */
  readonly data: readonly DataSource[]
  /** What was loaded, and how it was divided, by the id of the stage that did it; left out in points of a sweep. */
  readonly examples?: Readonly<Record<string, DataSummary>>
  /** The notes of the stages and of the run. */
  readonly notes: readonly string[]
  /** The output files, relative to the run directory, sorted; those of a run that goes on may be yet to be written. */
  readonly files: readonly string[]
}

/** How the note begins on a sink that failed without failing the run. */
export const LEFT_OUT = 'left out, because it failed: '

/** What a record is made from. */
export interface RecordSources {
  /** The pipeline that runs. */
  readonly pipeline: Pipeline
  /** The kernels it runs on. */
  readonly kernels: Pick<Kernels, 'name' | 'detail' | 'threads'>
  /** Where the kernels count their time. */
  readonly clock: KernelClock
  /** Where `run.json` is written, and which lists the output files. */
  readonly directory: RunDirectory
  /** SHA-256 of `pipeline.yaml`. */
  readonly definition: string
  /** Its settings. */
  readonly settings: SettingValues
  /** The notes to begin with. */
  readonly notes: readonly string[]
  /** The step that a resumed run goes on from; undefined: it begins at the start. */
  readonly resumedAt: number | undefined
  /** What the metrics of a resumed run said about themselves. */
  readonly metrics: MetricInfos
  /** The commit that the run was begun with, if it is resumed. */
  readonly git?: GitState | undefined
  /** The options that were changed when the run was resumed. */
  readonly changes?: readonly OptionChange[]
  /** The library that joins the processes of a divided run; undefined if it is not divided. */
  readonly library?: string | undefined
}

/** Collects the content of `run.json` while the run goes on, and writes it. */
export class Recorder {
  /** The files that were read so far. */
  readonly data: DataSource[] = []
  /** What was loaded and divided so far, by the id of the stage. */
  readonly examples: Record<string, DataSummary> = {}
  /** True once all loading has ended. */
  isAllRead = false
  /** How many checkpoints this process has written. */
  checkpoints = 0
  /** The commit of the folder of the definition, once git has told it. */
  git: GitState | undefined
  /** The last step that was made. */
  step: number | undefined
  /** The options that were changed when the run was resumed. */
  readonly changes: readonly OptionChange[]
  private readonly undrawn: string[] = []
  private readonly notes: Set<string>
  private metrics: MetricInfos
  private seenMetrics: MetricInfos | undefined
  /** The error of a write in the background, until `save` has thrown it. */
  private failure: unknown
  private readonly began = now()
  private readonly constant: ReturnType<typeof constantPart>
  private readonly clock: KernelClock
  private readonly directory: RunDirectory
  private isListing = false
  /** The number of notes, sources and files when `run.json` was last written. */
  private savedEntries = 0

  constructor(sources: RecordSources) {
    this.notes = new Set(sources.notes)
    this.metrics = sources.metrics
    this.changes = sources.changes ?? []
    this.step = sources.resumedAt
    this.git = sources.git
    this.constant = constantPart(sources)
    this.clock = sources.clock
    this.directory = sources.directory
  }

  /** SHA-256 of `pipeline.yaml`. */
  get definition(): string {
    return this.constant.definition
  }

  /** Adds a note, if it is not there yet. */
  note(message: string): void {
    this.notes.add(message)
  }

  /** Adds a sink that has failed without failing the run. */
  addUndrawn(stage: string): void {
    this.undrawn.push(stage)
  }

  /** Counts a step of training. Stages that compute without kernels have their times from here and from `addMetrics`. */
  addStep(): void {
    this.clock.lastCall = now()
    this.clock.firstStep ??= this.clock.lastCall
    this.clock.steps++
  }

  /** Adds what metrics say about themselves, and writes them down, so that they are known after a kill. */
  addMetrics(infos: MetricInfos): void {
    this.clock.lastCall = now()
    // Tables of one stage share the object.
    if (infos === this.seenMetrics) return
    this.seenMetrics = infos
    this.metrics = { ...this.metrics, ...infos }
    // No error can leave a subscriber of a wire, so the next `save` throws it.
    try {
      this.saveNews()
    } catch (error) {
      this.failure ??= error
    }
  }

  /** Writes `run.json` with this status and returns its content. Throws a PipelineError `WRITE`. */
  save(status: RunRecord['status'], error?: PipelineError): RunRecord {
    const { failure } = this
    this.failure = undefined
    if (failure) throw failure
    const record: RunRecord = {
      status,
      ...(error && { error: error.message }),
      ...this.constant,
      ...(this.git && { git: this.git }),
      ...(status !== 'running' && { finished: new Date().toISOString(), timings: this.timings() }),
      ...(this.step !== undefined && { step: this.step }),
      ...(this.changes.length > 0 && { changes: this.changes }),
      ...(this.undrawn.length > 0 && { undrawn: this.undrawn }),
      checkpoints: this.checkpoints,
      metrics: this.metrics,
      data: this.data,
      ...(Object.keys(this.examples).length > 0 && { examples: this.examples }),
      notes: [...this.notes],
      files: this.filesAt(status).sort(),
    }
    this.directory.write('run.json', `${JSON.stringify(record, null, 2)}\n`)
    this.savedEntries = this.countEntries()
    return record
  }

  /** Writes down the output files that the stages have named while they were connected, before they write them. */
  listFiles(): void {
    this.isListing = true
    this.save('running')
  }

  /** Does the same for a file that a stage names later. A file that no record lists is one of the user. */
  listNewFile(): void {
    if (this.isListing) this.saveNews()
  }

  /** Writes `run.json` of the running run, if notes, sources or files have been added since it was last written. */
  saveNews(): void {
    if (this.countEntries() !== this.savedEntries) this.save('running')
  }

  /** While a run goes on, the files that it will write; then those that are there. A sink may have failed. */
  private filesAt(status: RunRecord['status']): string[] {
    const { files, path } = this.directory
    return [...files].filter((name) => status === 'running' || name === 'run.json' || existsSync(resolve(path, name)))
  }

  private countEntries(): number {
    return this.notes.size + this.data.length + this.directory.files.size + Object.keys(this.metrics).length
  }

  private timings(): NonNullable<RunRecord['timings']> {
    const { busy, steps, firstStep, lastCall } = this.clock
    const end = now()
    const finish = firstStep === undefined ? 0 : end - lastCall
    const train = firstStep === undefined ? 0 : lastCall - firstStep
    return {
      total: seconds(end - this.began),
      prepare: seconds(end - this.began - train - finish),
      train: seconds(train),
      finish: seconds(finish),
      kernels: seconds(busy),
      overhead: train > 0 ? Math.round((1 - busy / train) * 1e4) / 1e4 : 0,
      steps,
    }
  }
}

function seconds(milliseconds: number): number {
  return Math.round(milliseconds * 1e3) / 1e6
}

/** The part of a record that does not change during a run. */
function constantPart({ pipeline, kernels, definition, settings, resumedAt, library }: RecordSources) {
  const { parallel } = pipeline.definition
  const own = settingsAsJson(settings)
  return {
    name: pipeline.name,
    seed: pipeline.seed,
    versions: { millrace: version, node: process.versions.node },
    machine: {
      platform: `${process.platform}-${process.arch}`,
      cpu: cpus()[0]?.model.trim() ?? '',
      cores: availableParallelism(),
    },
    kernel: { name: kernels.name, detail: kernels.detail, threads: kernels.threads },
    ...(parallel && library && { parallel: { ...parallel, library } }),
    definition,
    ...(own && { settings: own }),
    folders: foldersOf(pipeline.definition),
    ...(resumedAt !== undefined && { resumedAt }),
    started: new Date().toISOString(),
  }
}

/** Formats what the last digits of the numbers depend on: `native kernel (avx512) of Millrace 1.2.3`. */
export function formatMaker({ kernel, versions }: Maker): string {
  return `${kernel.name} kernel (${kernel.detail}) of Millrace ${versions.millrace}`
}

/** The part of a record that the last digits of the numbers depend on. */
interface Maker {
  readonly kernel: { readonly name: string; readonly detail: string }
  readonly versions: { readonly millrace: string }
}

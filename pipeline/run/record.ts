import { availableParallelism, cpus } from 'node:os'
import type { Kernels } from '../../kernels/contract.js'
import type { PipelineError } from '../base/errors.js'
import { version } from '../base/package.js'
import type { ParallelOptions } from '../definition/parallel.js'
import type { RunDirectory } from '../directory/run-directory.js'
import type { Pipeline } from '../graph/pipeline.js'
import type { DataSource } from '../stage/stage.js'
import type { MetricInfos } from '../wires/metrics.js'
import { type KernelClock, now } from './timed-kernels.js'

export type RunStatus = 'done' | 'failed' | 'interrupted'

/** What `run.json` says. Times are in seconds. */
export interface RunRecord {
  readonly status: RunStatus | 'running'
  readonly error?: string
  readonly name: string
  readonly seed: number
  readonly versions: { readonly millrace: string; readonly node: string }
  readonly machine: { readonly platform: string; readonly cpu: string; readonly cores: number }
  readonly kernel: { readonly name: string; readonly detail: string; readonly threads: number }
  /** How a divided run was divided, and by what. */
  readonly parallel?: ParallelOptions & { readonly library: string }
  /** SHA-256 of `pipeline.yaml`. */
  readonly definition: string
  /** The step from which the run went on, where it was resumed: times are those of the last part. */
  readonly resumedAt?: number
  /** How many checkpoints were written. */
  readonly checkpoints: number
  readonly started: string
  readonly finished?: string
  readonly timings?: {
    readonly total: number
    /** Until the first step: reading, statistics, wiring. */
    readonly prepare: number
    /** From the first step to the end of the last evaluation. */
    readonly train: number
    /** After that: writing what is written at the end. */
    readonly finish: number
    /** Inside kernels since the first step. */
    readonly kernels: number
    /** Share of `train` spent outside kernels, 0 … 1. */
    readonly overhead: number
    readonly steps: number
  }
  /** What the columns of the metrics say about themselves, by name. */
  readonly metrics?: MetricInfos
  readonly data: readonly DataSource[]
  readonly notes: readonly string[]
  readonly files: readonly string[]
}

/** What is known before a run flows. */
interface Beginning {
  readonly definition: string
  readonly notes: readonly string[]
  readonly resumedAt: number | undefined
  /** What the metrics of a resumed run said about themselves. */
  readonly metrics: MetricInfos
  /** What joins the processes of a divided run. */
  readonly library?: string | undefined
}

/** Collects what `run.json` says while the run goes on. */
export class Recorder {
  readonly data: DataSource[] = []
  checkpoints = 0
  private metrics: MetricInfos
  private seenMetrics: MetricInfos | undefined
  private readonly notes: Set<string>
  private readonly beginning: Beginning
  private saved = 0
  private readonly began = now()
  /** Asked for once: the system takes its time to tell. */
  private readonly machine = {
    platform: `${process.platform}-${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? '',
    cores: availableParallelism(),
  }
  private readonly started = new Date().toISOString()
  private readonly pipeline: Pipeline
  private readonly kernels: Kernels
  private readonly clock: KernelClock
  private readonly directory: RunDirectory

  constructor(pipeline: Pipeline, kernels: Kernels, clock: KernelClock, directory: RunDirectory, beginning: Beginning) {
    this.beginning = beginning
    this.notes = new Set(beginning.notes)
    this.metrics = beginning.metrics
    this.pipeline = pipeline
    this.kernels = kernels
    this.clock = clock
    this.directory = directory
  }

  get definition(): string {
    return this.beginning.definition
  }

  note(message: string): void {
    this.notes.add(message)
  }

  /** Counts a step of training. Stages that train without kernels begin the clock here. */
  onStep(): void {
    this.clock.firstStep ??= now()
    this.clock.steps++
  }

  /** Takes note of what metrics say about themselves. */
  onMetrics(infos: MetricInfos): void {
    if (infos === this.seenMetrics) return
    this.seenMetrics = infos
    this.metrics = { ...this.metrics, ...infos }
  }

  /** Writes `run.json` as things stand. Throws a PipelineError `WRITE`. */
  save(status: RunRecord['status'], error?: PipelineError): RunRecord {
    const record = this.record(status, error)
    this.directory.write('run.json', `${JSON.stringify(record, null, 2)}\n`)
    this.saved = this.extent()
    return record
  }

  /** Writes it while the run goes on, if there is anything new to tell. */
  saveNews(): void {
    if (this.extent() !== this.saved) this.save('running')
  }

  /** How much there is to tell. */
  private extent(): number {
    return this.notes.size + this.data.length + this.directory.files.size + Object.keys(this.metrics).length
  }

  private record(status: RunRecord['status'], error: PipelineError | undefined): RunRecord {
    const { name, detail, threads } = this.kernels
    const { parallel } = this.pipeline.definition
    return {
      status,
      ...(error && { error: error.message }),
      name: this.pipeline.name,
      seed: this.pipeline.seed,
      versions: { millrace: version, node: process.versions.node },
      machine: this.machine,
      kernel: { name, detail, threads },
      ...(parallel && this.beginning.library && { parallel: { ...parallel, library: this.beginning.library } }),
      definition: this.beginning.definition,
      ...(this.beginning.resumedAt !== undefined && { resumedAt: this.beginning.resumedAt }),
      started: this.started,
      ...(status !== 'running' && { finished: new Date().toISOString(), timings: this.timings() }),
      checkpoints: this.checkpoints,
      ...(Object.keys(this.metrics).length > 0 && { metrics: this.metrics }),
      data: this.data,
      notes: [...this.notes],
      files: [...this.directory.files].sort(),
    }
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

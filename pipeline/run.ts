import { readFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import type { Table } from 'apache-arrow'
import ndarray from 'ndarray'
import { catchError, filter, map, Observable, Subject, type Subscription, throwError } from 'rxjs'
import { type KernelName, openKernels } from '../kernels/index.js'
import { type KernelClock, timedKernels } from './clock.js'
import { inStage, messageOf, PipelineError } from './errors.js'
import { FlowControl, StageFlow } from './flow.js'
import type { Node } from './graph.js'
import type { Pipeline } from './pipeline.js'
import { randomStream } from './random.js'
import { makeRunDirectory, type Place, type RunDirectory } from './run-directory.js'
import type { DataSource, StageContext, Terminal } from './stage.js'
import { copyParameters, type MetricsRow, metricsRows, modelOf } from './wires.js'

export interface RunOptions extends Place {
  /** Default: the fastest this machine has. */
  readonly kernel?: KernelName | undefined
  /** Default: one per core. Does not change results. */
  readonly threads?: number | undefined
  /** Stops the run at the next step: files are closed, the result rejects with code `ABORTED`. */
  readonly signal?: AbortSignal | undefined
  /** Where `sink/terminal` writes. Default: nowhere. */
  readonly terminal?: Terminal | undefined
}

export type RunStatus = 'done' | 'failed' | 'interrupted'

/** What happens during a run, in order. */
export type RunEvent =
  | { readonly type: 'start'; readonly directory: string; readonly kernel: string; readonly detail: string; readonly threads: number }
  | { readonly type: 'metrics'; readonly stage: string; readonly row: MetricsRow }
  | { readonly type: 'note'; readonly stage: string; readonly message: string }
  | { readonly type: 'stage-end'; readonly stage: string }
  | { readonly type: 'end'; readonly status: RunStatus; readonly error?: PipelineError }

export interface Result {
  readonly directory: string
  /** The evaluations, in order: of the first stage that makes metrics. */
  readonly history: readonly MetricsRow[]
  /** The evaluations of each stage that makes metrics, by id. */
  readonly metrics: Readonly<Record<string, readonly MetricsRow[]>>
  /** The final parameters by name, as ndarrays with memory of their own; empty where nothing was trained. */
  readonly parameters: Readonly<Record<string, ndarray.NdArray<Float32Array | Float64Array>>>
  readonly record: RunRecord
}

/** What `run.json` says. Times are in seconds. */
export interface RunRecord {
  readonly status: RunStatus | 'running'
  readonly error?: string
  readonly name: string
  readonly seed: number
  readonly versions: { readonly millrace: string; readonly node: string }
  readonly machine: { readonly platform: string; readonly cpu: string; readonly cores: number }
  readonly kernel: { readonly name: string; readonly detail: string; readonly threads: number }
  readonly started: string
  readonly finished?: string
  readonly timings?: {
    readonly total: number
    /** Until the first step: reading, statistics, wiring. */
    readonly prepare: number
    /** From the first step to the end of the run. */
    readonly train: number
    /** Inside kernels since the first step. */
    readonly kernels: number
    /** Share of `train` spent outside kernels, 0 … 1. */
    readonly overhead: number
    readonly steps: number
  }
  readonly data: readonly DataSource[]
  readonly notes: readonly string[]
  readonly files: readonly string[]
}

/** A run under way. */
export interface Run {
  readonly events: Observable<RunEvent>
  /** The evaluations as they happen. */
  readonly metrics: Observable<MetricsRow>
  readonly result: Promise<Result>
}

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

/** How long stages may take to end after an abort before they are cut off, in milliseconds. */
const GRACE = 500

/** Runs a pipeline to its end. Rejects with a PipelineError; the run directory then says why. */
export function run(pipeline: Pipeline, options: RunOptions = {}): Promise<Result> {
  return start(pipeline, options).result
}

/** Starts a pipeline and returns at once: subscribe to `events` or `metrics` before the current turn ends. */
export function start(pipeline: Pipeline, options: RunOptions = {}): Run {
  const events = new Subject<RunEvent>()
  const result = Promise.resolve().then(() => execute(pipeline, options, events))
  const settled = result.then(
    () => events.next({ type: 'end', status: 'done' }),
    (error: PipelineError) =>
      events.next({ type: 'end', status: error.code === 'ABORTED' ? 'interrupted' : 'failed', error }),
  )
  settled.finally(() => events.complete())
  return {
    events: events.asObservable(),
    metrics: events.pipe(
      filter((event) => event.type === 'metrics'),
      map((event) => event.row),
    ),
    result,
  }
}

async function execute(pipeline: Pipeline, options: RunOptions, events: Subject<RunEvent>): Promise<Result> {
  const began = performance.now()
  const clock: KernelClock = { busy: 0, steps: 0, firstStep: undefined }
  const kernels = await openKernels(options)
  let directory: RunDirectory | undefined
  const started = new Date().toISOString()
  const data: DataSource[] = []
  const notes: string[] = []
  const flowing = new Flowing(pipeline, events)

  const record = (status: RunRecord['status'], error?: PipelineError): RunRecord => {
    const now = performance.now()
    const train = clock.firstStep === undefined ? 0 : now - clock.firstStep
    return {
      status,
      ...(error && { error: error.message }),
      name: pipeline.name,
      seed: pipeline.seed,
      versions: { millrace: version, node: process.versions.node },
      machine: { platform: `${process.platform}-${process.arch}`, cpu: cpus()[0]?.model.trim() ?? '', cores: availableParallelism() },
      kernel: { name: kernels.name, detail: kernels.detail, threads: kernels.threads },
      started,
      ...(status !== 'running' && {
        finished: new Date().toISOString(),
        timings: {
          total: seconds(now - began),
          prepare: seconds(now - began - train),
          train: seconds(train),
          kernels: seconds(clock.busy),
          overhead: train > 0 ? Math.round((1 - clock.busy / train) * 1e4) / 1e4 : 0,
          steps: clock.steps,
        },
      }),
      data,
      notes,
      files: [...directory!.files].sort(),
    }
  }
  const save = (content: RunRecord): RunRecord => {
    directory!.write('run.json', `${JSON.stringify(content, null, 2)}\n`)
    return content
  }

  try {
    directory = makeRunDirectory(pipeline.name, options)
    const place = directory
    place.write('pipeline.yaml', pipelineText(pipeline, place.path))
    events.next({ type: 'start', directory: place.path, kernel: kernels.name, detail: kernels.detail, threads: kernels.threads })
    const timed = timedKernels(kernels, clock)
    const contextOf = (node: Node, flow: StageFlow, signal: AbortSignal): StageContext => ({
      id: node.id,
      inputs: node.inputFacts,
      kernels: timed,
      flow,
      signal,
      random: (purpose, epoch) => randomStream(pipeline.seed, node.id, purpose, epoch),
      file: (path) => place.file(path),
      source: (source) => data.push(source),
      note: (message) => {
        notes.push(`${node.id}: ${message}`)
        events.next({ type: 'note', stage: node.id, message })
      },
      terminal: options.terminal ?? { interactive: false, write: () => {} },
    })
    save(record('running'))
    await flowing.untilEnd(contextOf, options.signal)
    return { directory: place.path, ...flowing.results(), record: save(record('done')) }
  } catch (cause) {
    const error = cause instanceof PipelineError ? cause : new PipelineError('INTERNAL', `internal error: ${messageOf(cause)}`, { cause })
    if (directory) {
      try {
        save(record(error.code === 'ABORTED' ? 'interrupted' : 'failed', error))
      } catch (second) {
        // The first error is the one to tell; that its record could not be written is said beside it.
        throw new PipelineError(error.code, [...error.problems, { message: messageOf(second) }], { cause })
      }
    }
    throw error
  } finally {
    kernels.close()
  }
}

/** The wires of one run: a Subject for each output, subscribed from the sinks upwards so that nobody misses a table. */
class Flowing {
  private readonly nodes: readonly Node[]
  private readonly events: Subject<RunEvent>
  private readonly metrics: Record<string, MetricsRow[]> = {}
  private lastParameters: Table | undefined

  constructor(pipeline: Pipeline, events: Subject<RunEvent>) {
    this.nodes = pipeline.graph.nodes
    this.events = events
  }

  untilEnd(contextOf: (node: Node, flow: StageFlow, signal: AbortSignal) => StageContext, signal: AbortSignal | undefined): Promise<void> {
    const stop = new AbortController()
    const control = new FlowControl(stop.signal)
    const flows = new Map(this.nodes.map((node) => [node.id, new StageFlow(control)]))
    for (const node of this.nodes)
      for (const source of node.inputs.values()) flows.get(source.id)!.downstream.add(flows.get(node.id)!)
    const wires = new Map<string, Subject<Table>>()
    for (const node of this.nodes) for (const port of Object.keys(node.stage.outputs)) wires.set(`${node.id}.${port}`, this.watched(node, port))

    return new Promise((resolve, reject) => {
      const subscriptions: Subscription[] = []
      const open = new Set<string>()
      let timer: NodeJS.Timeout | undefined
      let over = false

      const finish = (error?: PipelineError): void => {
        if (over) return
        over = true
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        stop.abort()
        for (const subscription of subscriptions) subscription.unsubscribe()
        if (signal?.aborted) reject(new PipelineError('ABORTED', 'stopped before its end', error && { cause: error }))
        else if (error) reject(error)
        else resolve()
      }
      const abort = (): void => {
        timer = setTimeout(finish, GRACE)
        stop.abort()
      }
      const flow = (node: Node, key: string, tables: Observable<unknown>, wire: Subject<Table> | undefined): void => {
        open.add(key)
        const named = tables.pipe(catchError((error) => throwError(() => inStage(error, node.title, node.where))))
        subscriptions.push(
          named.subscribe({
            next: (table) => wire?.next(table as Table),
            error: (error: PipelineError) => {
              wire?.error(error)
              finish(error)
            },
            complete: () => {
              wire?.complete()
              open.delete(key)
              this.events.next({ type: 'stage-end', stage: node.id })
              if (open.size === 0) finish()
            },
          }),
        )
      }

      if (signal?.aborted) return finish()
      signal?.addEventListener('abort', abort)
      try {
        for (const node of this.nodes) open.add(node.id)
        for (const node of [...this.nodes].reverse()) {
          const outputs = outputsOf(node, contextOf(node, flows.get(node.id)!, stop.signal), wires)
          for (const [port, tables] of outputs) flow(node, `${node.id}.${port}`, tables, wires.get(`${node.id}.${port}`))
          open.delete(node.id)
        }
        if (open.size === 0) finish()
      } catch (error) {
        finish(error as PipelineError)
      }
    })
  }

  /** The Subject of one output; metrics and parameters that pass are kept for the result. */
  private watched(node: Node, port: string): Subject<Table> {
    const wire = new Subject<Table>()
    const { type } = node.stage.outputs[port]
    if (type === 'metrics') {
      const rows: MetricsRow[] = []
      this.metrics[node.id] = rows
      wire.subscribe({
        next: (table) => {
          for (const row of metricsRows(table)) {
            rows.push(row)
            this.events.next({ type: 'metrics', stage: node.id, row })
          }
        },
        error: () => {},
      })
    }
    if (type === 'parameters')
      wire.subscribe({
        next: (table) => {
          this.lastParameters = table
        },
        complete: () => {
          this.lastParameters &&= copyParameters(this.lastParameters)
        },
        error: () => {},
      })
    return wire
  }

  results(): Pick<Result, 'history' | 'metrics' | 'parameters'> {
    const arrays = this.lastParameters ? modelOf(this.lastParameters).arrays : []
    return {
      history: Object.values(this.metrics)[0] ?? [],
      metrics: this.metrics,
      parameters: Object.fromEntries(arrays.map(({ name, shape, values }) => [name, ndarray(values, [...shape])])),
    }
  }
}

/** Calls the stage and returns its outputs by port; a sink's one Observable goes under the empty name. */
function outputsOf(node: Node, context: StageContext, wires: ReadonlyMap<string, Subject<Table>>): [string, Observable<unknown>][] {
  const { stage, inputs, options } = node
  const sources = [...inputs].map(([port, source]) => [port, wires.get(`${source.id}.${source.port}`)!.asObservable()] as const)
  const ports = Object.keys(stage.outputs)
  const called = (): unknown => {
    const runner: unknown = stage.run(options, context)
    if (sources.length === 0) return runner
    const given = sources.length === 1 ? sources[0]![1] : Object.fromEntries(sources)
    return (runner as (inputs: unknown) => unknown)(given)
  }
  try {
    const made = called()
    const named = ports.length > 1 ? Object.entries(made as Record<string, Observable<Table>>) : [[ports[0] ?? '', made] as const]
    for (const [port, tables] of named)
      if (!(tables instanceof Observable) && typeof (tables as Partial<Observable<unknown>> | undefined)?.subscribe !== 'function')
        throw new TypeError(`expected run to give an Observable${port && ` for the output "${port}"`}, got ${typeof tables}`)
    return named as [string, Observable<unknown>][]
  } catch (error) {
    throw inStage(error, node.title, node.where)
  }
}

function pipelineText(pipeline: Pipeline, base: string): string {
  const document = pipeline.toDocument({ allowObjects: true, base })
  document.commentBefore = ' As it ran, with every reference resolved: millrace run pipeline.yaml runs it again.'
  return String(document)
}

function seconds(milliseconds: number): number {
  return Math.round(milliseconds * 1e3) / 1e6
}

import type { Table } from 'apache-arrow'
import ndarray from 'ndarray'
import { filter, map, type Observable, Subject } from 'rxjs'
import { type KernelName, type Kernels, openKernels } from '../kernels/index.js'
import { type KernelClock, timedKernels } from './clock.js'
import { messageOf, PipelineError } from './errors.js'
import type { Node } from './graph.js'
import type { Pipeline } from './pipeline.js'
import { type Prepared, withPrepared } from './prepared.js'
import { randomStream } from './random.js'
import { Recorder, type RunRecord, type RunStatus } from './record.js'
import { makeRunDirectory, type Place, type RunDirectory } from './run-directory.js'
import type { StageContext, Terminal } from './stage.js'
import { type MetricsRow, metricsRows } from './wires/metrics.js'
import { copyParameters, modelOf } from './wires/parameters.js'
import { flow } from './wiring.js'

export interface RunOptions extends Place {
  /** Default: the fastest this machine has. */
  readonly kernel?: KernelName | undefined
  /** Default: one per core. Does not change results. */
  readonly threads?: number | undefined
  /** Stops the run at the next step: files are closed, the result rejects with code `ABORTED`. */
  readonly signal?: AbortSignal | undefined
  /** Where `sink/terminal` writes. Default: nowhere. */
  readonly terminal?: Terminal | undefined
  /** The data of this very pipeline, as `prepare` left it: its first stages are not run again. */
  readonly prepared?: Prepared | undefined
}

/** What happens during a run, in order. */
export type RunEvent =
  | {
      readonly type: 'start'
      readonly directory: string
      readonly kernel: string
      readonly detail: string
      readonly threads: number
    }
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

/** A run under way. */
export interface Run {
  readonly events: Observable<RunEvent>
  /** The evaluations as they happen. */
  readonly metrics: Observable<MetricsRow>
  readonly result: Promise<Result>
}

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
  const clock: KernelClock = { busy: 0, steps: 0, firstStep: undefined, lastCall: 0 }
  const kernels = await openKernels(options).catch((cause) => {
    throw new PipelineError('KERNEL', messageOf(cause), { cause })
  })
  try {
    const directory = makeRunDirectory(pipeline.name, options)
    const recorder = new Recorder(pipeline, kernels, clock, directory)
    try {
      directory.write('pipeline.yaml', pipelineText(pipeline, directory.path))
      const { name: kernel, detail, threads } = kernels
      events.next({ type: 'start', directory: directory.path, kernel, detail, threads })
      const watched = new Watched(events)
      const graph = options.prepared ? withPrepared(pipeline.graph, options.prepared) : pipeline.graph
      await flow(graph, {
        contextOf: contexts(pipeline, options, timedKernels(kernels, clock), directory, recorder, events),
        watch: watched.watch,
        onWired: () => recorder.save('running'),
        onStageEnd: (node) => events.next({ type: 'stage-end', stage: node.id }),
        signal: options.signal,
      })
      return { directory: directory.path, ...watched.results(), record: recorder.save('done') }
    } catch (cause) {
      throw recorded(asPipelineError(cause), recorder)
    }
  } finally {
    kernels.close()
  }
}

function contexts(
  pipeline: Pipeline,
  options: RunOptions,
  kernels: Kernels,
  directory: RunDirectory,
  recorder: Recorder,
  events: Subject<RunEvent>,
): (node: Node) => Omit<StageContext, 'flow' | 'signal' | 'stop'> {
  return (node) => ({
    id: node.id,
    inputs: node.inputFacts,
    kernels,
    random: (purpose, epoch) => randomStream(pipeline.seed, node.id, purpose, epoch),
    file: (path) => directory.file(path, node.title),
    source: (source) => recorder.data.push(source),
    note: (message) => {
      recorder.notes.push(`${node.id}: ${message}`)
      events.next({ type: 'note', stage: node.id, message })
    },
    terminal: options.terminal ?? { interactive: false, write: () => {} },
  })
}

/** What passes on the wires and belongs into the result: every row of metrics, the last parameters. */
class Watched {
  private readonly events: Subject<RunEvent>
  private readonly metrics: Record<string, MetricsRow[]> = {}
  private last: Table | undefined

  constructor(events: Subject<RunEvent>) {
    this.events = events
  }

  readonly watch = (node: Node, port: string, wire: Observable<Table>): void => {
    const { type } = node.stage.outputs[port]
    if (type === 'metrics') {
      this.metrics[node.id] = []
      wire.subscribe({ next: (table) => this.keep(node.id, table), error: () => {} })
    } else if (type === 'parameters') {
      wire.subscribe({
        next: (table) => {
          this.last = table
        },
        complete: () => {
          this.last &&= copyParameters(this.last)
        },
        error: () => {},
      })
    }
  }

  private keep(stage: string, table: Table): void {
    for (const row of metricsRows(table)) {
      this.metrics[stage]!.push(row)
      this.events.next({ type: 'metrics', stage, row })
    }
  }

  results(): Pick<Result, 'history' | 'metrics' | 'parameters'> {
    const arrays = this.last ? modelOf(this.last).arrays : []
    return {
      history: Object.values(this.metrics)[0] ?? [],
      metrics: this.metrics,
      parameters: Object.fromEntries(arrays.map(({ name, shape, values }) => [name, ndarray(values, [...shape])])),
    }
  }
}

function asPipelineError(cause: unknown): PipelineError {
  if (cause instanceof PipelineError) return cause
  return new PipelineError('INTERNAL', `internal error: ${messageOf(cause)}`, { cause })
}

/** Writes the failure into `run.json`; where that fails too, the first error is still the one to tell. */
function recorded(error: PipelineError, recorder: Recorder): PipelineError {
  try {
    recorder.save(error.code === 'ABORTED' ? 'interrupted' : 'failed', error)
    return error
  } catch (second) {
    return new PipelineError(error.code, [...error.problems, { message: messageOf(second) }], { cause: error })
  }
}

function pipelineText(pipeline: Pipeline, base: string): string {
  const document = pipeline.toDocument({ allowObjects: true, base })
  document.commentBefore = ' As it ran, with every reference resolved: millrace run pipeline.yaml runs it again.'
  return String(document)
}

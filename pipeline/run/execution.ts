import { createHash } from 'node:crypto'
import type { Subject } from 'rxjs'
import type { Kernels } from '../../kernels/contract.js'
import type { DataSource } from '../base/data-source.js'
import { asPipelineError, messageOf, PipelineError } from '../base/errors.js'
import { version } from '../base/package.js'
import { randomStreams, splitStreams } from '../base/random.js'
import { overrideCheckpointRule } from '../definition/checkpoint.js'
import type { Checkpoint } from '../directory/checkpoint.js'
import type { RunDirectory } from '../directory/run-directory.js'
import type { Graph, Node } from '../graph/graph.js'
import type { Pipeline } from '../graph/pipeline.js'
import { localParallel } from '../parallel/local.js'
import { learnerNamed } from '../stage/learner.js'
import type { Ports, StageContext } from '../stage/stage.js'
import { keptRows } from '../wires/kept-rows.js'
import type { MetricInfos } from '../wires/metrics.js'
import { Checkpointer } from './checkpointer.js'
import type { Result, RunEvent, RunSettings } from './contract.js'
import { classRemarks, isLoader, watchData } from './data-summary.js'
import type { Division } from './division.js'
import { withPrepared } from './prepared.js'
import { formatMaker, Recorder } from './record.js'
import { ResultCollector } from './result.js'
import { runGraph } from './run-graph.js'
import { type KernelClock, timedKernels } from './timed-kernels.js'

/** A run that is about to start: its pipeline, the directory it has claimed, and its past if it is resumed. */
export interface RunStart {
  /** The pipeline that runs. */
  readonly pipeline: Pipeline
  /** The directory of the run. The caller of `runInProcess` releases it. */
  readonly directory: RunDirectory
  /** The past of a resumed run; undefined for a new one. */
  readonly resumed?: ResumeState
}

/** What a resumed run knows of its past. */
export interface ResumeState {
  /** The checkpoint to go on from; undefined: the run begins anew. */
  readonly checkpoint: Checkpoint | undefined
  /** The notes of the earlier process, and those made while the directory was opened again. */
  readonly notes: readonly string[]
  /** Kernel and version of the earlier process, as `formatMaker` writes them; undefined if they are not known. */
  readonly maker: string | undefined
  /** What the metrics of the earlier process said about themselves. */
  readonly metrics?: MetricInfos
  /** Throws a PipelineError `DATA` if a file is not the one that was read before. */
  readonly checkSource: (source: DataSource) => void
}

/** What a run uses in this process. */
export interface RunTools {
  /** The opened kernels. The caller closes them. */
  readonly kernels: Kernels
  /** The settings that the caller of the run gave. */
  readonly settings: RunSettings
  /** Where the events of the run go. */
  readonly events: Subject<RunEvent>
  /** The part of this process in a divided run; undefined if the run is not divided. */
  readonly division: Division | undefined
}

/**
 * Lets the stages of a run flow to their end in this process, and writes `pipeline.yaml`, `run.json` and checkpoints.
 * Rejects with a PipelineError, after it has written the error into `run.json`.
 */
export async function runInProcess(start: RunStart, tools: RunTools): Promise<Result> {
  const { pipeline, directory, resumed } = start
  const { settings, events, division } = tools
  const rank = division?.rank ?? 0
  const definition = definitionText(pipeline, directory.path)
  const clock: KernelClock = { busy: 0, steps: 0, firstStep: undefined, lastCall: 0 }
  const kernels = timedKernels(tools.kernels, clock)
  const recorder = new Recorder({
    pipeline,
    kernels,
    clock,
    directory,
    definition: createHash('sha256').update(definition).digest('hex'),
    notes: resumed?.notes ?? [],
    resumedAt: resumed?.checkpoint?.step,
    metrics: resumed?.metrics ?? {},
    library: division?.library,
  })
  const rule = overrideCheckpointRule(pipeline.definition.checkpoint, settings.checkpoint)
  const ownRule = rank === 0 ? rule : { ...rule, keep: 0 }
  const checkpointer = new Checkpointer(ownRule, directory, recorder, resumed?.checkpoint)
  const results = new ResultCollector(events, recorder)
  const graph = graphOnRank(pipeline.graph, settings, rank)
  const noteOf = (node: Node, message: string): void => {
    recorder.note(`${node.id}: ${message}`)
    events.next({ type: 'note', stage: node.id, message })
  }
  try {
    noteOtherMaker(resumed, kernels, recorder)
    // The record of a resumed run must know the definition before the definition is replaced.
    if (resumed) recorder.save('running')
    directory.write('pipeline.yaml', definition)
    const { name: kernel, detail, threads } = kernels
    events.next({ type: 'start', directory: directory.path, kernel, detail, threads, rank })
    await runGraph(graph, {
      contextOf: contextMaker(start, { ...tools, kernels }, recorder, checkpointer, noteOf),
      watch: (node, port, wire) => {
        const { type } = node.stage.outputs[port]
        if (type === 'metrics')
          checkpointer.keep(`result of ${node.id}`, keptRows, results.collectMetrics(node.id, wire))
        if (isLoader(node, port) && !settings.prepared?.stages[node.id])
          watchData(wire, (data) => {
            events.next({ type: 'data', stage: node.id, ...data })
            for (const remark of classRemarks(data)) noteOf(node, remark)
          })
        if (type === 'parameters') {
          results.collectParameters(wire, isTraining(node))
          checkpointer.watchSteps(wire)
        }
      },
      onWired: (running) => {
        checkpointer.begin(running, graph)
        recorder.save('running')
      },
      onEnding: (reason) => checkpointer.onEnding(reason),
      onStageEnd: (node) => events.next({ type: 'stage-end', stage: node.id }),
      signal: settings.signal,
    })
    await checkpointer.close(true)
    return { directory: directory.path, ...results.results(), record: recorder.save('done') }
  } catch (cause) {
    throw await closedAfter(asPipelineError(cause), checkpointer, recorder)
  }
}

/** Returns the function that makes the context of each stage, but for the parts that the wiring adds. */
function contextMaker(
  { pipeline, directory, resumed }: RunStart,
  { kernels, settings, division }: RunTools,
  recorder: Recorder,
  checkpointer: Checkpointer,
  noteOf: (node: Node, message: string) => void,
): (node: Node) => Omit<StageContext, 'flow' | 'signal' | 'stop'> {
  return (node) => ({
    id: node.id,
    inputs: node.inputFacts,
    kernels,
    learner: (name) =>
      learnerNamed(
        name,
        pipeline.graph.nodes.flatMap(({ stage }) => stage.learner ?? []),
      ),
    random: randomStreams(pipeline.seed, node.id),
    splitRandom: splitStreams(pipeline.splitSeed, node.id),
    file: (path) => directory.file(path, node.title),
    source: (source) => {
      resumed?.checkSource(source)
      recorder.data.push(source)
      division?.addSource(node, source)
    },
    note: (message) => noteOf(node, message),
    state: (schema, hooks) => checkpointer.keep(node.id, schema, hooks),
    parallel: division?.parallelOf(node, pipeline.graph) ?? localParallel,
    terminal: settings.terminal ?? { interactive: false, write: () => {} },
  })
}

/** Whether a stage makes parameters by training on batches, and does not only pass on those of another stage. */
function isTraining({ stage }: Node): boolean {
  const types = Object.values(stage.inputs as Ports).map(({ type }) => type)
  return types.includes('batch') || !types.includes('parameters')
}

/**
 * The stages that run in this process. Stages that only the first rank runs are left out elsewhere, if nothing reads
 * them.
 */
function graphOnRank(whole: Graph, { prepared }: RunSettings, rank: number): Graph {
  const graph = prepared ? withPrepared(whole, prepared) : whole
  if (rank === 0) return graph
  const runsHere = ({ stage }: Node): boolean => stage.parallel !== 'first' || Object.keys(stage.outputs).length > 0
  return { nodes: graph.nodes.filter(runsHere) }
}

/** Notes that a run is resumed with another kernel or version: the last digits depend on both. */
function noteOtherMaker(resumed: ResumeState | undefined, kernel: Kernels, recorder: Recorder): void {
  const maker = formatMaker({ kernel, versions: { millrace: version } })
  const before = resumed?.maker
  if (before !== undefined && before !== maker)
    recorder.note(`begun with the ${before}, resumed with the ${maker}: the last digits may differ`)
}

/**
 * Finishes the checkpoints of a failed run and records its error. Returns the error to report, with all that failed.
 */
async function closedAfter(
  error: PipelineError,
  checkpointer: Checkpointer,
  recorder: Recorder,
): Promise<PipelineError> {
  let reported = error
  try {
    await checkpointer.close(false)
  } catch (second) {
    if (second !== error) reported = withProblem(error, second)
  }
  try {
    recorder.save(reported.code === 'ABORTED' ? 'interrupted' : 'failed', reported)
  } catch (second) {
    reported = withProblem(reported, second)
  }
  return reported
}

function withProblem(error: PipelineError, second: unknown): PipelineError {
  return new PipelineError(error.code, [...error.problems, { message: messageOf(second) }], { cause: error })
}

/** The text of the run's `pipeline.yaml`; `base` is the folder that its stage files are named from. */
function definitionText(pipeline: Pipeline, base: string): string {
  const document = pipeline.toDocument({ allowObjects: true, base })
  const { stages } = document.toJS() as { stages: readonly { readonly use: string }[] }
  const isElsewhere = stages.some(({ use }) => use.startsWith('../'))
  document.commentBefore =
    ' As it ran: millrace run pipeline.yaml runs it again, --set with other values' +
    (isElsewhere ? ',\n with the folder of its stage files behind --plugins.' : '.')
  return String(document)
}

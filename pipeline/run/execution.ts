import { createHash } from 'node:crypto'
import type { Table } from 'apache-arrow'
import type { Observable } from 'rxjs'
import type { Kernels } from '../../kernels/contract.js'
import { asPipelineError, messageOf, PipelineError } from '../base/errors.js'
import { version } from '../base/package.js'
import { overrideCheckpointRule } from '../definition/checkpoint.js'
import { pruneCheckpoints } from '../directory/checkpoint.js'
import { asksForPieces, readersAskForPieces } from '../graph/asked.js'
import type { Graph, Node } from '../graph/node.js'
import { RunObserver } from '../live/observer.js'
import { openLiveSocket } from '../live/server.js'
import { keptRows } from '../wires/kept-rows.js'
import { whileRunning } from './abandon.js'
import { Checkpointer } from './checkpointer.js'
import { configurationOf } from './configuration.js'
import type { Result, RunSettings } from './contract.js'
import { DataLook } from './data-look.js'
import { isDivider, isLoader } from './data-summary.js'
import type { Division } from './division.js'
import { FirstStep, isTraining, refusalOf } from './first-step.js'
import { gitStateOf } from './git-state.js'
import { withPrepared } from './prepared.js'
import { formatMaker, LEFT_OUT, Recorder } from './record.js'
import { ResultCollector, rowsKey } from './result.js'
import { type GraphHooks, runGraph } from './run-graph.js'
import { contextMaker, noteOf } from './stage-context.js'
import type { ResumeState, RunStart, RunTools } from './start.js'
import { lengthRemark, storedDefinition } from './stored-definition.js'
import { type KernelClock, timedKernels } from './timed-kernels.js'

/**
 * Lets the stages of a run flow to their end in this process, and writes `pipeline.yaml`, `run.json` and checkpoints.
 * Rejects with a PipelineError, after it has written the error into `run.json`.
 */
export async function runInProcess(start: RunStart, tools: RunTools): Promise<Result> {
  const { pipeline, directory, resumed } = start
  const { settings, events, taps, division } = tools
  const rank = division?.rank ?? 0
  const clock: KernelClock = { busy: 0, steps: 0, firstStep: undefined, lastCall: 0 }
  const kernels = timedKernels(tools.kernels, clock)
  const { recorder, definition } = recordedRun(start, tools, kernels, clock)
  // The points of a sweep share their definition: git is not asked for each of them.
  const git = resumed || settings.prepared || directory.path === '' ? undefined : gitStateOf(pipeline)
  const gitIsKnown = git?.then((state) => {
    recorder.git = state
  })
  const checkpointer = checkpointerOf(start, settings, recorder)
  const results = new ResultCollector(events, recorder)
  const metrics = new Map<string, Observable<Table>>()
  const graph = graphOnRank(pipeline.graph, settings, rank)
  const observer = new RunObserver(pipeline.name, graph)
  taps.observer = observer
  const loading = new Set(
    graph.nodes.filter((node) => Object.keys(node.stage.outputs).some((port) => isLoader(node, port))),
  )
  const { checkpoint, lastStep, abandoned = [] } = resumed ?? {}
  // The record comes first: it tells the files of the run from those of the user, and must know the definition of a
  // resumed run before that is replaced.
  const writeDefinition = (): void => {
    recorder.save('running')
    directory.write('pipeline.yaml', definition)
  }
  const begin = (): void => {
    // Only the first rank has a directory.
    if (resumed && rank === 0) {
      pruneCheckpoints(directory.path, Number.POSITIVE_INFINITY)
      for (const file of abandoned) directory.remove(file)
      writeDefinition()
    }
    recorder.listFiles()
    checkpointer.beginStages()
  }
  const look = new DataLook(graph, {
    settled: (node, data) => {
      recorder.examples[node.id] = data
      events.next({ type: 'data', stage: node.id, ...data })
    },
    note: (node, remark) => noteOf(node, recorder, events)(remark),
  })
  const firstStep = resumed && new FirstStep(graph, { checkpoint, lastStep, begin })
  const watch: GraphHooks['watch'] = (node, port, wire) => {
    firstStep?.watch(node, port, wire)
    const { type } = node.stage.outputs[port]
    if (type === 'metrics') {
      metrics.set(`${node.id}.${port}`, wire)
      checkpointer.keep(rowsKey(node.id), keptRows, results.collectMetrics(node.id, wire))
    }
    if (isLookedAt(node, port, graph) && !settings.prepared?.stages[node.id]) look.watch(node, port, wire)
    if (type === 'parameters') {
      results.collectParameters(wire, isTraining(node))
      checkpointer.watchSteps(wire)
    }
  }
  const hasEnded = whileRunning((error) => {
    if (!firstStep || firstStep.isMade) recorder.save('failed', error)
  })
  const socket = openLiveSocket(directory.path, observer, taps)
  try {
    noteOtherMaker(resumed, kernels, recorder)
    const tooLong = directory.path === '' ? undefined : lengthRemark(definition)
    for (const remark of [tools.choice, tooLong]) if (remark) recorder.note(remark)
    if (!resumed) writeDefinition()
    const { name: kernel, detail, threads } = kernels
    events.next({ type: 'start', directory: directory.path, kernel, detail, threads, rank })
    if (tools.choice) events.next({ type: 'note', stage: 'kernel', message: tools.choice })
    if (tooLong) events.next({ type: 'note', stage: 'definition', message: tooLong })
    await runGraph(graph, {
      contextOf: contextMaker(start, { ...tools, kernels }, recorder, checkpointer, metrics),
      watch,
      onWired: (running) => {
        checkpointer.begin(running, graph)
        if (firstStep) return firstStep.start(running)
        begin()
      },
      onEnding: (reason) => checkpointer.onEnding(reason),
      onStageEnd: (node) => {
        loading.delete(node)
        recorder.isAllRead = loading.size === 0
        events.next({ type: 'stage-end', stage: node.id })
      },
      goesOnWithout: (node, error) => {
        if (!isDispensable(node, error, division)) return false
        recorder.addUndrawn(node.id)
        noteOf(node, recorder, events)(`${LEFT_OUT}${error.message}`)
        return true
      },
      observer,
      taps,
      signal: settings.signal,
    })
    firstStep?.begin()
    await look.ended(settings.signal)
    await checkpointer.close(true)
    await gitIsKnown
    socket.status = 'done'
    return { directory: directory.path, ...results.results(), record: recorder.save('done') }
  } catch (cause) {
    const error = asPipelineError(cause)
    socket.status = error.code === 'ABORTED' ? 'interrupted' : 'failed'
    if (!firstStep || firstStep.isMade) throw await closedAfter(error, checkpointer, recorder)
    await checkpointer.close(false)
    throw refusalOf(error)
  } finally {
    look.stop()
    socket.close()
    hasEnded()
  }
}

/** The record of a run in this process, and the text of its `pipeline.yaml`. */
function recordedRun(
  { pipeline, directory, resumed }: RunStart,
  { division }: RunTools,
  kernels: Kernels,
  clock: KernelClock,
): { readonly recorder: Recorder; readonly definition: string } {
  const isChanged = (resumed?.changes ?? []).some(({ from }) => from > 1)
  const { text: definition, settings } = storedDefinition(pipeline, directory.path, isChanged)
  const recorder = new Recorder({
    pipeline,
    kernels,
    clock,
    directory,
    definition: createHash('sha256').update(definition).digest('hex'),
    settings,
    notes: resumed?.notes ?? [],
    resumedAt: resumed?.checkpoint?.step,
    metrics: resumed?.metrics ?? {},
    changes: resumed?.changes ?? [],
    git: resumed?.git,
    library: division?.library,
  })
  return { recorder, definition }
}

function checkpointerOf(
  { pipeline, directory, resumed }: RunStart,
  settings: RunSettings,
  recorder: Recorder,
): Checkpointer {
  const rule = overrideCheckpointRule(pipeline.definition.checkpoint, settings.checkpoint)
  return new Checkpointer(directory.path === '' ? { ...rule, keep: 0 } : rule, {
    directory,
    recorder,
    configuration: configurationOf(pipeline),
    saved: resumed?.checkpoint,
  })
}

/**
 * Whether the examples of an output are looked at: those that are loaded or divided. Behind a load stage that gives them in
 * pieces, it is the stage that gathers the pieces.
 */
function isLookedAt(node: Node, port: string, graph: Graph): boolean {
  if (readersAskForPieces(node, graph)) return false
  if (asksForPieces(node, graph)) return true
  return isLoader(node, port) || isDivider(node, port)
}

/** Whether a run is done although this stage has failed: the rest of the run does not need it. */
function isDispensable({ stage, title }: Node, { code, stage: failed }: PipelineError, division?: Division): boolean {
  // On several ranks, the others would wait for this one.
  const isAwaited = division !== undefined && stage.parallel === 'every'
  return stage.optional === true && failed === title && code !== 'WRITE' && !isAwaited
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
  if (error.problems.some(({ message }) => message === messageOf(second))) return error
  return new PipelineError(error.code, [...error.problems, { message: messageOf(second) }], { cause: error })
}

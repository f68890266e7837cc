import { createHash } from 'node:crypto'
import type { Table } from 'apache-arrow'
import type { Observable, Subject } from 'rxjs'
import type { Kernels } from '../../kernels/contract.js'
import type { DataSource } from '../base/data-source.js'
import { asPipelineError, inStage, messageOf, PipelineError } from '../base/errors.js'
import { version } from '../base/package.js'
import { randomStreams, splitStreams } from '../base/random.js'
import { overrideCheckpointRule } from '../definition/checkpoint.js'
import { type SettingValues, settingsOf } from '../definition/settings.js'
import { isOwnDefinition } from '../definition/trust.js'
import { type Checkpoint, pruneCheckpoints } from '../directory/checkpoint.js'
import type { OptionChange } from '../directory/configuration.js'
import type { RunDirectory } from '../directory/run-directory.js'
import { aboveOf } from '../graph/above.js'
import { askedOf, asksForPieces, readersAskForPieces } from '../graph/asked.js'
import type { Graph, Node } from '../graph/node.js'
import type { Pipeline } from '../graph/pipeline.js'
import { watchedOf } from '../graph/watched.js'
import { RunObserver } from '../live/observer.js'
import { openLiveSocket } from '../live/server.js'
import type { WireTaps } from '../live/wire-taps.js'
import { localParallel } from '../parallel/local.js'
import { learnerNamed } from '../stage/learner.js'
import { sharedMemory } from '../stage/memory.js'
import type { StageContext, StateHooks } from '../stage/stage.js'
import { keptRows } from '../wires/kept-rows.js'
import type { MetricInfos } from '../wires/metrics.js'
import { whileRunning } from './abandon.js'
import { Checkpointer } from './checkpointer.js'
import { configurationOf } from './configuration.js'
import type { Result, RunEvent, RunSettings } from './contract.js'
import { DataLook } from './data-look.js'
import { isDivider, isLoader } from './data-summary.js'
import type { Division } from './division.js'
import { FirstStep, isTraining, refusalOf } from './first-step.js'
import { type GitState, gitStateOf } from './git-state.js'
import { withPrepared } from './prepared.js'
import { formatMaker, LEFT_OUT, Recorder } from './record.js'
import { ResultCollector, rowsKey } from './result.js'
import { runGraph } from './run-graph.js'
import { countedKernels, type KernelClock, timedKernels } from './timed-kernels.js'

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
  /** The commit that the run was begun with. */
  readonly git?: GitState | undefined
  /** The options that were changed on the way, and those that are changed now. */
  readonly changes?: readonly OptionChange[]
  /** The last step that the run has made, if it is done. */
  readonly lastStep?: number | undefined
  /** The output files that the run wrote after the checkpoint, relative to its directory. */
  readonly abandoned?: readonly string[]
}

/** What a run uses in this process. */
export interface RunTools {
  /** The opened kernels. The caller closes them. */
  readonly kernels: Kernels
  /** Why they were chosen, if the run was told `auto`. */
  readonly choice?: string | undefined
  /** The settings that the caller of the run gave. */
  readonly settings: RunSettings
  /** Where the events of the run go. */
  readonly events: Subject<RunEvent>
  /** Where others see the wires. */
  readonly taps: WireTaps
  /** The part of this process in a divided run; undefined if the run is not divided. */
  readonly division: Division | undefined
}

/**
 * Lets the stages of a run flow to their end in this process, and writes `pipeline.yaml`, `run.json` and checkpoints.
 * Rejects with a PipelineError, after it has written the error into `run.json`.
 */
export async function runInProcess(start: RunStart, tools: RunTools): Promise<Result> {
  const { pipeline, directory, resumed } = start
  const { settings, events, taps, division } = tools
  const rank = division?.rank ?? 0
  const isChanged = (resumed?.changes ?? []).some(({ from }) => from > 1)
  const { text: definition, settings: own } = storedDefinition(pipeline, directory.path, isChanged)
  const clock: KernelClock = { busy: 0, steps: 0, firstStep: undefined, lastCall: 0 }
  const kernels = timedKernels(tools.kernels, clock)
  const recorder = new Recorder({
    pipeline,
    kernels,
    clock,
    directory,
    definition: createHash('sha256').update(definition).digest('hex'),
    settings: own,
    notes: resumed?.notes ?? [],
    resumedAt: resumed?.checkpoint?.step,
    metrics: resumed?.metrics ?? {},
    changes: resumed?.changes ?? [],
    git: resumed?.git,
    library: division?.library,
  })
  // The points of a sweep share their definition: git is not asked for each of them.
  const git = resumed || settings.prepared || directory.path === '' ? undefined : gitStateOf(pipeline)
  const gitIsKnown = git?.then((state) => {
    recorder.git = state
  })
  const rule = overrideCheckpointRule(pipeline.definition.checkpoint, settings.checkpoint)
  const ownRule = directory.path === '' ? { ...rule, keep: 0 } : rule
  const checkpointer = new Checkpointer(ownRule, {
    directory,
    recorder,
    configuration: configurationOf(pipeline),
    saved: resumed?.checkpoint,
  })
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
  const hasEnded = whileRunning((error) => {
    if (!firstStep || firstStep.isMade) recorder.save('failed', error)
  })
  const socket = openLiveSocket(directory.path, observer, taps)
  try {
    noteOtherMaker(resumed, kernels, recorder)
    if (tools.choice) recorder.note(tools.choice)
    if (!resumed) writeDefinition()
    const { name: kernel, detail, threads } = kernels
    events.next({ type: 'start', directory: directory.path, kernel, detail, threads, rank })
    if (tools.choice) events.next({ type: 'note', stage: 'kernel', message: tools.choice })
    await runGraph(graph, {
      contextOf: contextMaker(start, { ...tools, kernels }, recorder, checkpointer, metrics),
      watch: (node, port, wire) => {
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
      },
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

/** Returns the function that adds a note of a stage. */
function noteOf({ id }: Node, recorder: Recorder, events: Subject<RunEvent>): (message: string) => void {
  return (message) => {
    recorder.note(`${id}: ${message}`)
    events.next({ type: 'note', stage: id, message })
  }
}

/** Returns the function that makes the context of each stage, but for the parts that the wiring adds. */
function contextMaker(
  { pipeline, directory, resumed }: RunStart,
  { kernels, settings, events, division }: RunTools,
  recorder: Recorder,
  checkpointer: Checkpointer,
  metrics: ReadonlyMap<string, Observable<Table>>,
): (node: Node) => Omit<StageContext, 'flow' | 'signal' | 'stop' | 'enough'> {
  const memory = sharedMemory(pipeline.definition.memory)
  const isOwn = isOwnDefinition(pipeline.definition.trust, pipeline.definition.file)
  return (node) => ({
    id: node.id,
    inputs: node.inputFacts,
    asked: askedOf(node, pipeline.graph),
    watched: watchedIn(metrics, watchedOf(node, pipeline.graph)),
    kernels: countedKernels(kernels, memory, `the rows of ${node.id}`),
    memory,
    above: aboveOf(node, pipeline, () => recorder.data),
    learner: (name, options = {}) =>
      learnerNamed(
        name,
        options,
        pipeline.graph.nodes.flatMap(({ stage, facts }) => [
          ...(stage.learner ? [stage.learner] : []),
          // A stage may know its learner only from its options.
          ...Object.values(facts).flatMap(({ learner }) => learner ?? []),
        ]),
      ),
    random: randomStreams(pipeline.seed, node.id),
    splitRandom: splitStreams(pipeline.splitSeed, node.id),
    directory: directory.path,
    file: (path) => {
      const target = directory.file(path, node.title)
      recorder.listNewFile()
      return target
    },
    unlistedFile: (path) => directory.unlisted(path),
    isOwn,
    source: (source) => {
      resumed?.checkSource(source)
      recorder.data.push(source)
      division?.addSource(node, source)
    },
    note: noteOf(node, recorder, events),
    state: (schema, hooks) => checkpointer.keep(node.id, schema, withStage(hooks, node)),
    parallel: division?.parallelOf(node, pipeline.graph) ?? localParallel,
    terminal: settings.terminal ?? { interactive: false, write: () => {} },
  })
}

function watchedIn(
  metrics: ReadonlyMap<string, Observable<Table>>,
  output: ReturnType<typeof watchedOf>,
): Observable<Table> | undefined {
  return output && metrics.get(`${output.id}.${output.port}`)
}

/** Returns the hooks of a stage, with its name in the errors of `begin`. */
function withStage<S>(hooks: StateHooks<S>, { title, where }: Node): StateHooks<S> {
  const named = (error: unknown): never => {
    throw inStage(error, title, where)
  }
  return {
    prepare: () => hooks.prepare?.()?.catch(named),
    snapshot: () => hooks.snapshot(),
    restore: (state) => hooks.restore(state),
    begin: () => {
      try {
        hooks.begin?.()
      } catch (error) {
        named(error)
      }
    },
    sync: async () => hooks.sync?.(),
  }
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

/**
 * The text of the run's `pipeline.yaml`.
 *
 * @param base the folder that its stage files are named from
 * @param isChanged true if the run did not have these options for all of its steps
 */
export function definitionText(pipeline: Pipeline, base: string, isChanged = false): string {
  return storedDefinition(pipeline, base, isChanged).text
}

/** What `definitionText` returns, and the settings in it. */
function storedDefinition(
  pipeline: Pipeline,
  base: string,
  isChanged: boolean,
): { readonly text: string; readonly settings: SettingValues } {
  const document = pipeline.toDocument({ allowObjects: true, base })
  const data = document.toJS() as { readonly stages: readonly { readonly use: string }[] }
  const { stages } = data
  const isElsewhere = stages.some(({ use }) => use.startsWith('../'))
  document.commentBefore =
    (isChanged
      ? ' As it ran at last; "changes" in run.json says what was changed on the way. millrace run pipeline.yaml\n' +
        ' runs all of it as it is here, --set with other values'
      : ' As it ran: millrace run pipeline.yaml runs it again, --set with other values') +
    (isElsewhere ? ',\n with the folder of its stage files behind --plugins.' : '.')
  return { text: String(document), settings: settingsOf(data) }
}

import { createHash } from 'node:crypto'
import type { Subject } from 'rxjs'
import type { Kernels } from '../../kernels/contract.js'
import { asPipelineError, messageOf, PipelineError } from '../base/errors.js'
import { suggestion } from '../base/nearest.js'
import { version } from '../base/package.js'
import { randomStreams } from '../base/random.js'
import { overrideCheckpointRule } from '../definition/checkpoint.js'
import type { Checkpoint } from '../directory/checkpoint.js'
import type { RunDirectory } from '../directory/run-directory.js'
import type { Graph, Node } from '../graph/graph.js'
import type { Pipeline } from '../graph/pipeline.js'
import type { AnyLearner } from '../stage/learner.js'
import type { DataSource, StageContext } from '../stage/stage.js'
import type { MetricInfos } from '../wires/metrics.js'
import { Checkpointer } from './checkpointer.js'
import type { Result, RunEvent, RunSettings } from './contract.js'
import type { Division } from './division.js'
import { withPrepared } from './prepared.js'
import { Recorder } from './record.js'
import { ResultCollector } from './result.js'
import { flow } from './run-graph.js'
import { type KernelClock, timedKernels } from './timed-kernels.js'

/** A run that is about to flow: in a directory of its own, from the start or from where it was cut off. */
export interface RunStart {
  readonly pipeline: Pipeline
  readonly directory: RunDirectory
  readonly resumed?: ResumeState
}

/** What a run that goes on knows of its past. */
export interface ResumeState {
  /** Nothing: from the start. */
  readonly checkpoint: Checkpoint | undefined
  /** What was noted then, and on the way here. */
  readonly notes: readonly string[]
  /** The kernel and version it was begun with, as `formatMaker` words them. */
  readonly maker: string | undefined
  /** What its metrics said about themselves. */
  readonly metrics?: MetricInfos
  /** Throws where a file is not the one that was read then. */
  readonly checkSource: (source: DataSource) => void
}

/** One run, in the process it runs in. */
export class Execution {
  private readonly pipeline: Pipeline
  private readonly directory: RunDirectory
  private readonly resumed: ResumeState | undefined
  private readonly kernels: Kernels
  private readonly conditions: RunSettings
  private readonly events: Subject<RunEvent>
  private readonly clock: KernelClock = { busy: 0, steps: 0, firstStep: undefined, lastCall: 0 }
  private readonly recorder: Recorder
  private readonly definition: string
  private readonly checkpointer: Checkpointer
  private readonly watched: ResultCollector
  private readonly division: Division | undefined

  constructor(
    { pipeline, directory, resumed }: RunStart,
    kernels: Kernels,
    conditions: RunSettings,
    events: Subject<RunEvent>,
    division: Division | undefined,
  ) {
    this.division = division
    this.pipeline = pipeline
    this.directory = directory
    this.resumed = resumed
    this.kernels = kernels
    this.conditions = conditions
    this.events = events
    this.definition = definitionText(pipeline, directory.path)
    this.recorder = new Recorder(pipeline, kernels, this.clock, directory, {
      definition: createHash('sha256').update(this.definition).digest('hex'),
      notes: resumed?.notes ?? [],
      resumedAt: resumed?.checkpoint?.step,
      library: division?.library,
      metrics: resumed?.metrics ?? {},
    })
    const asked = overrideCheckpointRule(pipeline.definition.checkpoint, conditions.checkpoint)
    const rule = this.rank === 0 ? asked : { ...asked, keep: 0 }
    this.checkpointer = new Checkpointer(rule, directory, this.recorder, resumed?.checkpoint)
    this.watched = new ResultCollector(events, this.checkpointer, this.recorder)
  }

  private get rank(): number {
    return this.division?.rank ?? 0
  }

  /** What runs here: of the ranks of a divided run, some stages have only the first. */
  private get graph(): Graph {
    const { prepared } = this.conditions
    const graph = prepared ? withPrepared(this.pipeline.graph, prepared) : this.pipeline.graph
    return this.rank === 0 ? graph : { nodes: graph.nodes.filter(runsEverywhere) }
  }

  async run(): Promise<Result> {
    const { graph, rank, directory, recorder, checkpointer, watched } = this
    try {
      this.noteMaker()
      // The record goes first: it knows of the definition by the time that this lies there.
      if (this.resumed) recorder.save('running')
      directory.write('pipeline.yaml', this.definition)
      const { name: kernel, detail, threads } = this.kernels
      this.events.next({ type: 'start', directory: directory.path, kernel, detail, threads, rank })
      await flow(graph, {
        contextOf: this.contexts(),
        watch: watched.watch,
        onWired: (flowing) => {
          checkpointer.begin(flowing, graph)
          recorder.save('running')
        },
        onEnding: (reason) => checkpointer.onEnding(reason),
        onStageEnd: (node) => this.events.next({ type: 'stage-end', stage: node.id }),
        signal: this.conditions.signal,
      })
      await checkpointer.close(true)
      return { directory: directory.path, ...watched.results(), record: recorder.save('done') }
    } catch (cause) {
      throw recorded(await this.closed(asPipelineError(cause)), recorder)
    }
  }

  /** The last digits depend on the kernel, and on the instructions it uses. */
  private noteMaker(): void {
    const maker = formatMaker({ kernel: this.kernels, versions: { millrace: version } })
    const before = this.resumed?.maker
    if (before !== undefined && before !== maker)
      this.recorder.note(`begun with the ${before}, resumed with the ${maker}: the last digits may differ`)
  }

  /** Lets checkpoints come to their end; where that fails as well, both errors are told. */
  private async closed(error: PipelineError): Promise<PipelineError> {
    try {
      await this.checkpointer.close(false)
      return error
    } catch (second) {
      return second === error ? error : withProblem(error, second)
    }
  }

  private contexts(): (node: Node) => Omit<StageContext, 'flow' | 'signal' | 'stop'> {
    const { pipeline, conditions, recorder, directory, events, checkpointer, resumed, division } = this
    const kernels = timedKernels(this.kernels, this.clock)
    return (node) => ({
      id: node.id,
      inputs: node.inputFacts,
      kernels,
      learner: (name) => learnerNamed(name, pipeline.graph),
      random: randomStreams(pipeline.seed, node.id),
      file: (path) => directory.file(path, node.title),
      source: (source) => {
        resumed?.checkSource(source)
        recorder.data.push(source)
        division?.read(node, source)
      },
      note: (message) => {
        recorder.note(`${node.id}: ${message}`)
        events.next({ type: 'note', stage: node.id, message })
      },
      state: (schema, keeper) => checkpointer.keep(node.id, schema, keeper),
      parallel: division?.parallelOf(node, pipeline.graph),
      terminal: conditions.terminal ?? { interactive: false, write: () => {} },
    })
  }
}

/** The learner of that name, of those that the stages of a pipeline declare. */
function learnerNamed(name: string, { nodes }: Graph): AnyLearner {
  const learners = nodes.flatMap(({ stage }) => stage.learner ?? [])
  const found = learners.find((learner) => learner.name === name)
  if (found) return found
  const names = learners.map((learner) => learner.name)
  throw new PipelineError(
    'DATA',
    `the parameters come from the learner "${name}", which no stage of this pipeline declares${suggestion(name, names, 'learners')}`,
  )
}

/** False for what only the first rank of a divided run does; what feeds others is never that. */
function runsEverywhere({ stage }: Node): boolean {
  return stage.parallel !== 'first' || Object.keys(stage.outputs).length > 0
}

/** Writes the failure into `run.json`; where that fails too, the first error is still the one to tell. */
function recorded(error: PipelineError, recorder: Recorder): PipelineError {
  try {
    recorder.save(error.code === 'ABORTED' ? 'interrupted' : 'failed', error)
    return error
  } catch (second) {
    return withProblem(error, second)
  }
}

/** `native kernel (avx512) of Millrace 1.2.3`. */
export function formatMaker({ kernel, versions }: Made): string {
  return `${kernel.name} kernel (${kernel.detail}) of Millrace ${versions.millrace}`
}

/** What of a record says who made the numbers. */
interface Made {
  readonly kernel: { readonly name: string; readonly detail: string }
  readonly versions: { readonly millrace: string }
}

function withProblem(error: PipelineError, second: unknown): PipelineError {
  return new PipelineError(error.code, [...error.problems, { message: messageOf(second) }], { cause: error })
}

function definitionText(pipeline: Pipeline, base: string): string {
  const document = pipeline.toDocument({ allowObjects: true, base })
  const { stages } = document.toJS() as { stages: readonly { readonly use: string }[] }
  const isElsewhere = stages.some(({ use }) => use.startsWith('../'))
  document.commentBefore =
    ' As it ran: millrace run pipeline.yaml runs it again, --set with other values' +
    (isElsewhere ? ',\n with the folder of its stage files behind --plugins.' : '.')
  return String(document)
}

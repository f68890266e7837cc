import type { Table } from 'apache-arrow'
import type { Observable, Subject } from 'rxjs'
import { inStage } from '../base/errors.js'
import { randomStreams, splitStreams } from '../base/random.js'
import { isOwnDefinition } from '../definition/trust.js'
import { aboveOf } from '../graph/above.js'
import { askedOf } from '../graph/asked.js'
import type { Node } from '../graph/node.js'
import { watchedOf } from '../graph/watched.js'
import { localParallel } from '../parallel/local.js'
import type { StageContext, StateHooks } from '../stage/context.js'
import { learnerNamed } from '../stage/learner.js'
import { runMemory } from '../stage/memory.js'
import type { Checkpointer } from './checkpointer.js'
import type { RunEvent } from './contract.js'
import type { Recorder } from './record.js'
import type { RunStart, RunTools } from './start.js'
import { countedKernels } from './timed-kernels.js'

/** Returns the function that adds a note of a stage. */
export function noteOf({ id }: Node, recorder: Recorder, events: Subject<RunEvent>): (message: string) => void {
  return (message) => {
    recorder.note(`${id}: ${message}`)
    events.next({ type: 'note', stage: id, message })
  }
}

/** Returns the function that makes the context of each stage, but for the parts that the wiring adds. */
export function contextMaker(
  { pipeline, directory, resumed }: RunStart,
  { kernels, settings, events, division }: RunTools,
  recorder: Recorder,
  checkpointer: Checkpointer,
  metrics: ReadonlyMap<string, Observable<Table>>,
): (node: Node) => Omit<StageContext, 'flow' | 'signal' | 'stop' | 'enough'> {
  const memory = runMemory(pipeline.definition.memory)
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

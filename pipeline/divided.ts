import { availableParallelism } from 'node:os'
import type { Kernels } from '../kernels/index.js'
import { openComm } from '../parallel/index.js'
import { type Parallel, Ranks } from '../parallel/ranks.js'
import type { ParallelOptions } from './definition/parallel.js'
import { entriesOf, isList, plain, type Value } from './definition/value.js'
import { PipelineError } from './errors.js'
import type { Graph, Node } from './graph.js'
import type { Pipeline } from './pipeline.js'
import { version } from './record.js'
import type { DataSource } from './stage.js'

/** How long ranks that were asked to stop may take to agree on the step, in milliseconds. */
const AGREEMENT = 300

/** A run that is divided among processes, as the run sees it. */
export interface Division {
  readonly rank: number
  readonly ranks: number
  /** Threads of the kernels where nothing else is said: the cores of this machine, shared by the ranks on it. */
  readonly threads: number
  readonly library: string
  /** Aborted when all ranks have agreed to stop, or have failed to. */
  readonly signal: AbortSignal
  /** What a stage is given. */
  parallelOf(node: Node): Parallel
  /** A stage has read this. */
  read(node: Node, source: DataSource): void
  /** Throws a PipelineError `PARALLEL` where the ranks are about to run different things. */
  agree(pipeline: Pipeline, kernels: Kernels): Promise<void>
  /** Tells the other ranks that this one has failed. */
  fail(error: PipelineError): Promise<void>
  /** Waits for the other ranks. */
  close(): Promise<void>
}

/** Joins the other processes of the run. `signal` asks for a stop, which all ranks then make at the same step. */
export async function divide(options: ParallelOptions, graph: Graph, signal?: AbortSignal): Promise<Division> {
  const comm = await openComm(options)
  const stopped = new AbortController()
  const sources = new Map<string, DataSource[]>()
  const ranks = new Ranks(comm, { ...options, onStop: () => stopped.abort() })
  const request = (): void => {
    ranks.requestStop()
    // Where no step comes, there is nothing to agree on; and who was sent the signal may not have long to live.
    setTimeout(() => {
      if (stopped.signal.aborted) return
      stopped.abort()
      comm.cancel(new PipelineError('ABORTED', 'stopped before its end'))
    }, AGREEMENT).unref()
  }
  if (signal?.aborted) request()
  signal?.addEventListener('abort', request, { once: true })

  /** What was read above a stage, by stage: all of it, once the stage has something to talk about. */
  function dataAbove(node: Node): Record<string, unknown> {
    const facts: Record<string, unknown> = {}
    const visit = (at: Node): void => {
      for (const [i, { bytes, sha256 }] of (sources.get(at.id) ?? []).entries())
        facts[`the data of ${at.title}, file ${i + 1}`] = `${bytes} bytes, sha256 ${sha256.slice(0, 16)}…`
      for (const source of at.inputs.values()) visit(graph.nodes.find(({ id }) => id === source.id)!)
    }
    visit(node)
    return facts
  }

  return {
    rank: comm.rank,
    ranks: comm.size,
    threads: Math.max(1, Math.floor(availableParallelism() / comm.neighbours)),
    library: comm.library,
    signal: stopped.signal,
    parallelOf: (node) => ranks.stage(graph.nodes.indexOf(node) + 1, () => dataAbove(node)),
    read: (node, source) => sources.set(node.id, [...(sources.get(node.id) ?? []), source]),
    agree: (pipeline, { name, detail }) =>
      ranks
        .stage(0, () => ({}))
        .agree({
          ...definitionFacts(pipeline),
          'the version of Millrace': version,
          'the kernel': `${name} (${detail})`,
        }),
    fail: (error) => comm.fail(error.message),
    close: async () => {
      signal?.removeEventListener('abort', request)
      await comm.close()
    },
  }
}

/** What all ranks must run: everything that the definition says but for texts from the environment, which name places. */
function definitionFacts({ name, seed, definition }: Pipeline): Record<string, unknown> {
  const facts: Record<string, unknown> = { name, seed, ...prefixed('parallel', definition.parallelValue) }
  for (const [i, { id, use, with: options, from }] of definition.stages.entries()) {
    facts[`the stage at stages[${i}]`] = `${id}: ${use}`
    Object.assign(facts, prefixed(`stages[${i}] ${use}:`, options), prefixed(`stages[${i}] ${use}: from`, from))
  }
  return facts
}

function prefixed(prefix: string, value: Value | undefined): Record<string, unknown> {
  if (!value) return {}
  const inner: [string, Value][] = isList(value)
    ? value.data.map((item, i) => [`[${i}]`, item])
    : [...entriesOf(value)].map(([key, entry]) => [` ${key}`, entry.value])
  if (inner.length > 0) return Object.assign({}, ...inner.map(([key, item]) => prefixed(prefix + key, item)))
  const { data, origin } = value
  const isPlace = typeof data === 'string' && origin.kind === 'environment'
  return { [prefix]: isPlace ? `\${${origin.name}}` : plain(value) }
}

import { availableParallelism } from 'node:os'
import type { Kernels } from '../../kernels/contract.js'
import { asPipelineError, PipelineError } from '../base/errors.js'
import { version } from '../base/package.js'
import type { ParallelOptions } from '../definition/parallel.js'
import { type Checkpoint, copyCheckpoint, decodeCheckpoint, encodeCheckpoint } from '../directory/checkpoint.js'
import type { Graph, Node } from '../graph/graph.js'
import type { Pipeline } from '../graph/pipeline.js'
import { openComm } from '../parallel/index.js'
import { Ranks } from '../parallel/ranks.js'
import type { Parallel } from '../stage/parallel-contract.js'
import type { DataSource } from '../stage/stage.js'
import { dataTerms, definitionTerms } from './agreement.js'
import type { RunSettings } from './contract.js'

/** How long ranks that were asked to stop may take to agree on the step, in milliseconds. */
const AGREEMENT = 300

/** A run that is divided among processes, as the run sees it. */
export interface Division {
  readonly rank: number
  readonly library: string
  /** What a stage is given. */
  parallelOf(node: Node, graph: Graph): Parallel
  /** A stage has read this. */
  read(node: Node, source: DataSource): void
  /** Throws a PipelineError `PARALLEL` where the ranks are about to run different things. */
  agreeOn(pipeline: Pipeline): Promise<void>
  agreeOnKernels(kernels: Kernels): Promise<void>
  /** The checkpoint that the first rank goes on from, on every rank. */
  checkpointOfFirst(checkpoint: Checkpoint | undefined): Promise<Checkpoint | undefined>
}

/**
 * Joins the other processes of the run, lets `run` do its part of it, and tells them how that ended. A stop that is asked
 * for on any rank happens on all of them at the same step.
 */
export async function divided<T>(
  options: ParallelOptions,
  { signal, ...conditions }: RunSettings,
  run: (division: Division, conditions: RunSettings) => Promise<T>,
): Promise<T> {
  const comm = await openComm(options)
  const stopped = new AbortController()
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
  const shared = Math.max(1, Math.floor(availableParallelism() / comm.neighbours))
  try {
    const threads = conditions.threads ?? shared
    const result = await run(divisionOf(ranks), { ...conditions, threads, signal: stopped.signal })
    await comm.close()
    return result
  } catch (cause) {
    // Where all ranks have stopped at the same step, the job ends as well as when it is done.
    const error = asPipelineError(cause)
    if (error.code === 'ABORTED') await comm.close().catch(() => {})
    else await comm.fail(error.message)
    throw cause
  } finally {
    signal?.removeEventListener('abort', request)
  }
}

function divisionOf(ranks: Ranks): Division {
  const { comm } = ranks
  const sources = new Map<string, DataSource[]>()
  const itself = ranks.stage(0, () => ({ 'the version of Millrace': version }))
  return {
    rank: comm.rank,
    library: comm.library,
    parallelOf: (node, graph) => ranks.stage(graph.nodes.indexOf(node) + 1, () => dataTerms(node, graph, sources)),
    read: (node, source) => sources.set(node.id, [...(sources.get(node.id) ?? []), source]),
    agreeOn: (pipeline) => itself.agree(definitionTerms(pipeline)),
    agreeOnKernels: ({ name, detail }) => itself.agree({ 'the kernel': `${name} (${detail})` }),
    checkpointOfFirst: async (checkpoint) => {
      const own = checkpoint ? encodeCheckpoint(copyCheckpoint(checkpoint)) : new Uint8Array(0)
      const [first] = await itself.collect(own)
      return first!.length > 0 ? decodeCheckpoint(first!) : undefined
    },
  }
}

import { availableParallelism } from 'node:os'
import type { Kernels } from '../../kernels/contract.js'
import type { DataSource } from '../base/data-source.js'
import { asPipelineError, PipelineError } from '../base/errors.js'
import { version } from '../base/package.js'
import type { ParallelOptions } from '../definition/parallel.js'
import { type Checkpoint, copyCheckpoint, decodeCheckpoint, encodeCheckpoint } from '../directory/checkpoint.js'
import type { Graph, Node } from '../graph/node.js'
import type { Pipeline } from '../graph/pipeline.js'
import { openComm } from '../parallel/open.js'
import { Ranks } from '../parallel/ranks.js'
import type { Parallel } from '../stage/parallel-contract.js'
import { dataTerms, definitionTerms } from './agreement.js'
import type { RunSettings } from './contract.js'

/** How long ranks that were asked to stop may take to agree on the step, in milliseconds. */
const AGREEMENT_TIME = 300

/** The part of this process in a divided run. */
export interface Division {
  /** The number of this process, from 0. */
  readonly rank: number
  /** The library that joins the processes, for `run.json`. */
  readonly library: string
  /** Returns what a stage is given to talk to the same stage on the other ranks. */
  parallelOf(node: Node, graph: Graph): Parallel
  /**
   * Adds a file that a stage has read. The ranks must agree on the files above a stage before it talks to the others.
   */
  addSource(node: Node, source: DataSource): void
  /** Throws a PipelineError `PARALLEL` on every rank if the ranks have read different pipelines. */
  agreeOn(pipeline: Pipeline): Promise<void>
  /** Throws a PipelineError `PARALLEL` on every rank if the ranks use different kernels. */
  agreeOnKernels(kernels: Kernels): Promise<void>
  /** Returns the checkpoint that the first rank gives, on every rank; undefined if it gives none. */
  checkpointOfFirst(checkpoint: Checkpoint | undefined): Promise<Checkpoint | undefined>
}

/**
 * Joins the other processes of the run, calls `run` for the part of this process, and tells the others how it ended. If
 * any rank is asked to stop, all ranks stop at the same step. The settings that `run` gets share the machine's cores
 * among its ranks, unless the number of threads was given.
 */
export async function runDivided<T>(
  options: ParallelOptions,
  { signal, ...settings }: RunSettings,
  run: (division: Division, settings: RunSettings) => Promise<T>,
): Promise<T> {
  const comm = await openComm(options)
  const stopped = new AbortController()
  const ranks = new Ranks(comm, { ...options, onStop: () => stopped.abort() })
  const request = (): void => {
    ranks.requestStop()
    // If no step follows, the ranks never agree. The scheduler that sent the signal may kill this process soon.
    setTimeout(() => {
      if (stopped.signal.aborted) return
      stopped.abort()
      comm.cancel(new PipelineError('ABORTED', 'stopped before its end'))
    }, AGREEMENT_TIME).unref()
  }
  if (signal?.aborted) request()
  signal?.addEventListener('abort', request, { once: true })
  const coresOfRank = Math.max(1, Math.floor(availableParallelism() / comm.neighbours))
  try {
    const threads = settings.threads ?? coresOfRank
    const result = await run(divisionOf(ranks), { ...settings, threads, signal: stopped.signal })
    await comm.close()
    return result
  } catch (cause) {
    // An abort happens on all ranks at the same step. The job then ends as it does after success.
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
  // Channel 0 is the run's own. Each stage has the channel of its position, from 1.
  const ofRun = ranks.stage(0, () => ({ 'the version of Millrace': version }))
  return {
    rank: comm.rank,
    library: comm.library,
    parallelOf: (node, graph) => ranks.stage(graph.nodes.indexOf(node) + 1, () => dataTerms(node, graph, sources)),
    addSource: (node, source) => sources.set(node.id, [...(sources.get(node.id) ?? []), source]),
    agreeOn: (pipeline) => ofRun.agree(definitionTerms(pipeline)),
    agreeOnKernels: ({ name, detail }) => ofRun.agree({ 'the kernel': `${name} (${detail})` }),
    checkpointOfFirst: async (checkpoint) => {
      const own = checkpoint ? encodeCheckpoint(copyCheckpoint(checkpoint)) : new Uint8Array(0)
      const [first] = await ofRun.collect(own)
      return first!.length > 0 ? decodeCheckpoint(first!) : undefined
    },
  }
}

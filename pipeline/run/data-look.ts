import type { Table } from 'apache-arrow'
import type { Observable } from 'rxjs'
import type { Graph, Node } from '../graph/node.js'
import { shareOf } from '../wires/shares.js'
import { unreadOf } from '../wires/unread.js'
import { classRemarks, type DataSummary, isDivider, watchData } from './data-summary.js'
import { Twins } from './twins.js'

/** Who is told what the look has found. */
export interface LookHooks {
  /** All rows of a stage have arrived. */
  settled(node: Node, data: DataSummary): void
  /** There is something that the user should know. */
  note(node: Node, remark: string): void
}

/**
 * Looks at the examples that stages load or divide: counts them, and notes what smells. Equal rows in different splits
 * are searched while the run goes on, some milliseconds at a time, where the rows are divided for the last time.
 */
export class DataLook {
  private readonly graph: Graph
  private readonly hooks: LookHooks
  private readonly stopping = new AbortController()
  private readonly searches: Promise<void>[] = []
  private failure: unknown

  constructor(graph: Graph, hooks: LookHooks) {
    this.graph = graph
    this.hooks = hooks
  }

  /** Looks at the output of a stage that loads or divides examples. */
  watch(node: Node, port: string, wire: Observable<Table>): void {
    // Rows of one split alone, such as those for a trained model, need not be kept.
    const isAlone = node.facts[port]?.splits?.length === 1
    const twins = isAlone || this.isDividedAgain(node, port) ? undefined : new Twins()
    let isShared = false
    if (twins)
      wire.subscribe({
        next: (table) => {
          // Rows in a file are too many to compare.
          isShared ||= shareOf(table) !== undefined || unreadOf(table) !== undefined
          if (!isShared) twins.add(table)
        },
        error: () => {},
      })
    watchData(wire, (data) => {
      this.hooks.settled(node, data)
      for (const remark of classRemarks(data)) this.hooks.note(node, remark)
      // A rank of a divided run has only some of the rows.
      if (twins && !isShared) this.searches.push(this.search(node, twins))
    })
  }

  /** Resolves when nothing is searched any more. A run that is stopped does not wait for it. */
  async ended(signal: AbortSignal | undefined): Promise<void> {
    const stop = (): void => this.stop()
    if (signal?.aborted) stop()
    signal?.addEventListener('abort', stop)
    await Promise.all(this.searches)
    if (this.failure !== undefined) throw this.failure
    signal?.removeEventListener('abort', stop)
  }

  /** Ends all searches. */
  stop(): void {
    this.stopping.abort()
  }

  private isDividedAgain({ id }: Node, port: string): boolean {
    return this.graph.nodes.some(
      (other) =>
        [...other.inputs.values()].some((source) => source.id === id && source.port === port) &&
        Object.keys(other.stage.outputs).some((output) => isDivider(other, output)),
    )
  }

  private async search(node: Node, twins: Twins): Promise<void> {
    try {
      for (const remark of await twins.find(this.stopping.signal)) this.hooks.note(node, remark)
    } catch (error) {
      // The run may fail before it waits for the search; `ended` throws what went wrong here.
      if (!this.stopping.signal.aborted) this.failure ??= error
    }
  }
}

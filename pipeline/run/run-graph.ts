import type { Table } from 'apache-arrow'
import type { Observable, Subscription } from 'rxjs'
import { inStage, PipelineError } from '../base/errors.js'
import { listed } from '../base/words.js'
import { StageFlow } from '../flow/flow.js'
import { FlowControl, type Settled } from '../flow/flow-control.js'
import { Wire } from '../flow/wire.js'
import { type Graph, type Node, readersOf } from '../graph/node.js'
import type { RunObserver } from '../live/observer.js'
import type { WireTaps } from '../live/wire-taps.js'
import type { StageContext } from '../stage/context.js'
import type { Ports } from '../stage/port.js'
import { ownTable } from '../wires/foreign-table.js'

/** Time limits after an abort, in milliseconds: first for the current step, then for the stages to end. */
const GRACE = { step: 5000, end: 500 }

/** A graph whose stages are connected and subscribed. */
export interface RunningGraph {
  /**
   * Calls back at the next quiet moment, when no stage is working on a table. The callback gets false if every source
   * has ended, because no such moment comes then. If it returns a promise, which must not reject, the moment lasts until
   * that has resolved.
   */
  settle(callback: Settled): void
  /** Ends the run with an error from outside the stages. */
  fail(error: PipelineError): void
}

const STOPPED = 'stopped the run: '

/** Whether a note says that a stage stopped the run. */
export function isStop(note: string): boolean {
  return note.startsWith(STOPPED)
}

/** What the caller of `runGraph` provides, and what it wants to be told. */
export interface GraphHooks {
  /** Makes the context of a stage. `runGraph` adds the rest. */
  readonly contextOf: (node: Node) => Omit<StageContext, 'flow' | 'signal' | 'stop' | 'enough'>
  /** Called with each wire before any stage subscribes to it: a subscriber made here gets each table first. */
  readonly watch: (node: Node, port: string, wire: Observable<Table>) => void
  /** Called when all stages are subscribed, before the first table. */
  readonly onWired: (graph: RunningGraph) => void
  /** Called at a quiet moment if the run ends early, because of an abort or because a stage stopped it. */
  readonly onEnding: (reason: 'abort' | 'stop') => Promise<void> | undefined
  /** Called when an output of a stage, or a sink, completes. */
  readonly onStageEnd: (node: Node) => void
  /** Called when a sink fails. True if the run goes on without it. */
  readonly goesOnWithout?: (node: Node, error: PipelineError) => boolean
  /** Counts what flows. */
  readonly observer?: RunObserver | undefined
  /** Lets others see the wires. */
  readonly taps?: WireTaps | undefined
  /** Aborts the run. */
  readonly signal: AbortSignal | undefined
}

/**
 * Runs a graph until every stage is done. Each output is a `Wire`. Stages are subscribed from the sinks upwards, so
 * that no stage misses a table.
 *
 * Rejects with the first error, after all stages are unsubscribed (which closes their files).
 * Rejects with code `ABORTED` after an abort: the current step is finished, then the sources end early, then the stages
 * below them end. Stages that take longer than the limits are unsubscribed.
 * Resolves if a stage calls `stop`: the sources end early, without a time limit for the other stages.
 * Rejects if the process has nothing left to do while stages are still open: they wait for each other.
 */
export function runGraph(graph: Graph, hooks: GraphHooks): Promise<void> {
  const { signal, observer } = hooks
  const stop = new AbortController()
  const ending = new AbortController()
  const control = new FlowControl(ending.signal)
  const flows = new Map(graph.nodes.map((node) => [node.id, new StageFlow(control)]))
  const wires = new Map<string, Wire>()
  for (const node of graph.nodes) {
    observer?.addFlow(node, flows.get(node.id)!)
    for (const [port, source] of node.inputs) flows.get(source.id)!.feeds(flows.get(node.id)!, port)
    for (const port of Object.keys(node.stage.outputs)) {
      const wire = new Wire(observer?.clock)
      wires.set(`${node.id}.${port}`, wire)
      hooks.watch(node, port, wire.tables())
    }
  }

  hooks.taps?.connect(
    graph.nodes.flatMap((node) =>
      Object.entries(node.stage.outputs as Ports).map(([port, { type }]) => ({
        stage: node.id,
        port,
        type,
        tables: wires.get(`${node.id}.${port}`)!.tables(),
        makeFlow: () => {
          const reader = new StageFlow(control)
          flows.get(node.id)!.feeds(reader, '')
          return reader
        },
      })),
    ),
  )

  /** Returns what gives a stage its wires. */
  function readers(node: Node): (key: string) => Observable<Table> {
    return (key) => wires.get(key)!.tables(observer?.indexOf(node))
  }

  return new Promise((resolve, reject) => {
    const subscriptions: Subscription[] = []
    /** Outputs that have not completed yet. */
    const open = new Set<string>()
    /** Ends an output before its time. */
    const ends = new Map<string, () => void>()
    let timer: NodeJS.Timeout | undefined
    let isEnding = false
    let isOver = false

    function finish(error?: PipelineError): void {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      process.off('beforeExit', failStuck)
      signal?.removeEventListener('abort', abort)
      stop.abort()
      ending.abort()
      for (const subscription of subscriptions) subscription.unsubscribe()
      if (signal?.aborted) reject(new PipelineError('ABORTED', 'stopped before its end', { cause: error }))
      else if (error) reject(error)
      else resolve()
    }

    function failStuck(): void {
      const ids = new Set([...open].map((key) => key.slice(0, key.indexOf('.'))))
      const waiting = listed([...ids].reverse(), 'and')
      const reason = 'they wait for each other, or for what never comes'
      finish(new PipelineError('STAGE', `nothing is left to do, but ${waiting} did not end: ${reason}`))
    }

    function abort(): void {
      timer = setTimeout(finish, GRACE.step)
      stop.abort()
      endSources('abort', () => {
        clearTimeout(timer)
        timer = setTimeout(finish, GRACE.end)
      })
    }

    /** Ends the sources at the next quiet moment. */
    function endSources(reason: 'abort' | 'stop', then = () => {}): void {
      isEnding = true
      control.settle((isQuiet) => {
        if (isOver) return
        const end = (): void => {
          ending.abort()
          then()
        }
        const fail = (error: unknown): void => finish(error as PipelineError)
        try {
          const work = isQuiet ? hooks.onEnding(reason) : undefined
          if (work) return work.then(end, fail)
        } catch (error) {
          return fail(error)
        }
        end()
      })
    }

    function connect(node: Node, port: string, tables: Observable<unknown>): void {
      const key = `${node.id}.${port}`
      const wire = wires.get(key)
      open.add(key)
      const end = (): void => {
        wire?.complete()
        open.delete(key)
        observer?.ended(node)
        hooks.onStageEnd(node)
        if (open.size === 0) finish()
      }
      const fail = (cause: unknown): void => {
        const error = inStage(cause, node.title, node.where)
        if (!wire && !isOver && hooks.goesOnWithout?.(node, error)) end()
        else {
          wire?.error(error)
          finish(error)
        }
      }
      const take = (table: unknown): Table | undefined => {
        try {
          return ownTable(table) as Table
        } catch (cause) {
          fail(cause)
          return undefined
        }
      }
      const count = wire && observer?.counterOf(node, port)
      const subscription = tables.subscribe({
        next: (table) => {
          const own = wire && take(table)
          if (!own) return
          count?.(own)
          wire.next(own)
        },
        error: fail,
        complete: end,
      })
      subscriptions.push(subscription)
      ends.set(key, () => {
        if (!open.has(key)) return
        subscription.unsubscribe()
        end()
        // What waits for its turn must see that nobody reads it any more.
        control.wake()
      })
    }

    /** Stages that said that they have enough, and those above them that only they read. */
    const sated = new Set<string>()

    function endUnneeded(reader: Node): void {
      sated.add(reader.id)
      for (const node of [...graph.nodes].reverse()) {
        const readers = readersOf(node, graph)
        if (sated.has(node.id) || readers.length === 0 || !readers.every(({ id }) => sated.has(id))) continue
        sated.add(node.id)
        for (const port of Object.keys(node.stage.outputs)) ends.get(`${node.id}.${port}`)?.()
      }
    }

    if (signal?.aborted) return finish()
    process.once('beforeExit', failStuck)
    signal?.addEventListener('abort', abort)
    // Keeps the run open while stages are still being connected: one of them may complete at once.
    const wiringKey = ''
    open.add(wiringKey)
    try {
      for (const node of [...graph.nodes].reverse()) {
        const given = hooks.contextOf(node)
        const stopRun = (reason: string): void => {
          if (isEnding) return
          given.note(`${STOPPED}${reason}`)
          endSources('stop')
        }
        const enough = (): void => endUnneeded(node)
        const context = { ...given, enough, flow: flows.get(node.id)!, signal: stop.signal, stop: stopRun }
        for (const [port, tables] of outputsOf(node, context, readers(node))) connect(node, port, tables)
      }
      hooks.onWired({ settle: (callback) => control.settle(callback), fail: finish })
    } catch (error) {
      return finish(error as PipelineError)
    }
    open.delete(wiringKey)
    if (open.size === 0) finish()
  })
}

/** Calls the stage and returns its outputs by port. The one Observable of a sink has the empty string as its port. */
function outputsOf(
  node: Node,
  context: StageContext,
  wireOf: (key: string) => Observable<Table>,
): [string, Observable<unknown>][] {
  const { stage } = node
  const ports = Object.keys(stage.outputs)
  try {
    const result = callStage(node, context, wireOf)
    const outputs =
      ports.length > 1
        ? ports.map((port) => [port, (result as Record<string, unknown> | undefined)?.[port]] as const)
        : [[ports[0] ?? '', result] as const]
    // Not `instanceof`: a stage may have its own copy of rxjs.
    for (const [port, tables] of outputs)
      if (typeof (tables as Partial<Observable<unknown>> | undefined)?.subscribe !== 'function')
        throw new TypeError(
          `expected run to give an Observable${port && ` for the output "${port}"`}, got ${typeof tables}`,
        )
    return outputs as [string, Observable<unknown>][]
  } catch (error) {
    throw inStage(error, node.title, node.where)
  }
}

function callStage(
  { stage, inputs, located }: Node,
  context: StageContext,
  wireOf: (key: string) => Observable<Table>,
): unknown {
  const runner: unknown = stage.run(located(), context)
  const sources = [...inputs].map(([port, source]) => [port, wireOf(`${source.id}.${source.port}`)] as const)
  if (sources.length === 0) return runner
  if (typeof runner !== 'function')
    throw new TypeError(`expected run to give a function of its inputs, got ${typeof runner}`)
  return runner(sources.length === 1 ? sources[0]![1] : Object.fromEntries(sources))
}

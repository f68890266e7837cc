import type { Table } from 'apache-arrow'
import type { Observable, Subscription } from 'rxjs'
import { inStage, PipelineError } from '../base/errors.js'
import { listed } from '../base/words.js'
import { StageFlow } from '../flow/flow.js'
import { FlowControl } from '../flow/flow-control.js'
import { Outlet } from '../flow/outlet.js'
import type { Graph, Node } from '../graph/graph.js'
import type { StageContext } from '../stage/stage.js'

/** How long the step under way may take to end after an abort, and then the stages, before they are cut off, in milliseconds. */
const GRACE = { step: 5000, end: 500 }

/** A graph that flows. */
export interface RunningGraph {
  /** Calls back when nothing is under way between the stages; with `false` where no source gives anything (any more). */
  settle(callback: (isQuiet: boolean) => void): void
  /** Ends the run with an error that happened beside the stages. */
  fail(error: PipelineError): void
}

const STOPPED = 'stopped the run: '

/** Whether a note says that a stage ended the run. */
export function isStop(note: string): boolean {
  return note.startsWith(STOPPED)
}

export interface GraphHooks {
  /** What each stage is given, but for what the wiring adds itself. */
  readonly contextOf: (node: Node) => Omit<StageContext, 'flow' | 'signal' | 'stop'>
  /** Sees every output before the stages downstream do. */
  readonly watch: (node: Node, port: string, wire: Observable<Table>) => void
  /** All stages are made and subscribed; nothing has flowed yet. */
  readonly onWired: (flowing: RunningGraph) => void
  /** The run ends before its time, by an abort or because a stage wants it to; nothing is under way between the stages. */
  readonly onEnding: (reason: 'abort' | 'stop') => void
  readonly onStageEnd: (node: Node) => void
  readonly signal: AbortSignal | undefined
}

/**
 * Lets a graph flow until every stage is done. Each output is an Outlet; stages are subscribed from the sinks upwards,
 * so that nobody misses a table.
 *
 * Rejects with the first error, once the stages are unsubscribed (which closes their files), or with code `ABORTED`:
 * on abort the step under way is finished, the sources end early and the stages below them in their own time, or are
 * cut off where that takes too long.
 * When a stage calls `stop`, the sources end early too, but nothing is cut off, and that is a good end.
 * Stages that wait for each other leave the process with nothing to do: that rejects too.
 */
export function flow(graph: Graph, wiring: GraphHooks): Promise<void> {
  const { signal } = wiring
  const stop = new AbortController()
  const ending = new AbortController()
  const control = new FlowControl(ending.signal)
  const flows = new Map(graph.nodes.map((node) => [node.id, new StageFlow(control)]))
  const outlets = new Map<string, Outlet>()
  for (const node of graph.nodes) {
    for (const [port, source] of node.inputs) flows.get(source.id)!.feeds(flows.get(node.id)!, port)
    for (const port of Object.keys(node.stage.outputs)) {
      const outlet = new Outlet()
      outlets.set(`${node.id}.${port}`, outlet)
      wiring.watch(node, port, outlet)
    }
  }

  return new Promise((resolve, reject) => {
    const subscriptions: Subscription[] = []
    const open = new Set<string>()
    let timer: NodeJS.Timeout | undefined
    let isEnding = false
    let isOver = false

    function finish(error?: PipelineError): void {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      process.off('beforeExit', stuck)
      signal?.removeEventListener('abort', abort)
      stop.abort()
      ending.abort()
      for (const subscription of subscriptions) subscription.unsubscribe()
      if (signal?.aborted) reject(new PipelineError('ABORTED', 'stopped before its end', { cause: error }))
      else if (error) reject(error)
      else resolve()
    }

    function stuck(): void {
      const ids = new Set([...open].map((key) => key.slice(0, key.indexOf('.'))))
      const waiting = listed([...ids].reverse(), 'and')
      const message = `nothing is left to do, but ${waiting} did not end: they wait for each other, or for what never comes`
      finish(new PipelineError('STAGE', message))
    }

    function abort(): void {
      timer = setTimeout(finish, GRACE.step)
      stop.abort()
      end('abort', () => {
        clearTimeout(timer)
        timer = setTimeout(finish, GRACE.end)
      })
    }

    /** Lets the sources end at the next quiet moment. */
    function end(reason: 'abort' | 'stop', then = () => {}): void {
      isEnding = true
      control.settle((isQuiet) => {
        if (isOver) return
        try {
          if (isQuiet) wiring.onEnding(reason)
        } catch (error) {
          return finish(error as PipelineError)
        }
        ending.abort()
        then()
      })
    }

    function connect(node: Node, port: string, tables: Observable<unknown>): void {
      const key = `${node.id}.${port}`
      const outlet = outlets.get(key)
      open.add(key)
      const subscription = tables.subscribe({
        next: (table) => outlet?.next(table as Table),
        error: (cause) => {
          const error = inStage(cause, node.title, node.where)
          outlet?.error(error)
          finish(error)
        },
        complete: () => {
          outlet?.complete()
          open.delete(key)
          wiring.onStageEnd(node)
          if (open.size === 0) finish()
        },
      })
      subscriptions.push(subscription)
    }

    if (signal?.aborted) return finish()
    process.once('beforeExit', stuck)
    signal?.addEventListener('abort', abort)
    const wiringKey = ''
    open.add(wiringKey)
    try {
      for (const node of [...graph.nodes].reverse()) {
        const given = wiring.contextOf(node)
        const stopRun = (reason: string): void => {
          if (isEnding) return
          given.note(`${STOPPED}${reason}`)
          end('stop')
        }
        const context = { ...given, flow: flows.get(node.id)!, signal: stop.signal, stop: stopRun }
        for (const [port, tables] of outputsOf(node, context, outlets)) connect(node, port, tables)
      }
      wiring.onWired({ settle: (callback) => control.settle(callback), fail: finish })
    } catch (error) {
      return finish(error as PipelineError)
    }
    open.delete(wiringKey)
    if (open.size === 0) finish()
  })
}

/** Calls the stage and returns its outputs by port; a sink's one Observable goes under the empty name. */
function outputsOf(
  node: Node,
  context: StageContext,
  outlets: ReadonlyMap<string, Outlet>,
): [string, Observable<unknown>][] {
  const { stage, inputs, options } = node
  const sources = [...inputs].map(([port, source]) => [port, outlets.get(`${source.id}.${source.port}`)!] as const)
  const ports = Object.keys(stage.outputs)
  const called = (): unknown => {
    const runner: unknown = stage.run(options, context)
    if (sources.length === 0) return runner
    if (typeof runner !== 'function')
      throw new TypeError(`expected run to give a function of its inputs, got ${typeof runner}`)
    const given = sources.length === 1 ? sources[0]![1] : Object.fromEntries(sources)
    return runner(given)
  }
  try {
    const made = called()
    const named =
      ports.length > 1
        ? ports.map((port) => [port, (made as Record<string, unknown> | undefined)?.[port]] as const)
        : [[ports[0] ?? '', made] as const]
    // Not `instanceof`: a stage may come with an rxjs of its own.
    for (const [port, tables] of named)
      if (typeof (tables as Partial<Observable<unknown>> | undefined)?.subscribe !== 'function')
        throw new TypeError(
          `expected run to give an Observable${port && ` for the output "${port}"`}, got ${typeof tables}`,
        )
    return named as [string, Observable<unknown>][]
  } catch (error) {
    throw inStage(error, node.title, node.where)
  }
}

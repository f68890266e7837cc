import type { Table } from 'apache-arrow'
import type { FlowActivity } from '../flow/flow-control.js'
import type { Graph, Node } from '../graph/node.js'
import type { Ports } from '../stage/port.js'
import { type Position, positionOf } from '../wires/position.js'
import type { LiveState } from './contract.js'
import { MetricCurves } from './metric-curves.js'
import { StageClock } from './stage-clock.js'

/** What has passed a wire. */
interface Counter {
  readonly id: string
  readonly type: string
  tables: number
  rows: number
}

/** All counters at one moment. */
interface Sample {
  readonly time: number
  readonly tables: readonly number[]
  readonly rows: readonly number[]
  /** Milliseconds that each stage worked while it was measured, and those that were measured. */
  readonly worked: Float64Array
  readonly measured: number
}

/** Rates are those since the sample that is at least so old, in milliseconds. */
const WINDOW = 1000
/** No second sample is kept within this time, in milliseconds. */
const SAMPLING = 200
/** The clock stops if nobody has asked for a state for so many milliseconds. */
const ATTENTION = 2000
/** A stage that works for a smaller part of the time is not called the bottleneck. */
const LEAST_SHARE = 0.1

/** The name of an output in the live state of a run: `model.parameters`. */
export function wireId(stage: string, port: string): string {
  return `${stage}.${port}`
}

/**
 * Counts what flows through a running graph: tables and rows always, which costs next to nothing, and the time that the
 * stages take while somebody looks, that is from a call of `state` until none has come for two seconds.
 */
export class RunObserver {
  private readonly name: string
  private readonly nodes: readonly Node[]
  private readonly indices: ReadonlyMap<string, number>
  /** Measures the stages while somebody looks. */
  readonly clock: StageClock
  private readonly flows: (FlowActivity | undefined)[] = []
  private readonly counters = new Map<string, Counter>()
  /** Number of outputs of each stage that are not complete; a sink counts as one. */
  private readonly open: number[]
  private readonly curves = new MetricCurves()
  private readonly began = performance.now()
  private samples: Sample[]
  /** Stops the clock when nobody looks any more. */
  private attention: NodeJS.Timeout | undefined
  private lastStep: Table | undefined
  private firstStep: { readonly position: Position; readonly time: number } | undefined

  constructor(name: string, { nodes }: Graph) {
    this.name = name
    this.nodes = nodes
    this.indices = new Map(nodes.map(({ id }, index) => [id, index]))
    this.clock = new StageClock(nodes.length)
    this.open = nodes.map(({ stage }) => Math.max(1, Object.keys(stage.outputs).length))
    for (const { id, stage } of nodes)
      for (const [port, { type }] of Object.entries(stage.outputs as Ports))
        this.counters.set(wireId(id, port), { id: wireId(id, port), type, tables: 0, rows: 0 })
    this.samples = [this.sample()]
  }

  /** Learns the backpressure of a stage: how many tables it holds. */
  addFlow({ id }: Node, flow: FlowActivity): void {
    this.flows[this.indices.get(id)!] = flow
  }

  /** The number of a stage, as the clock knows it. */
  indexOf({ id }: Node): number {
    return this.indices.get(id)!
  }

  /** Returns the function that counts the tables of an output. */
  counterOf({ id, stage }: Node, port: string): (table: Table) => void {
    const counter = this.counters.get(wireId(id, port))!
    const { type } = (stage.outputs as Ports)[port]!
    if (type === 'parameters')
      return (table) => {
        counter.tables++
        this.lastStep = table
        if (!this.firstStep) this.firstStep = { position: positionOf(table), time: performance.now() }
      }
    if (type === 'metrics')
      return (table) => {
        counter.tables++
        counter.rows += table.numRows
        this.curves.add(id, table)
      }
    return (table) => {
      counter.tables++
      counter.rows += table.numRows
    }
  }

  /** Tells that an output of a stage, or a sink, is complete. */
  ended({ id }: Node): void {
    this.open[this.indices.get(id)!]!--
  }

  /** The run at this moment. */
  state(): LiveState {
    this.attend()
    const now = this.sample()
    const before = this.samples[0]!
    // A state soon after the last one, as for a second client, has the same window.
    if (now.time - this.samples.at(-1)!.time >= SAMPLING) this.samples.push(now)
    while (this.samples.length > 1 && now.time - this.samples[1]!.time >= WINDOW) this.samples.shift()
    const measured = Math.max(now.measured - before.measured, 1)
    const seconds = Math.max((now.time - before.time) / 1000, 1e-3)
    const perSecond = (key: 'tables' | 'rows', i: number): number => (now[key][i]! - before[key][i]!) / seconds
    const wires = [...this.counters.values()].map((counter, i) => ({
      ...counter,
      tablesPerSecond: perSecond('tables', i),
      rowsPerSecond: perSecond('rows', i),
    }))
    const byId = new Map(wires.map((wire) => [wire.id, wire]))
    const stages = this.nodes.map(({ id, entry, stage, inputs }, i) => {
      const read = [...inputs.values()].map((source) => wireId(source.id, source.port))
      const written = Object.keys(stage.outputs).map((port) => wireId(id, port))
      const fastest = (key: 'tablesPerSecond' | 'rowsPerSecond'): number =>
        Math.max(0, ...[...read, ...written].map((wire) => byId.get(wire)![key]))
      const activity = this.open[i]! <= 0 ? 'done' : this.flows[i]?.isActive() ? 'busy' : 'waiting'
      return {
        id,
        use: entry.use,
        inputs: read,
        outputs: written,
        activity,
        seconds: Math.max(0, now.worked[i]!) / 1000,
        share: Math.min(1, Math.max(0, (now.worked[i]! - before.worked[i]!) / measured)),
        rowsPerSecond: fastest('rowsPerSecond'),
        tablesPerSecond: fastest('tablesPerSecond'),
        inFlight: this.flows[i]?.inFlight() ?? 0,
        mostInFlight: this.flows[i]?.mostInFlight ?? 0,
        ...(stage.holds !== undefined && { allowed: stage.holds }),
      } as const
    })
    const most = stages.reduce((a, b) => (b.share > a.share ? b : a), stages[0]!)
    return {
      type: 'state',
      name: this.name,
      process: process.pid,
      elapsed: (now.time - this.began) / 1000,
      ...this.progress(now.time),
      stages,
      wires,
      ...(most && most.share >= LEAST_SHARE && { bottleneck: most.id }),
      metrics: this.curves.metrics(),
    }
  }

  private progress(now: number): Pick<LiveState, 'position' | 'progress' | 'left'> {
    if (!this.lastStep) return {}
    const position = positionOf(this.lastStep)
    const total = position.epochs * position.steps
    if (total === 0) return { position }
    const made = position.step - this.firstStep!.position.step
    const perStep = made > 0 ? (now - this.firstStep!.time) / made : undefined
    return {
      position,
      progress: Math.min(1, position.step / total),
      ...(perStep !== undefined && { left: Math.max(0, ((total - position.step) * perStep) / 1000) }),
    }
  }

  /** Has the clock run for a while. */
  private attend(): void {
    if (this.attention) {
      this.attention.refresh()
      return
    }
    this.clock.start()
    for (const [index, flow] of this.flows.entries()) {
      if (!flow) continue
      const tell = (): void => this.clock.activity(index, flow.isActive())
      flow.onActivity = tell
      tell()
    }
    this.attention = setTimeout(() => {
      this.attention = undefined
      this.clock.stop()
      for (const flow of this.flows) if (flow) flow.onActivity = undefined
    }, ATTENTION).unref()
  }

  private sample(): Sample {
    this.clock.mark()
    const counters = [...this.counters.values()]
    return {
      time: performance.now(),
      tables: counters.map(({ tables }) => tables),
      rows: counters.map(({ rows }) => rows),
      worked: this.clock.worked.slice(),
      measured: this.clock.measured,
    }
  }
}

import type { Table } from 'apache-arrow'
import ndarray from 'ndarray'
import type { Observable, Subject } from 'rxjs'
import type { Node } from '../graph/graph.js'
import type { Ports } from '../stage/stage.js'
import { keptRows, rowsFrom, rowsState } from '../wires/kept-rows.js'
import { type MetricsRow, metricInfosOf, metricsRows } from '../wires/metrics.js'
import { copyParameters, modelOf } from '../wires/parameters.js'
import { positionOf } from '../wires/position.js'
import type { Checkpointer } from './checkpointer.js'
import type { Result, RunEvent } from './contract.js'
import type { Recorder } from './record.js'

/** What passes on the wires and belongs into the result: every row of metrics, the last parameters. */
export class ResultCollector {
  private readonly events: Subject<RunEvent>
  private readonly checkpointer: Checkpointer
  private readonly metrics: Record<string, MetricsRow[]> = {}
  private readonly recorder: Recorder
  private last: Table | undefined

  constructor(events: Subject<RunEvent>, checkpointer: Checkpointer, recorder: Recorder) {
    this.events = events
    this.checkpointer = checkpointer
    this.recorder = recorder
  }

  readonly watch = (node: Node, port: string, wire: Observable<Table>): void => {
    const { type } = node.stage.outputs[port]
    if (type === 'metrics') this.watchMetrics(node.id, wire)
    else if (type === 'parameters') this.watchParameters(wire, trains(node))
  }

  private watchMetrics(stage: string, wire: Observable<Table>): void {
    this.metrics[stage] = []
    this.checkpointer.keep(`result of ${stage}`, keptRows, {
      snapshot: () => rowsState(this.metrics[stage]!),
      restore: (rows) => {
        this.metrics[stage] = rowsFrom(rows)
      },
    })
    wire.subscribe({ next: (table) => this.keep(stage, table), error: () => {} })
  }

  private watchParameters(wire: Observable<Table>, isTraining: boolean): void {
    wire.subscribe({
      next: (table) => {
        this.last = table
        if (isTraining) this.recorder.onStep()
        this.checkpointer.onStep(positionOf(table))
      },
      complete: () => {
        this.last &&= copyParameters(this.last)
      },
      error: () => {},
    })
  }

  private keep(stage: string, table: Table): void {
    this.recorder.onMetrics(metricInfosOf(table))
    for (const row of metricsRows(table)) {
      this.metrics[stage]!.push(row)
      this.events.next({ type: 'metrics', stage, row })
    }
  }

  results(): Pick<Result, 'history' | 'metrics' | 'parameters'> {
    const arrays = this.last ? modelOf(this.last).arrays : []
    return {
      history: Object.values(this.metrics)[0] ?? [],
      metrics: this.metrics,
      parameters: Object.fromEntries(arrays.map(({ name, shape, values }) => [name, ndarray(values, [...shape])])),
    }
  }
}

/** Whether a stage makes parameters by training, and does not pass on those of another stage. */
function trains({ stage }: Node): boolean {
  return !Object.values(stage.inputs as Ports).some(({ type }) => type === 'parameters')
}

import type { Table } from 'apache-arrow'
import ndarray from 'ndarray'
import type { Observable, Subject } from 'rxjs'
import type { z } from 'zod'
import type { StateHooks } from '../stage/context.js'
import { type keptRows, rowsFrom, rowsState } from '../wires/kept-rows.js'
import { type MetricsRow, metricInfosOf, metricsRows } from '../wires/metrics.js'
import { copyParameters, hasArrays, modelOf } from '../wires/parameters.js'
import { positionOf } from '../wires/position.js'
import type { Result, RunEvent } from './contract.js'
import type { Recorder } from './record.js'

/** The name of the rows of a stage in checkpoints. It is no id of a stage. */
export function rowsKey(stage: string): string {
  return `result of ${stage}`
}

function isStart(table: Table): boolean {
  const { step, steps } = positionOf(table)
  return step === 0 && steps > 0
}

/** Collects the result of a run from the wires: every row of metrics, and the last parameters. */
export class ResultCollector {
  private readonly events: Subject<RunEvent>
  private readonly metrics: Record<string, MetricsRow[]> = {}
  private readonly recorder: Recorder
  private last: Table | undefined

  /** @param recorder is told of every step, and what metrics say about themselves */
  constructor(events: Subject<RunEvent>, recorder: Recorder) {
    this.events = events
    this.recorder = recorder
  }

  /**
   * Collects the rows of one stage and makes an event of each. Returns the hooks that make the rows part of
   * checkpoints.
   */
  collectMetrics(stage: string, wire: Observable<Table>): StateHooks<z.output<typeof keptRows>> {
    this.metrics[stage] = []
    wire.subscribe({
      next: (table) => {
        this.recorder.addMetrics(metricInfosOf(table))
        for (const row of metricsRows(table)) {
          this.metrics[stage]!.push(row)
          this.events.next({ type: 'metrics', stage, row })
        }
      },
      error: () => {},
    })
    return {
      snapshot: () => rowsState(this.metrics[stage]!),
      restore: (rows) => {
        this.metrics[stage] = rowsFrom(rows)
      },
    }
  }

  /**
   * Keeps the last parameters, and copies them at the end of training, because the kernel's memory goes with the run.
   *
   * @param isTraining whether the stage makes parameters by training, and does not pass on those of another stage
   */
  collectParameters(wire: Observable<Table>, isTraining: boolean): void {
    wire.subscribe({
      next: (table) => {
        this.last = table
        // The parameters before the first step are no step.
        if (isTraining && !isStart(table)) this.recorder.addStep()
      },
      complete: () => {
        // A device has not brought them if the stage was ended because nobody reads it any more.
        this.last = this.last && hasArrays(this.last) ? copyParameters(this.last) : undefined
      },
      error: () => {},
    })
  }

  /** What has been collected so far. */
  results(): Pick<Result, 'history' | 'metrics' | 'parameters'> {
    const arrays = this.last ? modelOf(this.last).arrays : []
    return {
      history: Object.values(this.metrics)[0] ?? [],
      metrics: this.metrics,
      parameters: Object.fromEntries(arrays.map(({ name, shape, values }) => [name, ndarray(values, [...shape])])),
    }
  }
}

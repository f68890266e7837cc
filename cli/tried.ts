import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KernelChoice } from '../kernels/index.js'
import { PipelineError } from '../pipeline/base/errors.js'
import type { Pipeline } from '../pipeline/graph/pipeline.js'
import { formatSummary } from '../pipeline/run/data-summary.js'
import { start } from '../pipeline/run/run.js'
import type { Position } from '../pipeline/wires/position.js'
import { interruption, type Output } from './terminal.js'
import { inDefinition, trainersOf, watchingSteps, withFewRows, withFewSteps } from './trial.js'
import { type SeenWire, watchingWires } from './trial-wires.js'

/** Steps that are made and timed. */
const STEPS = 20

/** What a few steps of a pipeline showed. */
export interface Tried {
  /** What each load stage loaded, in words. */
  readonly data: readonly string[]
  /** The notes of the run. */
  readonly notes: readonly string[]
  /** When each step was done, in milliseconds; empty without a training. */
  readonly times: readonly number[]
  /** When the first evaluation was done, if there was one after the steps. */
  readonly evaluated: number | undefined
  /** The position of the first batch in the whole pipeline. */
  readonly position: Position | undefined
  /** What passed each wire. */
  readonly wires: readonly SeenWire[]
  /** The most tables that each stage worked on, or had waiting for that, at one time. */
  readonly inFlight: Readonly<Record<string, number>>
}

/**
 * Reads the data of a pipeline, makes a few real steps and one evaluation, and writes every file into a temporary directory that
 * is removed. Rejects with the error that the run would end with.
 */
export async function tried(
  whole: Pipeline,
  { kernel, threads }: { readonly kernel?: KernelChoice; readonly threads?: number },
  output: Output,
): Promise<Tried> {
  const data: string[] = []
  const times: number[] = []
  let position: Position | undefined
  let evaluated: number | undefined
  const few =
    trainersOf(whole).length > 0
      ? watchingSteps(
          withFewSteps(whole, STEPS, (at) => {
            position ??= at
          }),
          () => times.push(performance.now()),
        )
      : withFewRows(whole, STEPS)
  const { pipeline, wires } = watchingWires(few)
  const folder = mkdtempSync(join(tmpdir(), 'millrace-trial-'))
  const stop = interruption(output)
  try {
    const options = { checkpoint: 'none', kernel, threads, signal: stop.signal } as const
    const running = start(pipeline, { out: join(folder, 'run'), ...options })
    running.events.subscribe((event) => {
      if (event.type === 'data') data.push(`${event.stage}: ${formatSummary(event)}`)
      if (event.type === 'metrics') evaluated ??= times.length > 1 ? performance.now() : undefined
    })
    const { record } = await running.result
    if (record.undrawn && record.undrawn.length > 0)
      throw new PipelineError('CHECK', `${record.undrawn.join(', ')} failed: ${record.notes.join('; ')}`)
    const { stages } = running.state()!
    const inFlight = Object.fromEntries(stages.map(({ id, mostInFlight }) => [id, mostInFlight ?? 0]))
    return { data, notes: record.notes, times, evaluated, position, wires: wires(), inFlight }
  } catch (error) {
    throw inDefinition(error, whole)
  } finally {
    rmSync(folder, { recursive: true, force: true })
    stop.release()
  }
}

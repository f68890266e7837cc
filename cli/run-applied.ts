import type { Table } from 'apache-arrow'
import { ignoreElements } from 'rxjs'
import { z } from 'zod'
import type { Pipeline } from '../index.js'
import type { Result } from '../pipeline/run/contract.js'
import { start } from '../pipeline/run/run.js'
import { wire } from '../pipeline/stage/port.js'
import { defineStage } from '../pipeline/stage/stage.js'
import { type ModelFlags, noteLine } from './applied-model.js'
import type { Output } from './terminal.js'

/** Runs a pipeline that applies a model, without a run directory. Prints its notes, unless `quiet`. */
export function runApplied(
  pipeline: Pipeline,
  { kernel, threads, quiet }: Pick<ModelFlags, 'kernel' | 'threads'> & { readonly quiet?: boolean },
  output: Output,
  signal: AbortSignal,
): Promise<Result> {
  const running = start(pipeline, {
    directory: false,
    signal,
    ...(kernel && { kernel }),
    ...(threads !== undefined && { threads }),
  })
  running.events.subscribe((event) => {
    if (event.type === 'note' && !quiet) output.warn(noteLine(event))
  })
  return running.result
}

/** A sink that hands each table of predictions to the command, which is waited for. */
export function handingTo(take: (table: Table) => Promise<void>) {
  return defineStage({
    name: 'predict/out',
    summary: 'Hands predictions to the command line.',
    options: z.strictObject({}),
    inputs: { predictions: wire.predictions },
    outputs: {},
    example: '',
    run: (_, context) => (tables) =>
      tables.pipe(
        context.flow.concatMap((table) => take(table)),
        ignoreElements(),
      ),
  })
}

import { filter, map, Subject } from 'rxjs'
import { PipelineError } from '../base/errors.js'
import { makeRunDirectory } from '../directory/run-directory.js'
import { outputFilesOf } from '../graph/outputs.js'
import { Pipeline } from '../graph/pipeline.js'
import type { RowOfRun } from '../graph/spec.js'
import { WireTaps } from '../live/wire-taps.js'
import type { MetricsRow } from '../wires/metrics.js'
import type { Result, Run, RunEvent, RunOptions, RunSettings } from './contract.js'
import { execute, type RunOpener } from './execute.js'
import { checkDirectoryOption, noDirectory } from './without-directory.js'

/**
 * Runs a pipeline to its end. Rejects with a PipelineError; `run.json` in the run directory holds the same message.
 *
 * @example
 * const { parameters, history } = await run(pipeline, { directory: false })
 */
export function run<Row extends MetricsRow>(
  pipeline: Pipeline<Row>,
  options: RunOptions = {},
): Promise<Result<RowOfRun<Row>>> {
  return start(pipeline, options).result
}

/**
 * Starts a pipeline and returns at once. Subscribe to `events` or `metrics` before the current turn of the event loop
 * ends.
 */
export function start<Row extends MetricsRow>(pipeline: Pipeline<Row>, options: RunOptions = {}): Run<RowOfRun<Row>> {
  if (!(pipeline instanceof Pipeline))
    throw new PipelineError('ARGUMENTS', 'expected a Pipeline, as Pipeline.load and Pipeline.define make it')
  return startWith(options, {
    pipeline: () => {
      checkDirectoryOption(pipeline, options)
      return pipeline
    },
    open: () => ({
      pipeline,
      directory:
        options.directory === false
          ? noDirectory()
          : makeRunDirectory(pipeline.name, {
              ...options,
              allowAbsolutePaths: pipeline.definition.trust.allowAbsolutePaths,
              outputs: pipeline.graph.nodes.flatMap(({ stage, options }) => outputFilesOf(stage, options)),
            }),
    }),
  }) as Run<RowOfRun<Row>>
}

/** Starts the run that `opener` opens, and returns at once. */
export function startWith(settings: RunSettings, opener: RunOpener): Run {
  const events = new Subject<RunEvent>()
  const taps = new WireTaps()
  const result = Promise.resolve().then(() => execute(opener, settings, { events, taps }))
  const settled = result.then(
    () => events.next({ type: 'end', status: 'done' }),
    (error: PipelineError) =>
      events.next({ type: 'end', status: error.code === 'ABORTED' ? 'interrupted' : 'failed', error }),
  )
  settled.finally(() => {
    events.complete()
    taps.close()
  })
  return {
    events: events.asObservable(),
    metrics: events.pipe(
      filter((event) => event.type === 'metrics'),
      map((event) => event.row),
    ),
    wires: taps,
    result,
  }
}

import { readFileSync } from 'node:fs'
import { type Table, tableFromIPC } from 'apache-arrow'
import { defer, ignoreElements, merge, tap } from 'rxjs'
import { z } from 'zod'
import {
  anyNumber,
  arrowFile,
  checkMonitor,
  copyFromDevice,
  copyParameters,
  defineStage,
  isBetter,
  monitored,
  monitorOption,
  outputPath,
  PipelineError,
  type Position,
  positionOf,
  removeFile,
  replaceFile,
  reposition,
  wire,
} from '../../pipeline/stage-kit.js'

/** The best value so far, and the file with its parameters, which version 0.1.0 did not keep. */
const state = z.strictObject({
  value: anyNumber.optional(),
  file: z.custom<Uint8Array>((value) => value instanceof Uint8Array).optional(),
})

/**
 * Keeps the parameters with the best value of a metric (the first of equals) in an Arrow file, in the format of
 * `sink/parameters`. Every better value replaces the whole file, so the file is complete even if the run fails. A run
 * that goes back to a checkpoint also goes back to the best parameters of that time.
 */
export const best = defineStage({
  name: 'sink/best',
  summary: 'Keeps the parameters that were best by a metric.',
  options: z.strictObject({
    monitor: monitorOption,
    path: outputPath.default('best.arrow').describe('File inside the run directory.'),
  }),
  inputs: { parameters: wire.parameters, metrics: wire.metrics },
  outputs: {},
  parallel: 'first',
  example:
    '- use: sink/best\n  from: { parameters: model, metrics: metrics }\n  with: { monitor: validation_accuracy }',
  holds: 'the parameters (by reference), and the content of the file',
  asks: () => ({ parameters: { arrays: 'last' } }),
  facts: checkMonitor,
  run: ({ monitor, path }, context) => {
    const target = context.file(path)
    return ({ parameters, metrics }) =>
      defer(() => {
        let last: Table | undefined
        let best: z.output<typeof state> = {}
        let isRestored = false
        context.state(state, {
          snapshot: () => best,
          restore: (saved) => {
            best = saved
            isRestored = saved.file !== undefined
          },
          begin: () => {
            if (best.value === undefined) removeFile(target)
            else if (best.file && !isContent(target, best.file)) replaceFile(target, best.file)
          },
        })
        const kept = metrics.pipe(
          monitored(monitor),
          context.flow.concatMap(({ row, value, better }): Promise<never[]> | never[] => {
            if (!isBetter(better, value, best.value)) return []
            // Training waits during an evaluation, so the last parameters are those that were evaluated.
            if (!last || positionOf(last).step !== row.step)
              throw new PipelineError(
                'STAGE',
                `the parameters of step ${row.step} are gone: do both inputs come from one model?`,
              )
            const keep = (copy: Table): never[] => {
              best = { value, file: arrowFile(copy) }
              replaceFile(target, best.file!)
              return []
            }
            const copy = copyFromDevice(last)
            return copy instanceof Promise ? copy.then(keep) : keep(copy)
          }, 'metrics'),
        )
        const seen = parameters.pipe(
          tap((table) => {
            last = table
            if (!isRestored) return
            isRestored = false
            const file = ofLength(best.file!, positionOf(table))
            if (!file) return
            best = { ...best, file }
            replaceFile(target, file)
          }),
        )
        return merge(seen, kept).pipe(ignoreElements())
      })
  },
})

/** The parameters say how long their run is. Returns the file with another length; undefined if the length is the same. */
function ofLength(file: Uint8Array, { epochs, steps }: Position): Uint8Array | undefined {
  const table = tableFromIPC(file)
  const position = positionOf(table)
  if (position.epochs === epochs && position.steps === steps) return undefined
  return arrowFile(copyParameters(reposition(table, { ...position, epochs, steps })))
}

function isContent(path: string, bytes: Uint8Array): boolean {
  try {
    return readFileSync(path).equals(bytes)
  } catch {
    return false
  }
}

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KernelChoice } from '../kernels/index.js'
import { PipelineError } from '../pipeline/base/errors.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import { counted } from '../pipeline/base/words.js'
import type { Pipeline } from '../pipeline/graph/pipeline.js'
import type { Result } from '../pipeline/run/contract.js'
import { run } from '../pipeline/run/run.js'
import { interruption, type Output } from './terminal.js'
import { batchSizeOf, checkTrialPlace, inDefinition, trainersOf, withFewEpochs, withFewRows } from './trial.js'

/** The flags of a trial. */
export interface TrialFlags {
  /** The kernel to use. */
  readonly kernel?: KernelChoice
  /** Number of threads of the kernel. */
  readonly threads?: number
  /** Prints what was found as JSON. */
  readonly json?: boolean
  /** Prints nothing but errors. */
  readonly quiet?: boolean
}

/** Fewer rows than this of a split, and classes would be missing. */
const LEAST_ROWS = 40

/** `millrace run --smoke`: runs every stage with a few rows for two epochs, in a temporary directory that is removed. */
export async function smokeCommand(pipeline: Pipeline, flags: TrialFlags, output: Output): Promise<void> {
  checkTrialPlace(pipeline, '--smoke')
  const whole = pipeline.undivided()
  const rows = Math.max(LEAST_ROWS, 2 * batchSizeOf(whole) + 1)
  const { record } = await inTemporary(whole, withFewEpochs(withFewRows(whole, rows), 2), flags, output)
  const { steps, total } = record.timings!
  const { undrawn = [], notes, files } = record
  if (flags.json)
    output.write(
      `${JSON.stringify({ passed: undrawn.length === 0, steps, rows, seconds: total, files, undrawn, notes })}\n`,
    )
  else if (!flags.quiet) {
    for (const note of notes) output.write(`note: ${oneLine(note)}\n`)
    output.write(
      `${pipeline.name}: ${counted(whole.graph.nodes.length, 'stage')} ran, ${counted(steps, 'step')} with at most ${counted(rows, 'row')} of each split, ${total.toFixed(2)} s; it would write ${[...files].join(', ')}\n`,
    )
  }
  if (undrawn.length > 0) throw new PipelineError('CHECK', `${undrawn.join(', ')} failed; see the notes`)
}

/**
 * `millrace run --overfit N`: trains on the first N rows alone, again and again. A model that can learn knows them by heart in
 * the end. Throws a PipelineError `CHECK` if it does not.
 */
export async function overfitCommand(
  pipeline: Pipeline,
  count: number,
  flags: TrialFlags,
  output: Output,
): Promise<void> {
  checkTrialPlace(pipeline, '--overfit')
  const whole = pipeline.undivided()
  const [trainer] = trainersOf(whole)
  const split = Object.values(trainer?.inputFacts ?? {})[0]?.splits?.[0]
  if (split === undefined)
    throw new PipelineError('ARGUMENTS', `${pipeline.name}: --overfit needs a stage that trains on batches of a split`)
  const { record, history } = await inTemporary(whole, withFewRows(whole, count), flags, output)
  const column = `${split}_accuracy`
  const [first, last] = [history[0]?.[column], history.at(-1)?.[column]]
  if (last === undefined)
    throw new PipelineError(
      'ARGUMENTS',
      `${pipeline.name}: --overfit needs the metric ${column} (evaluate/classification)`,
    )
  const { steps } = record.timings!
  if (flags.json) output.write(`${JSON.stringify({ passed: last === 1, rows: count, steps, accuracy: last })}\n`)
  const known = `${(100 * last).toFixed(2)} % of ${counted(count, 'row')} of ${split} after ${counted(steps, 'step')}`
  if (last < 1)
    throw new PipelineError(
      'CHECK',
      `the model knows ${known} (${(100 * first!).toFixed(2)} % after the first evaluation); a model that can learn knows them all: ` +
        'try a larger eta or more epochs, then lambda, dropout and augmentation off; else the labels do not follow from the features, or the model is too small',
    )
  if (!flags.quiet && !flags.json) output.write(`the model knows ${known}: it can learn\n`)
}

/** Runs a pipeline in a temporary directory, which is removed. Ctrl-C stops it. */
async function inTemporary(
  whole: Pipeline,
  pipeline: Pipeline,
  { kernel, threads }: TrialFlags,
  output: Output,
): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-trial-'))
  const stop = interruption(output)
  try {
    return await run(pipeline, { out: join(folder, 'run'), checkpoint: 'none', kernel, threads, signal: stop.signal })
  } catch (error) {
    throw inDefinition(error, whole)
  } finally {
    rmSync(folder, { recursive: true, force: true })
    stop.release()
  }
}

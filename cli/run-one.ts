import { join } from 'node:path'
import { PipelineError } from '../pipeline/base/errors.js'
import { slugOf } from '../pipeline/base/slug.js'
import { shortPath } from '../pipeline/base/words.js'
import { formatPoint, planSweep, runOne } from '../sweep/index.js'
import type { SweepCommandFlags } from './sweep.js'
import { interruption, type Output } from './terminal.js'

/** `millrace sweep run-one`: runs the point `number` of a sweep; without a number, lists the points. */
export async function runOneCommand(
  name: string,
  number: number | undefined,
  flags: SweepCommandFlags,
  output: Output,
): Promise<void> {
  const { threads, checkpoint, plugins, allowAbsolutePaths, json, quiet } = flags
  const stop = interruption(output)
  try {
    const plan = await planSweep(name, { ...flags, signal: stop.signal })
    if (number === undefined) {
      if (json) output.write(`${JSON.stringify(plan.points.map(({ settings, seed }) => ({ settings, seed })))}\n`)
      else for (const [i, point] of plan.points.entries()) output.write(`${i}  ${formatPoint(point)}\n`)
      return
    }
    const directory = flags.out ?? join('sweeps', slugOf(plan.name))
    const trust = { plugins, allowAbsolutePaths }
    const outcome = await runOne(plan, number, { directory, threads, checkpoint, trust, signal: stop.signal })
    const { status, error, seconds } = outcome
    if (json) output.write(`${JSON.stringify(outcome)}\n`)
    if (status === 'interrupted') throw new PipelineError('ABORTED', `${error}; the same command goes on from here`)
    if (status === 'failed') throw new PipelineError('STAGE', error!)
    if (json || quiet) return
    const text = `${number}  ${formatPoint(plan.points[number]!)}  done  (${seconds.toFixed(2)} s)`
    output.write(`${text}; millrace table ${shortPath(directory)} shows what there is\n`)
  } finally {
    stop.release()
  }
}

import { join } from 'node:path'
import { PipelineError } from '../pipeline/base/errors.js'
import { shortPath } from '../pipeline/base/words.js'
import { formatPoint, planSweep, runOne } from '../sweep/index.js'
import { interruption } from './interruption.js'
import type { Output } from './output.js'
import type { SweepCommandFlags } from './sweep.js'

/** `millrace sweep run-one`: runs one point, or lists them. */
export async function runOneCommand(
  name: string,
  number: number | undefined,
  flags: SweepCommandFlags,
  output: Output,
): Promise<void> {
  const { threads, checkpoint, plugins, allowAbsolutePaths, json, quiet } = flags
  const stop = interruption()
  try {
    const plan = await planSweep(name, flags)
    if (number === undefined) {
      if (json) output.write(`${JSON.stringify(plan.points.map(({ settings, seed }) => ({ settings, seed })))}\n`)
      else for (const [i, point] of plan.points.entries()) output.write(`${i}  ${formatPoint(point)}\n`)
      return
    }
    const directory = flags.out ?? join('sweeps', plan.name)
    const trust = { plugins, allowAbsolutePaths }
    const outcome = await runOne(plan, number, { directory, threads, checkpoint, trust, signal: stop.signal })
    const { status, error, seconds } = outcome
    if (json) output.write(`${JSON.stringify(outcome)}\n`)
    if (status === 'interrupted') throw new PipelineError('ABORTED', `${error}; the same command goes on from here`)
    if (status === 'failed') throw new PipelineError('STAGE', error!)
    if (!json && !quiet)
      output.write(
        `${number}  ${formatPoint(plan.points[number]!)}  done  (${seconds.toFixed(2)} s); millrace table ${shortPath(directory)} shows what there is\n`,
      )
  } finally {
    stop.release()
  }
}

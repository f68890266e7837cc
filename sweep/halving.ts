import type { Pipeline } from '../index.js'
import { PipelineError } from '../pipeline/base/errors.js'
import { grouped } from '../pipeline/base/grouped.js'
import type { Halving } from '../pipeline/definition/sweep.js'
import { plain } from '../pipeline/definition/value.js'
import type { ColumnInfos } from '../pipeline/wires/metric-info.js'
import type { Outcome } from './executor.js'
import { compareValues, defaultMonitor, directionFix, directionOf } from './monitor.js'
import type { Length, Plan, Point } from './point.js'

/**
 * The length of a whole run. Throws a PipelineError `DEFINITION` if the pipeline does not say it, or if a run would end
 * before the last rung of the halving.
 *
 * @param where the source position of the block `halving`, for messages
 */
export function lengthOf(
  { definition, graph }: Pipeline,
  { epochs: name, at }: Halving,
  where: string | undefined,
): Length {
  const [id, option] = name.split('.')
  const own = definition.vars.get(name)
  const value = option === undefined ? own && plain(own) : graph.nodes.find((node) => node.id === id)?.options[option]
  if (typeof value !== 'number') {
    const expected = 'expected a var, or stage.option, that says how many epochs there are'
    const found = `"${name}" is ${value === undefined ? 'not there' : JSON.stringify(value)}`
    throw new PipelineError('DEFINITION', [{ where, message: `sweep.halving.epochs: ${expected}; ${found}` }])
  }
  if (value <= at.at(-1)!)
    throw new PipelineError('DEFINITION', [
      { where, message: `sweep.halving.at: expected epochs before the end, got ${at.join(', ')}; ${name} is ${value}` },
    ])
  return { name, epochs: value }
}

/** The point with a length of so many epochs. Without `epochs` it is returned as it is. */
export function withEpochs(point: Point, epochs: number | undefined): Point {
  return epochs === undefined ? point : { ...point, length: { ...point.length!, epochs } }
}

/**
 * Selects the points that continue after a rung: those of the best share of the settings, at least one, by the mean of
 * the monitor over the seeds (K. Jamieson, A. Talwalkar: Non-stochastic best arm identification and hyperparameter
 * optimization, AISTATS 2016). A setting with a point that has no result does not continue. Throws a PipelineError
 * `ARGUMENTS` if the monitor is not among the metrics or has no direction.
 *
 * @param infos the metadata of the metrics of these points
 */
export function selectBest(
  { halving, monitor: planMonitor }: Plan,
  points: readonly Point[],
  outcomeOf: (point: Point) => Outcome | undefined,
  infos: ColumnInfos,
): Point[] {
  if (!points.some((point) => outcomeOf(point)?.status === 'done')) return []
  const monitor = planMonitor ?? defaultMonitor(infos)
  if (monitor === undefined)
    throw new PipelineError(
      'ARGUMENTS',
      `sweep.halving: no metric says whether higher or lower is better; ${directionFix}`,
    )
  const better = directionOf(monitor, infos)
  const groups = grouped(points, settingOf)
  const means = [...groups].map(([setting, group]) => {
    const values = group.map((point) => outcomeOf(point)?.final?.[monitor] ?? Number.NaN)
    return { setting, mean: values.reduce((sum, value) => sum + value, 0) / values.length }
  })
  const ranked = means.filter(({ mean }) => !Number.isNaN(mean))
  ranked.sort((a, b) => compareValues(better, a.mean, b.mean))
  const count = Math.max(1, Math.ceil(shareOf(halving!.keep) * groups.size))
  const best = new Set(ranked.slice(0, count).map(({ setting }) => setting))
  return points.filter((point) => best.has(settingOf(point)))
}

function settingOf({ settings }: Point): string {
  return JSON.stringify(settings)
}

/** The share as a number: `1/3` is text in the definition. */
function shareOf(keep: Halving['keep']): number {
  return typeof keep === 'number' ? keep : 1 / Number(keep.slice(2))
}

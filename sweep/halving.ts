import type { Pipeline } from '../index.js'
import { PipelineError } from '../pipeline/base/errors.js'
import type { Halving } from '../pipeline/definition/sweep.js'
import { plain } from '../pipeline/definition/value.js'
import { isBetter } from '../pipeline/wires/metrics.js'
import type { Outcome } from './executor.js'
import { defaultMonitor } from './monitor.js'
import type { Length, Plan, Point } from './point.js'

/** How long a whole run is. Throws a PipelineError `DEFINITION` where nothing says so, or where it ends before the halving. */
export function lengthOf(
  { definition, graph }: Pipeline,
  { epochs: name, at }: Halving,
  where: string | undefined,
): Length {
  const [id, option] = name.split('.')
  const own = definition.vars.get(name)
  const value = option === undefined ? own && plain(own) : graph.nodes.find((node) => node.id === id)?.options[option]
  if (typeof value !== 'number')
    throw new PipelineError('DEFINITION', [
      {
        where,
        message: `sweep.halving.epochs: expected a var, or stage.option, that says how many epochs there are; "${name}" is ${value === undefined ? 'not there' : JSON.stringify(value)}`,
      },
    ])
  if (value <= at.at(-1)!)
    throw new PipelineError('DEFINITION', [
      { where, message: `sweep.halving.at: expected epochs before the end, got ${at.join(', ')}; ${name} is ${value}` },
    ])
  return { name, epochs: value }
}

/** The point, run for so many epochs only. */
export function shortened(point: Point, epochs: number | undefined): Point {
  return epochs === undefined ? point : { ...point, length: { ...point.length!, epochs } }
}

/**
 * The settings that go on after a rung (K. Jamieson, A. Talwalkar: Non-stochastic best arm identification and
 * hyperparameter optimization, AISTATS 2016): the best share of them by the mean of the monitor over the seeds, at least
 * one. Settings without a result, because a point failed, do not.
 */
export function promoted(
  { halving, monitor: named }: Plan,
  points: readonly Point[],
  outcomeOf: (point: Point) => Outcome | undefined,
): Point[] {
  const groups = groupedBy(points)
  const judged = [...groups].map(([setting, group]) => {
    const finals = group.map((point) => outcomeOf(point)?.final)
    const monitor = named ?? defaultMonitor(Object.keys(finals[0] ?? {}))
    const values = finals.map((final) => (monitor === undefined ? undefined : final?.[monitor]))
    const isWhole = values.every((value) => value !== undefined && !Number.isNaN(value))
    const mean = values.reduce<number>((sum, value) => sum + (value ?? 0), 0) / values.length
    return { setting, monitor, mean: isWhole ? mean : Number.NaN }
  })
  const sound = judged.filter(({ mean }) => !Number.isNaN(mean))
  sound.sort((a, b) =>
    a.mean === b.mean ? 0 : isBetter(a.monitor!.endsWith('accuracy') ? 'higher' : 'lower', a.mean, b.mean) ? -1 : 1,
  )
  const kept = new Set(
    sound.slice(0, Math.max(1, Math.ceil(share(halving!.keep) * groups.size))).map(({ setting }) => setting),
  )
  return points.filter((point) => kept.has(settingOf(point)))
}

function settingOf({ settings }: Point): string {
  return JSON.stringify(settings)
}

function groupedBy(points: readonly Point[]): Map<string, Point[]> {
  const groups = new Map<string, Point[]>()
  for (const point of points) groups.set(settingOf(point), [...(groups.get(settingOf(point)) ?? []), point])
  return groups
}

/** `1/3` as a number. */
function share(keep: Halving['keep']): number {
  return typeof keep === 'number' ? keep : 1 / Number(keep.slice(2))
}

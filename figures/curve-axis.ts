import type { CurvePoint } from './curve-panels.js'

/** A run that leaves the axis of a panel. */
export interface CutRun {
  /** The name of the run. */
  readonly run: string
  /** Whether it leaves the axis at the upper or the lower edge. */
  readonly end: 'upper' | 'lower'
  /** The value that is farthest from the axis. */
  readonly farthest: number
  /** Where the arrow is that says so. */
  readonly x: number
  /** The split of the curve that leaves it there. */
  readonly split: string
}

/** An axis that covers the central runs only. */
export interface CentralAxis {
  /** The lowest and the highest value on the axis. */
  readonly domain: readonly [number, number]
  /** The runs that leave it. */
  readonly cut: readonly CutRun[]
}

/** A run is cut if the axis would be more than this many times as long because of it. */
const LONGER = 3

/** The margin at the edges of the axis, as a share of its length. */
const MARGIN = 0.05

type Range = readonly [low: number, high: number]

/**
 * Finds an axis on which one chaotic run does not flatten the others: leaves out the run whose absence shortens the axis
 * most, while that makes it less than a third as long and more than half of the runs stay. Returns undefined if all
 * runs stay.
 *
 * @param isLog whether lengths are those on a logarithmic axis
 */
export function centralAxis(points: readonly CurvePoint[], isLog: boolean): CentralAxis | undefined {
  const to = isLog ? Math.log : (value: number): number => value
  const from = isLog ? Math.exp : (value: number): number => value
  const kept = rangesOf(points, to)
  const least = Math.floor(kept.size / 2) + 1
  const out: string[] = []
  while (kept.size > least) {
    const whole = lengthOf(kept.values())
    const [run, length] = shortest(kept)
    if (!(length > 0 && length * LONGER < whole)) break
    kept.delete(run)
    out.push(run)
  }
  if (out.length === 0) return undefined
  const [low, high] = union(kept.values())
  const margin = MARGIN * (high - low)
  const domain = [from(low - margin), from(high + margin)] as const
  return { domain, cut: out.flatMap((run, i) => cutsOf(points, run, domain, i)) }
}

/** The range of each run, on the axis. */
function rangesOf(points: readonly CurvePoint[], to: (value: number) => number): Map<string, Range> {
  const ranges = new Map<string, Range>()
  for (const { run, y, low = y, high = y } of points) {
    if (low === null || high === null) continue
    const [least, most] = ranges.get(run) ?? [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
    ranges.set(run, [Math.min(least, to(low)), Math.max(most, to(high))])
  }
  return ranges
}

/** The run without which the axis is shortest, and its length then. */
function shortest(ranges: ReadonlyMap<string, Range>): [run: string, length: number] {
  let best: [string, number] = ['', Number.POSITIVE_INFINITY]
  for (const run of ranges.keys()) {
    const length = lengthOf([...ranges].flatMap(([other, range]) => (other === run ? [] : [range])))
    if (length < best[1]) best = [run, length]
  }
  return best
}

function union(ranges: Iterable<Range>): Range {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const range of ranges) [low, high] = [Math.min(low, range[0]), Math.max(high, range[1])]
  return [low, high]
}

function lengthOf(ranges: Iterable<Range>): number {
  const [low, high] = union(ranges)
  return high - low
}

/**
 * Where a run leaves the axis, once for each edge.
 *
 * @param shift how many points later the arrow is, so that arrows of several runs do not cover each other
 */
function cutsOf(points: readonly CurvePoint[], run: string, [low, high]: Range, shift: number): CutRun[] {
  return (['upper', 'lower'] as const).flatMap((end) => {
    const isOut = (y: number): boolean => (end === 'upper' ? y > high : y < low)
    const out = points.flatMap(({ run: name, x, y, split }) =>
      name === run && y !== null && isOut(y) ? [{ x, y, split }] : [],
    )
    const [first] = out
    if (!first) return []
    const { x, split } = out[Math.min(shift, out.length - 1)]!
    const farthest = out.reduce((far, { y }) => (end === 'upper' ? Math.max(far, y) : Math.min(far, y)), first.y)
    return [{ run, end, farthest, x, split }]
  })
}

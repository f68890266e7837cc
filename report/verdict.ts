import type { Published } from '../pipeline/definition/published.js'
import type { Parameters, Summary } from './summary.js'

export type Verdict = 'reproduced' | 'differs' | 'no verdict'

/** A published number beside the reproduced one. */
export interface Comparison {
  readonly metric: string
  readonly published: number
  /** What the reproduction is held against where the published number is a mistake. */
  readonly corrected: number | undefined
  readonly tolerance: number | undefined
  readonly reproduced: Summary | undefined
  /** Reproduced (the mean, over several seeds) minus published or corrected. */
  readonly difference: number | undefined
  readonly verdict: Verdict
  readonly notes: readonly string[]
}

/**
 * Holds the final numbers of an experiment against the published ones: `reproduced` where they, or their mean over
 * several seeds, are no further away than the tolerance. There is no verdict without a tolerance, on a run that did not
 * reach its end, or on one with other parameters than the published.
 */
export function compare(
  published: Published | undefined,
  parameters: Parameters,
  final: ReadonlyMap<string, Summary>,
  isDone: boolean,
): Comparison[] {
  if (!published) return []
  const others = otherParameters(published, parameters)
  return Object.entries(published.metrics).map(([metric, { value, corrected, tolerance, note }]) => {
    const reproduced = final.get(metric)
    const difference = reproduced && reproduced.mean - (corrected ?? value)
    const obstacles = [
      ...(reproduced ? [] : ['the run has no such metric']),
      ...(isDone ? [] : ['the run did not reach its end']),
      ...others,
      ...(tolerance === undefined ? ['no tolerance is given'] : []),
    ]
    const isNear = difference !== undefined && Math.abs(difference) <= tolerance!
    return {
      metric,
      published: value,
      corrected,
      tolerance,
      reproduced,
      difference,
      verdict: obstacles.length > 0 ? 'no verdict' : isNear ? 'reproduced' : 'differs',
      notes: [...(note ? [note] : []), ...obstacles.map((why) => `no verdict: ${why}`)],
    }
  })
}

/** Where the published experiment was another one. */
function otherParameters({ parameters = {} }: Published, own: Parameters): string[] {
  return Object.entries(parameters).flatMap(([name, value]) => {
    const found = (own as Readonly<Record<string, unknown>>)[name]
    return found === value ? [] : [`it was published for ${name} ${value}, this run has ${found ?? 'none'}`]
  })
}

/** The verdict on several numbers: the worst of them; none where there is nothing to judge. */
export function overall(comparisons: readonly Comparison[]): Verdict | undefined {
  const judged = comparisons.filter(({ verdict }) => verdict !== 'no verdict')
  if (comparisons.length === 0) return undefined
  if (judged.length === 0) return 'no verdict'
  return judged.every(({ verdict }) => verdict === 'reproduced') ? 'reproduced' : 'differs'
}

import { show } from '../pipeline/base/words.js'
import type { Published } from '../pipeline/definition/published.js'
import type { Summary } from './summary.js'

/** The result of comparing an experiment with what was published. */
export type Verdict = 'reproduced' | 'differs' | 'no verdict'

/** A published number compared with the reproduced one. */
export interface Comparison {
  /** The column of the metrics. */
  readonly metric: string
  /** The published number. */
  readonly published: number
  /** The right number, if the published one is a mistake. */
  readonly corrected: number | undefined
  /** The largest difference that counts as reproduced. */
  readonly tolerance: number | undefined
  /** The reproduced number; undefined if the runs have no such metric. */
  readonly reproduced: Summary | undefined
  /** The reproduced number (the mean over the seeds) minus the published or corrected one. */
  readonly difference: number | undefined
  /** Whether the difference is within the tolerance. */
  readonly verdict: Verdict
  /** Remarks on the published number, and reasons for having no verdict. */
  readonly notes: readonly string[]
}

/** The options of a run by their names. */
type Options = ReadonlyMap<string, unknown>

/**
 * Compares the final numbers of an experiment with the published ones. A number is `reproduced` if it, or its mean over
 * the seeds, differs by no more than the tolerance. There is no verdict without a tolerance, on a run that did not
 * reach its end, on a run with other parameters than the published ones, or if the tolerance is so wide that a model
 * that has learned nothing would count as reproduced, too.
 *
 * @param untrained the value of a metric for a model that gives all classes the same probability, if it is known
 */
export function compare(
  published: Published | undefined,
  parameters: Options,
  final: ReadonlyMap<string, Summary>,
  isDone: boolean,
  untrained: (metric: string) => number | undefined = () => undefined,
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
      ...(tolerance === undefined
        ? ['no tolerance is given']
        : tooWide(corrected ?? value, tolerance, untrained(metric))),
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

/** The obstacle of a tolerance that takes in the value of a model that has learned nothing. */
function tooWide(value: number, tolerance: number, untrained: number | undefined): string[] {
  if (untrained === undefined || Math.abs(untrained - value) > tolerance) return []
  const nothing = Number(untrained.toPrecision(4))
  return [`none is possible, because a model that has learned nothing (${nothing}) is within the tolerance, too`]
}

/** Lists the parameters in which the published experiment differs. */
function otherParameters({ parameters = {} }: Published, own: Options): string[] {
  return Object.entries(parameters).flatMap(([name, value]) => {
    const found = own.get(name)
    if (JSON.stringify(found) === JSON.stringify(value)) return []
    return [`it was published for ${name} ${shown(value)}, this run has ${found === undefined ? 'none' : shown(found)}`]
  })
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : show(value)
}

/** The verdict on all numbers: the worst of theirs. Returns undefined if nothing was published. */
export function overall(comparisons: readonly Comparison[]): Verdict | undefined {
  const decided = comparisons.filter(({ verdict }) => verdict !== 'no verdict')
  if (comparisons.length === 0) return undefined
  if (decided.length === 0) return 'no verdict'
  return decided.every(({ verdict }) => verdict === 'reproduced') ? 'reproduced' : 'differs'
}

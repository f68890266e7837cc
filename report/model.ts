import type { Published } from '../pipeline/definition/published.js'
import type { MetricsRow } from '../pipeline/wires/metrics.js'
import type { RunFiles } from './read.js'
import { type Parameters, type Summary, summaryOf } from './summary.js'
import { type Comparison, compare } from './verdict.js'

/** Runs of one definition that differ in their seed alone. */
export interface Experiment {
  /** Tells it from the others in this report. */
  readonly label: string
  readonly runs: readonly RunFiles[]
  readonly parameters: Parameters
  readonly published: Published | undefined
  /** Of the last evaluation of every run that counts: those that are done; where there is none, those there are. */
  readonly final: ReadonlyMap<string, Summary>
  readonly isDone: boolean
  readonly comparisons: readonly Comparison[]
}

export interface Report {
  readonly title: string
  readonly experiments: readonly Experiment[]
  /** Runs that only checked gradients, and those that did both. */
  readonly checks: readonly RunFiles[]
  /** The splits with metrics, in their order. */
  readonly splits: readonly string[]
}

/** Puts runs side by side: those of one definition become one experiment, in the order given. */
export function reportOf(runs: readonly RunFiles[]): Report {
  const groups = new Map<string, RunFiles[]>()
  for (const run of runs) {
    if (run.gradientCheck && run.metrics.length === 0) continue
    const key = JSON.stringify([run.record.name, run.stages, run.published])
    groups.set(key, [...(groups.get(key) ?? []), run])
  }
  const grouped = [...groups.values()]
  const labels = labelsOf(grouped.map(([first]) => ({ name: first!.record.name, parameters: parametersOf(first!) })))
  const experiments = grouped.map((group, i) => experimentOf(labels[i]!, group))
  const names = experiments.flatMap(({ runs }) => runs.flatMap(({ metrics }) => Object.keys(metrics[0] ?? {})))
  return {
    title: experiments.length === 1 ? experiments[0]!.label : `${experiments.length} experiments`,
    experiments,
    checks: runs.filter((run) => run.gradientCheck),
    splits: [...new Set(names.flatMap((name) => /^(.+)_(?:loss|cost|accuracy)$/.exec(name)?.[1] ?? []))],
  }
}

function experimentOf(label: string, runs: readonly RunFiles[]): Experiment {
  const done = runs.filter(({ record }) => record.status === 'done')
  const counted = (done.length > 0 ? done : runs).flatMap(({ metrics }) => metrics.at(-1) ?? [])
  const final = new Map<string, Summary>()
  for (const name of new Set(counted.flatMap((row) => Object.keys(row))))
    final.set(name, summaryOf(counted.flatMap((row) => row[name] ?? [])))
  const { published } = runs[0]!
  const parameters = parametersOf(runs[0]!)
  const isDone = done.length > 0
  return {
    label,
    runs,
    parameters,
    published,
    final,
    isDone,
    comparisons: compare(published, parameters, final, isDone),
  }
}

/** Looks for the options by their names, whichever stages have them. */
function parametersOf({ stages }: RunFiles): Parameters {
  const batching = stages.find((stage) => 'epochs' in stage.with)?.with ?? {}
  const step = stages.find((stage) => 'eta' in stage.with)?.with
  const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)
  const eta = step?.eta as number | { start?: unknown; factor?: unknown; every?: unknown } | undefined
  return {
    batchSize: number(batching.size),
    epochs: number(batching.epochs),
    lambda: step && (number(step.lambda) ?? 0),
    eta:
      eta === null || typeof eta !== 'object' ? number(eta) : `${eta.start} · ${eta.factor} every ${eta.every} epochs`,
  }
}

/** The names; where two are alike, what differs stands behind them. */
function labelsOf(given: readonly { readonly name: string; readonly parameters: Parameters }[]): string[] {
  const labels = given.map(({ name, parameters }) => {
    const others = given.filter((other) => other.name === name)
    const differing = (Object.keys(parameters) as (keyof Parameters)[]).filter((key) =>
      others.some((other) => other.parameters[key] !== parameters[key]),
    )
    return [name, ...differing.map((key) => `${key} ${parameters[key] ?? '–'}`)].join(', ')
  })
  return labels.map((label, i) => {
    const before = labels.slice(0, i).filter((other) => other === label).length
    return before > 0 ? `${label} (${before + 1})` : label
  })
}

/** The evaluations of an experiment that curves show: of its first run that has any. */
export function curveRows({ runs }: Experiment): readonly MetricsRow[] {
  return runs.find(({ metrics }) => metrics.length > 0)?.metrics ?? []
}

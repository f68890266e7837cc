import { grouped } from '../pipeline/base/grouped.js'
import type { Published } from '../pipeline/definition/published.js'
import { type ColumnInfos, mergeMetricInfos } from '../pipeline/wires/metric-info.js'
import type { MetricsRow } from '../pipeline/wires/metrics.js'
import { parametersOf, trainingOptionsOf } from './parameters.js'
import type { RunFiles } from './read.js'
import { type Parameters, type Summary, summariesOf } from './summary.js'
import { type Comparison, compare } from './verdict.js'

/** Runs of one definition that differ only in their seeds. */
export interface Experiment {
  /** The name of the experiment in the report, different from all others. */
  readonly label: string
  /** The runs, in the order given. */
  readonly runs: readonly RunFiles[]
  /** The options that tell experiments apart. */
  readonly parameters: Parameters
  /** The block `published` of the pipeline. */
  readonly published: Published | undefined
  /** The metrics of the last evaluation, by column, over the runs that are done, or over all runs if none is done. */
  readonly final: ReadonlyMap<string, Summary>
  /** Whether a run is done. */
  readonly isDone: boolean
  /** The published numbers compared with the reproduced ones. */
  readonly comparisons: readonly Comparison[]
}

/** The model of a report: everything that its tables and its page show. */
export interface Report {
  /** The title. */
  readonly title: string
  /** The experiments, in the order given. */
  readonly experiments: readonly Experiment[]
  /** The runs with a gradient check. A run without metrics is here only, and no experiment. */
  readonly checks: readonly RunFiles[]
  /** The metadata of the metrics of all experiments. */
  readonly metricInfos: ColumnInfos
  /** The splits with metrics, in the order of the columns. */
  readonly splits: readonly string[]
}

/** Makes the model of a report: the runs of one definition become one experiment, in the order given. */
export function reportOf(runs: readonly RunFiles[]): Report {
  const trained = runs.filter(({ gradientCheck, metrics }) => !gradientCheck || metrics.length > 0)
  const groups = grouped(trained, ({ record, stages, published }) => JSON.stringify([record.name, stages, published]))
  const runGroups = [...groups.values()]
  const labels = labelsOf(runGroups.map(([first]) => ({ name: first!.record.name, parameters: parametersOf(first!) })))
  const experiments = runGroups.map((group, i) => experimentOf(labels[i]!, group))
  const metricInfos = mergeMetricInfos(experiments.flatMap(({ runs }) => runs.map((run) => run.metricInfos)))
  return {
    title: experiments.length === 1 ? experiments[0]!.label : `${experiments.length} experiments`,
    experiments,
    checks: runs.filter((run) => run.gradientCheck),
    metricInfos,
    splits: [...new Set([...metricInfos.values()].flatMap(({ split }) => split ?? []))],
  }
}

function experimentOf(label: string, runs: readonly RunFiles[]): Experiment {
  const done = runs.filter(({ record }) => record.status === 'done')
  const finalRows = (done.length > 0 ? done : runs).flatMap(({ metrics }) => metrics.at(-1) ?? [])
  const final = summariesOf(finalRows)
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
    comparisons: compare(
      published,
      new Map([...trainingOptionsOf(runs[0]!), ...Object.entries(parameters)]),
      final,
      isDone,
      (metric) => untrainedValue(metric, runs[0]!),
    ),
  }
}

/** The value of a metric for equal probabilities of all classes: ln K for loss and cost, 1 / K for the accuracy. */
function untrainedValue(metric: string, { record, metricInfos }: RunFiles): number | undefined {
  const classes = Object.values(record.examples ?? {})[0]?.classes.length
  const { name, unit } = metricInfos.get(metric) ?? {}
  if (classes === undefined || classes < 2) return undefined
  if (name === 'accuracy') return 1 / classes
  return (name === 'loss' || name === 'cost') && unit === 'nats' ? Math.log(classes) : undefined
}

/** The labels: the names and, for equal names, the parameters that differ. */
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

/** The evaluations to draw as curves: those of each run of the experiment that has any. */
export function curveRows({ runs }: Experiment): (readonly MetricsRow[])[] {
  return runs.flatMap(({ metrics }) => (metrics.length > 0 ? [metrics] : []))
}

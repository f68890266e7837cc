import { isDeepStrictEqual } from 'node:util'
import type { DataSource } from '../pipeline/base/data-source.js'
import { counted } from '../pipeline/base/words.js'
import { comparedFiles, differingFiles } from './compared-files.js'
import { type DefinedOption, type DefinedOptions, definedOptions } from './defined-options.js'
import { type MetricDifference, metricDifferences } from './metric-differences.js'
import { changesOnTheWay } from './option-changes.js'
import { type RunFiles, readRun } from './read.js'
import type { StoredRecord } from './record.js'

/** What differs between two runs. `before` is of the first run, `after` of the second; undefined if it has no such thing. */
export interface RunDifference {
  /** True if definition, data, metrics and files are the same. The environment does not count. */
  readonly isEqual: boolean
  /** The options that differ, defaults included. */
  readonly definition: readonly OptionDifference[]
  /** The data files that differ. */
  readonly data: readonly DataDifference[]
  /** Classes and numbers of rows that differ, by stage and split: `csv: train`. */
  readonly rows: readonly ValueDifference[]
  /** Versions, kernel, machine and commit, as far as they differ. */
  readonly environment: readonly ValueDifference[]
  /** All metrics. */
  readonly metrics: readonly MetricDifference[]
  /** The files, `run.json`, `pipeline.yaml` and checkpoints left out. */
  readonly files: {
    /** How many files were compared. */
    readonly compared: number
    /** The files that differ, or that one run lacks. */
    readonly differing: readonly string[]
  }
  /** What could not be read, in words. */
  readonly remarks: readonly string[]
}

/** An option that differs. */
export interface OptionDifference {
  /** Its name, with the id of its stage: `model.eta`. */
  readonly option: string
  /** Its value in the first run. */
  readonly before: DefinedOption | undefined
  /** Its value in the second run. */
  readonly after: DefinedOption | undefined
}

/** A data file that differs, or that one run did not read. */
export interface DataDifference {
  /** The path, as the run that read it opened it. */
  readonly file: string
  /** The file that the first run read. */
  readonly before: DataSource | undefined
  /** The file that the second run read. */
  readonly after: DataSource | undefined
}

/** A value that differs. */
export interface ValueDifference {
  /** What it is, in words. */
  readonly what: string
  /** Its value in the first run. */
  readonly before: string | undefined
  /** Its value in the second run. */
  readonly after: string | undefined
}

/** A run, as far as it is compared. */
export interface ComparedRun extends Pick<RunFiles, 'record' | 'metrics' | 'metricInfos' | 'remarks'> {
  /** The options, defaults included. */
  readonly options: DefinedOptions
}

/** Reads two run directories and compares them. Throws a PipelineError as `readRun` and `differingFiles` do. */
export async function differenceOf(before: string, after: string): Promise<RunDifference> {
  const [a, b] = [await comparedRun(before), await comparedRun(after)]
  const isCompared = (name: string): boolean => name !== 'pipeline.yaml'
  const names = new Set([...comparedFiles(before), ...comparedFiles(after)])
  return runDifference(a, b, {
    compared: [...names].filter(isCompared).length,
    differing: differingFiles(before, after).filter(isCompared),
  })
}

async function comparedRun(directory: string): Promise<ComparedRun> {
  const { record, metrics, metricInfos, remarks } = readRun(directory)
  const found = [...remarks]
  return { record, metrics, metricInfos, options: await definedOptions(directory, found), remarks: found }
}

/** Compares what was read of two runs. */
function runDifference(a: ComparedRun, b: ComparedRun, files: RunDifference['files']): RunDifference {
  const definition = optionDifferences(withChanges(a), withChanges(b))
  const data = dataDifferences(a.record.data, b.record.data)
  const rows = valueDifferences(rowsOf(a.record), rowsOf(b.record))
  const metrics = metricDifferences(a, b)
  return {
    isEqual: [definition, data, rows, files.differing, metrics.filter(({ first }) => first)].every(
      ({ length }) => length === 0,
    ),
    definition,
    data,
    rows,
    environment: valueDifferences(environmentOf(a.record), environmentOf(b.record)),
    metrics,
    files,
    remarks: [...new Set([...a.remarks, ...b.remarks])],
  }
}

/** The options of a run. One that was changed on the way has a text with all its values. */
function withChanges({ options, record }: ComparedRun): DefinedOptions {
  const all = new Map(options)
  for (const { option, text } of changesOnTheWay(record.changes))
    all.set(option, { line: undefined, ...all.get(option), value: text })
  return all
}

function optionDifferences(a: DefinedOptions, b: DefinedOptions): OptionDifference[] {
  const names = [...new Set([...a.keys(), ...b.keys()])]
  // A stage that one run lacks is named once, without its options and its place.
  const isLacking = (stage: string): boolean => !(a.has(`${stage}.use`) && b.has(`${stage}.use`))
  const isMoved = !names.some((name) => name.endsWith('.use') && isLacking(name.slice(0, -4)))
  return names.flatMap((option) => {
    const [before, after] = [a.get(option), b.get(option)]
    const stage = (before ?? after)!.stage
    if (isDeepStrictEqual(before?.value, after?.value)) return []
    if (option === 'stages' ? !isMoved : stage !== undefined && option !== `${stage}.use` && isLacking(stage)) return []
    return [{ option, before, after }]
  })
}

function dataDifferences(a: readonly DataSource[], b: readonly DataSource[]): DataDifference[] {
  const left = new Set(b)
  const differences: DataDifference[] = []
  for (const before of a) {
    // The same content may lie at another place.
    const after =
      b.find((file) => file.path === before.path) ?? [...left].find(({ sha256 }) => sha256 === before.sha256)
    if (after) left.delete(after)
    if (after?.sha256 !== before.sha256) differences.push({ file: before.path, before, after })
  }
  return [...differences, ...[...left].map((after) => ({ file: after.path, before: undefined, after }))]
}

function valueDifferences(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): ValueDifference[] {
  return [...new Set([...a.keys(), ...b.keys()])].flatMap((what) => {
    const [before, after] = [a.get(what), b.get(what)]
    return before === after ? [] : [{ what, before, after }]
  })
}

function rowsOf({ examples = {} }: StoredRecord): Map<string, string> {
  return new Map(
    Object.entries(examples).flatMap(([stage, { classes, splits }]) => [
      [`${stage}: classes`, `${classes.length} (${classes.join(', ')})`] as const,
      ...splits.map(({ name, rows }) => [`${stage}: ${name}`, counted(rows, 'row')] as const),
    ]),
  )
}

function environmentOf({ versions, kernel, machine, git }: StoredRecord): Map<string, string> {
  return new Map([
    ...Object.entries(versions),
    ...(kernel
      ? ([
          ['kernel', `${kernel.name} (${kernel.detail})`],
          ['threads', String(kernel.threads)],
        ] as const)
      : []),
    ...(machine
      ? ([
          ['platform', machine.platform],
          ['processor', machine.cpu],
          ['cores', String(machine.cores)],
        ] as const)
      : []),
    ...(git ? [['commit', `${git.commit}${git.isDirty ? ', with changes' : ''}`] as const] : []),
  ])
}

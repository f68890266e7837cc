import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parse as parseYaml } from 'yaml'
import { z } from 'zod'
import { dataSource } from '../pipeline/base/data-source.js'
import { fileReason, messageOf, PipelineError } from '../pipeline/base/errors.js'
import { checkDepth } from '../pipeline/base/json.js'
import { withVars } from '../pipeline/definition/interpolate.js'
import { firstIssue } from '../pipeline/definition/issues.js'
import { type Published, publishedOf } from '../pipeline/definition/published.js'
import { idOf, mapping, type SettingValues, settingsOf, stagesOf } from '../pipeline/definition/settings.js'
import { type OptionChange, optionChange } from '../pipeline/directory/configuration.js'
import { hasInside, namesInside, readInside } from '../pipeline/files/inside.js'
import { gitState } from '../pipeline/run/git-state.js'
import { type ColumnInfos, columnInfosOf } from '../pipeline/wires/metric-info.js'
import type { MetricsRow } from '../pipeline/wires/metrics.js'
import { storedMetricInfos } from '../pipeline/wires/stored-metric-infos.js'
import { metricsIn } from './evaluations.js'
import { changesOnTheWay } from './option-changes.js'
import { firstRemarks } from './remarks.js'
import { type RunNotes, readNotes } from './run-notes.js'
import { readSheet, readText, type Sheet } from './sheets.js'

/** An image in a run directory. */
export interface Figure {
  /** The name of the file without folder and ending: `weights`, `confusion`, … */
  readonly name: string
  /** The media type. */
  readonly type: 'image/svg+xml' | 'image/png'
  /** The content of the file. */
  readonly bytes: Buffer
}

/** The content of a run directory. What is missing is empty. */
export interface RunFiles {
  /** The run directory. */
  readonly directory: string
  /** The content of `run.json`. */
  readonly record: StoredRecord
  /** The text of `pipeline.yaml`. */
  readonly text: string
  /** The stages of the pipeline. */
  readonly stages: readonly StageUse[]
  /** The block `published` of the pipeline. */
  readonly published: Published | undefined
  /** The evaluations; of very many, some and the last. */
  readonly metrics: readonly MetricsRow[]
  /** The metadata of the metrics. */
  readonly metricInfos: ColumnInfos
  /** The figures, by name. */
  readonly figures: readonly Figure[]
  /** The confusion matrix. */
  readonly confusion: Sheet | undefined
  /** The gradient check. */
  readonly gradientCheck: Sheet | undefined
  /** Tags and note of people. */
  readonly notes: RunNotes
  /** What could not be read, in words. */
  readonly remarks: readonly string[]
}

/** The content of `pipeline.yaml` in a run directory. */
export interface RunText {
  /** The text. */
  readonly text: string
  /** The values that tell the run from others: its vars, and options (`id.option`) that refer to none. */
  readonly settings: SettingValues
  /** The stages, with the values of the vars in their options. */
  readonly stages: readonly StageUse[]
  /** The block `published`. */
  readonly published: Published | undefined
}

/** A stage of a pipeline, as its definition names it. */
export interface StageUse {
  /** The stage: `batch/rows`. */
  readonly use: string
  /** Its options. */
  readonly with: Readonly<{ [option: string]: unknown }>
}

/** The part of `run.json` that a report needs, for every version of Millrace. */
const record = z.object({
  /** How far the run is. */
  status: z.enum(['running', 'done', 'failed', 'interrupted']),
  /** Why the run failed. */
  error: z.string().optional(),
  /** The name of the pipeline. */
  name: z.string(),
  /** The seed of the run. */
  seed: z.number(),
  /** The versions of Millrace and Node. */
  versions: z.record(z.string(), z.string()).default({}),
  /** The machine that made the run. */
  machine: z.object({ platform: z.string(), cpu: z.string(), cores: z.number() }).optional(),
  /** The kernel that made the run. */
  kernel: z.object({ name: z.string(), detail: z.string(), threads: z.number() }).optional(),
  /** The SHA-256 of `pipeline.yaml`. */
  definition: z.string().optional(),
  /** The vars and own options of the definition. Runs of version 0.1.0 have none. */
  settings: z.record(z.string(), z.unknown()).optional().catch(undefined),
  /** The folders in which relative paths of data were looked for. Runs of version 0.1.0 have none. */
  folders: z.array(z.string()).optional().catch(undefined),
  /** When the run started (ISO 8601). */
  started: z.string().optional(),
  /** When the run ended (ISO 8601). */
  finished: z.string().optional(),
  /** Times in seconds. */
  timings: z.record(z.string(), z.number()).optional(),
  /** The metadata of the metrics by column. Runs of version 0.1.0 have none. */
  metrics: storedMetricInfos.optional(),
  /** The data files. */
  data: z.array(dataSource).default([]),
  /** What was loaded and divided, by the id of the stage. */
  examples: z
    .record(
      z.string(),
      z.object({
        classes: z.array(z.string()),
        splits: z.array(z.object({ name: z.string(), rows: z.number() })),
      }),
    )
    .optional()
    .catch(undefined),
  /** The commit of the folder of the definition. */
  git: gitState.optional().catch(undefined),
  /** The options that were changed when the run was resumed. */
  changes: z.array(optionChange).default([]).catch([]),
  /** The sinks whose files are missing, because they failed. */
  undrawn: z.array(z.string()).default([]).catch([]),
  /** Notes of the stages. */
  notes: z.array(z.string()).default([]),
  /** The files that the run wrote. */
  files: z.array(z.string()).default([]),
})

/** The content of `run.json`, as far as a report needs it. */
export type StoredRecord = z.output<typeof record>

/** The largest size of a definition, in bytes. */
const MAX_DEFINITION = 1 << 20

/** The largest `run.json` that is read, in bytes. */
const MAX_RECORD = 16 << 20

/** The largest size of a figure or of a table that is shown whole, in bytes: a report shall fit into a mail. */
const MAX_PART = 2 << 20

/** The largest size of all figures of a run, in bytes. */
const MAX_FIGURES = 32 << 20

/** After so many figures that cannot be shown, no further one is looked at. */
const MAX_FIGURE_PROBLEMS = 1000

/** Reads a run directory. Throws a PipelineError: `ARGUMENTS` if it is none, `DATA` if its `run.json` is damaged. */
export function readRun(directory: string): RunFiles {
  const remarks: string[] = []
  const record = readRecord(directory)
  const { text, stages, published } = readRunText(directory, record.changes, remarks)
  const sheet = (name: string): Sheet | undefined => readSheet(directory, name, remarks, MAX_PART)
  const metrics = metricsIn(directory, remarks)
  const columns = new Set(metrics.flatMap((row) => Object.keys(row)))
  return {
    directory,
    record,
    text,
    stages,
    published,
    metrics,
    metricInfos: columnInfosOf(columns, record.metrics),
    figures: figuresIn(directory, remarks),
    confusion: sheet('figures/confusion.csv'),
    gradientCheck: sheet('gradient-check.csv'),
    notes: readNotes(directory, remarks),
    remarks: firstRemarks(remarks),
  }
}

/**
 * Reads `pipeline.yaml` of a run directory. An option that was changed on the way has a text that tells all its values.
 *
 * @param changes of the options, as the record of the run has them
 * @param remarks gets what could not be read, in words
 */
export function readRunText(directory: string, changes: readonly OptionChange[], remarks: string[]): RunText {
  const text = textOf(directory, remarks)
  return { text, ...readDefinition(text, changes, remarks) }
}

/**
 * Reads the settings of a run, as `readRunText` does. Its record has them, so the definition is read as YAML, which takes
 * most of the time, only if the record is of an older version, or of another definition than the one that lies there.
 *
 * @param remarks gets what could not be read, in words
 */
export function readSettings(directory: string, record: StoredRecord, remarks: string[]): SettingValues {
  const text = textOf(directory, remarks)
  const { settings, definition, changes } = record
  if (settings && definition === createHash('sha256').update(text).digest('hex')) return withChanges(settings, changes)
  return readDefinition(text, changes, remarks).settings
}

function textOf(directory: string, remarks: string[]): string {
  if (!hasInside(directory, 'pipeline.yaml')) return ''
  try {
    return String(readInside(directory, 'pipeline.yaml', MAX_DEFINITION))
  } catch (error) {
    remarks.push(`pipeline.yaml cannot be read: ${fileReason(error)}`)
    return ''
  }
}

/** Reads `run.json`. Throws a PipelineError: `ARGUMENTS` if there is none, `DATA` if it is damaged. */
export function readRecord(directory: string): StoredRecord {
  const refuse = (why: string): PipelineError =>
    new PipelineError('ARGUMENTS', `${directory} is no run directory: ${why}`)
  if (!isDirectory(directory, refuse)) throw refuse('it is a file; give the directory that `millrace run` wrote')
  if (!hasInside(directory, 'run.json'))
    throw refuse('it has no run.json; give the directory that `millrace run` wrote')
  return recordInside(directory, 'run.json')
}

/** Reads a `run.json` inside a directory. Throws a PipelineError `DATA` if it cannot be read, or is damaged. */
export function recordInside(directory: string, name: string): StoredRecord {
  const file = join(directory, name)
  let data: unknown
  try {
    data = checkDepth(JSON.parse(readText(directory, name, MAX_RECORD)))
  } catch (error) {
    if (error instanceof PipelineError) throw error
    throw new PipelineError('DATA', `${file} is damaged: ${messageOf(error)}`, { cause: error })
  }
  const checked = record.safeParse(data)
  if (checked.success) return checked.data
  throw new PipelineError('DATA', `${file} is not the record of a run: ${firstIssue(checked.error)}`)
}

function isDirectory(path: string, refuse: (why: string) => PipelineError): boolean {
  try {
    return statSync(path).isDirectory()
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw refuse(isMissing ? 'it does not exist' : fileReason(error))
  }
}

function readDefinition(text: string, changes: readonly OptionChange[], remarks: string[]): Omit<RunText, 'text'> {
  try {
    const data = checkDepth(parseYaml(text, { maxAliasCount: 0, uniqueKeys: false, logLevel: 'error' }) ?? {}) as {
      [key: string]: unknown
    }
    const published = publishedOf(data.published)
    if (data.published !== undefined && !published) remarks.push('the block "published" of pipeline.yaml is malformed')
    const vars = mapping(data.vars)
    const changed = new Map(changesOnTheWay(changes).map((change) => [change.option, change]))
    const stages = stagesOf(data.stages).map((stage) => stageUse(stage, vars, changed))
    return { settings: withChanges(settingsOf(data), changes), published, stages }
  } catch (error) {
    remarks.push(`pipeline.yaml cannot be read: ${messageOf(error)}`)
    return { settings: {}, stages: [], published: undefined }
  }
}

function stageUse(
  stage: SettingValues,
  vars: SettingValues,
  changed: ReadonlyMap<string, { readonly text: string }>,
): StageUse {
  const options = { ...mapping(withVars(mapping(stage.with), vars)) }
  for (const [option, { text }] of changed) {
    const [id, name] = [option.slice(0, option.indexOf('.')), option.slice(option.indexOf('.') + 1)]
    if (id === idOf(stage)) options[name] = text
  }
  return { use: String(stage.use), with: options }
}

/** The settings, with all values of options that were changed on the way. */
function withChanges(settings: SettingValues, changes: readonly OptionChange[]): SettingValues {
  const changed = changesOnTheWay(changes).map(({ option, var: name = option, text }) => [name, text])
  return { ...settings, ...Object.fromEntries(changed) }
}

/** Reads the figures, sorted by name. An SVG is preferred to a PNG. Snapshots of single epochs are left out. */
function figuresIn(directory: string, remarks: string[]): Figure[] {
  const found = new Map<string, Figure>()
  let [bytes, left] = [0, 0]
  for (const file of figureFiles(directory, remarks)) {
    const [, name, ending] = /^(.*)\.(svg|png)$/s.exec(basename(file))!
    if (found.has(name!) || /-epoch-\d+$/.test(name!)) continue
    const figure = readFigure(directory, file, ending as 'svg' | 'png', remarks)
    if (figure === undefined) continue
    if (bytes + figure.bytes.length > MAX_FIGURES) left++
    else {
      found.set(name!, figure)
      bytes += figure.bytes.length
    }
    if (left + remarks.length > MAX_FIGURE_PROBLEMS) break
  }
  if (left > 0)
    remarks.push(`${left} figures or more are left out: together they have more than ${MAX_FIGURES >> 20} MB`)
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** The paths of what may be figures. Of two with one name, the SVG comes first. */
function figureFiles(directory: string, remarks: string[]): string[] {
  return ['', 'figures'].flatMap((folder) => {
    try {
      const names = namesInside(directory, folder).filter((name) => /.\.(svg|png)$/s.test(name))
      return names.reverse().map((name) => join(folder, name))
    } catch (error) {
      remarks.push(`${folder || 'the directory'} cannot be read: ${fileReason(error)}`)
      return []
    }
  })
}

function readFigure(directory: string, file: string, ending: 'svg' | 'png', remarks: string[]): Figure | undefined {
  try {
    const bytes = readInside(directory, file, MAX_PART)
    if (!isImage(bytes, ending)) throw new Error(`it is no ${ending.toUpperCase()}`)
    return { name: basename(file, `.${ending}`), type: ending === 'svg' ? 'image/svg+xml' : 'image/png', bytes }
  } catch (error) {
    remarks.push(`${basename(file)} is left out: ${fileReason(error)}`)
    return undefined
  }
}

function isImage(bytes: Buffer, ending: string | undefined): boolean {
  return ending === 'svg' ? bytes.subarray(0, 1000).includes('<svg') : bytes.subarray(1, 4).toString('latin1') === 'PNG'
}

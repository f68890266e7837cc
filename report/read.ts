import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parse as parseYaml } from 'yaml'
import { z } from 'zod'
import { dataSource } from '../pipeline/base/data-source.js'
import { messageOf, PipelineError } from '../pipeline/base/errors.js'
import { defaultId } from '../pipeline/definition/entries.js'
import { withVars } from '../pipeline/definition/interpolate.js'
import { firstIssue } from '../pipeline/definition/issues.js'
import { type Published, publishedOf } from '../pipeline/definition/published.js'
import { type ColumnInfos, columnInfosOf, storedMetricInfos } from '../pipeline/wires/metric-info.js'
import type { MetricsRow } from '../pipeline/wires/metrics.js'
import { metricsIn, readSheet, readText, type Sheet } from './sheets.js'

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
  /** The evaluations. */
  readonly metrics: readonly MetricsRow[]
  /** The metadata of the metrics. */
  readonly metricInfos: ColumnInfos
  /** The figures, by name. */
  readonly figures: readonly Figure[]
  /** The confusion matrix. */
  readonly confusion: Sheet | undefined
  /** The gradient check. */
  readonly gradientCheck: Sheet | undefined
  /** What could not be read, in words. */
  readonly remarks: readonly string[]
}

/** The content of `pipeline.yaml` in a run directory. */
interface RunText {
  /** The text. */
  readonly text: string
  /** The values that tell the run from others: its vars, and options (`id.option`) that refer to none. */
  readonly settings: Readonly<{ [name: string]: unknown }>
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
  /** Notes of the stages. */
  notes: z.array(z.string()).default([]),
  /** The files that the run wrote. */
  files: z.array(z.string()).default([]),
})

/** The content of `run.json`, as far as a report needs it. */
export type StoredRecord = z.output<typeof record>

/** The largest size of a definition, in bytes. */
const MAX_DEFINITION = 1 << 20

/** The largest size of a figure, in bytes: a report shall be small enough for a mail. */
const MAX_FIGURE = 2 << 20

/** Reads a run directory. Throws a PipelineError: `ARGUMENTS` if it is none, `DATA` if its `run.json` is damaged. */
export function readRun(directory: string): RunFiles {
  const remarks: string[] = []
  const record = readRecord(directory)
  const { text, stages, published } = readRunText(directory, remarks)
  const sheet = (name: string): Sheet | undefined => readSheet(join(directory, name), remarks)
  const metrics = metricsIn(directory, remarks)
  const columns = metrics.flatMap((row) => Object.keys(row))
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
    remarks,
  }
}

/**
 * Reads `pipeline.yaml` of a run directory.
 *
 * @param remarks gets what could not be read, in words
 */
export function readRunText(directory: string, remarks: string[]): RunText {
  const file = join(directory, 'pipeline.yaml')
  const text = existsSync(file) ? readText(file, MAX_DEFINITION) : ''
  return { text, ...readDefinition(text, remarks) }
}

/** Reads `run.json`. Throws a PipelineError: `ARGUMENTS` if there is none, `DATA` if it is damaged. */
export function readRecord(directory: string): StoredRecord {
  const file = join(directory, 'run.json')
  const refuse = (why: string): PipelineError =>
    new PipelineError('ARGUMENTS', `${directory} is no run directory: ${why}`)
  if (!existsSync(directory)) throw refuse('it does not exist')
  if (!statSync(directory).isDirectory()) throw refuse('it is a file; give the directory that `millrace run` wrote')
  if (!existsSync(file)) throw refuse('it has no run.json; give the directory that `millrace run` wrote')
  let data: unknown
  try {
    data = JSON.parse(readText(file))
  } catch (error) {
    if (error instanceof PipelineError) throw error
    throw new PipelineError('DATA', `${file} is damaged: ${messageOf(error)}`, { cause: error })
  }
  const checked = record.safeParse(data)
  if (checked.success) return checked.data
  throw new PipelineError('DATA', `${file} is not the record of a run: ${firstIssue(checked.error)}`)
}

function readDefinition(text: string, remarks: string[]): Omit<RunText, 'text'> {
  try {
    const data = (parseYaml(text, { maxAliasCount: 0, uniqueKeys: false, logLevel: 'error' }) ?? {}) as {
      [key: string]: unknown
    }
    const published = publishedOf(data.published)
    if (data.published !== undefined && !published) remarks.push('the block "published" of pipeline.yaml is malformed')
    const stages = (Array.isArray(data.stages) ? data.stages : []).filter(
      (stage) => stage !== null && typeof stage === 'object',
    )
    const vars = mapping(data.vars)
    return {
      settings: { ...vars, ...Object.fromEntries(stages.flatMap(ownOptions)) },
      published,
      stages: stages.map((stage) => stageUse(stage, vars)),
    }
  } catch (error) {
    remarks.push(`pipeline.yaml cannot be read: ${messageOf(error)}`)
    return { settings: {}, stages: [], published: undefined }
  }
}

function stageUse(stage: { [key: string]: unknown }, vars: { [name: string]: unknown }): StageUse {
  return { use: String(stage.use), with: mapping(withVars(mapping(stage.with), vars)) }
}

function ownOptions(stage: { [key: string]: unknown }): [name: string, value: unknown][] {
  const id = stage.id === undefined ? defaultId(String(stage.use)) : String(stage.id)
  const options = Object.entries(mapping(stage.with)).filter(([, value]) => !JSON.stringify(value).includes('${'))
  return [[`${id}.use`, stage.use], ...options.map(([name, value]): [string, unknown] => [`${id}.${name}`, value])]
}

function mapping(value: unknown): { [option: string]: unknown } {
  return value !== null && typeof value === 'object' ? (value as { [option: string]: unknown }) : {}
}

/** Reads the figures, sorted by name. An SVG is preferred to a PNG. Snapshots of single epochs are left out. */
function figuresIn(directory: string, remarks: string[]): Figure[] {
  const found = new Map<string, Figure>()
  for (const folder of [directory, join(directory, 'figures')]) {
    if (!existsSync(folder)) continue
    for (const file of readdirSync(folder).sort().reverse()) {
      const [, name, ending] = /^(.*)\.(svg|png)$/.exec(file) ?? []
      if (!name || found.has(name) || /-epoch-\d+$/.test(name)) continue
      const path = join(folder, file)
      const status = statSync(path)
      if (!status.isFile()) continue
      if (status.size > MAX_FIGURE) remarks.push(`${file} is left out: it has more than ${MAX_FIGURE >> 20} MB`)
      else {
        const bytes = readFileSync(path)
        if (isImage(bytes, ending))
          found.set(name, { name, type: ending === 'svg' ? 'image/svg+xml' : 'image/png', bytes })
        else remarks.push(`${file} is left out: it is no ${ending!.toUpperCase()}`)
      }
    }
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

function isImage(bytes: Buffer, ending: string | undefined): boolean {
  return ending === 'svg' ? bytes.subarray(0, 1000).includes('<svg') : bytes.subarray(1, 4).toString('latin1') === 'PNG'
}

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parse as parseYaml } from 'yaml'
import { z } from 'zod'
import { dataSource } from '../pipeline/base/data-source.js'
import { messageOf, PipelineError } from '../pipeline/base/errors.js'
import { defaultId } from '../pipeline/definition/entries.js'
import { withVars } from '../pipeline/definition/interpolate.js'
import { type Published, publishedOf } from '../pipeline/definition/published.js'
import type { MetricsRow } from '../pipeline/wires/metrics.js'
import { metricsIn, readSheet, readText, type Sheet } from './sheets.js'

/** An image that lies in a run directory. */
export interface Figure {
  /** The file without folder and ending: `weights`, `confusion`, … */
  readonly name: string
  readonly type: 'image/svg+xml' | 'image/png'
  readonly bytes: Buffer
}

/** A run as its directory tells it; what is missing is empty. */
export interface RunFiles {
  readonly directory: string
  readonly record: StoredRecord
  /** `pipeline.yaml` as it stands. */
  readonly text: string
  readonly stages: readonly StageUse[]
  readonly published: Published | undefined
  readonly metrics: readonly MetricsRow[]
  readonly figures: readonly Figure[]
  readonly confusion: Sheet | undefined
  readonly gradientCheck: Sheet | undefined
  /** What could not be read, in words. */
  readonly remarks: readonly string[]
}

/** What `pipeline.yaml` of a run directory says. */
export interface RunText {
  /** As it stands. */
  readonly text: string
  /** What tells it from other runs: its vars, and options (`id.option`) that refer to none. */
  readonly settings: Readonly<{ [name: string]: unknown }>
  readonly stages: readonly StageUse[]
  readonly published: Published | undefined
}

export interface StageUse {
  readonly use: string
  readonly with: Readonly<{ [option: string]: unknown }>
}

/** What a report needs of `run.json`, whatever version of Millrace wrote it. */
const record = z.object({
  status: z.enum(['running', 'done', 'failed', 'interrupted']),
  error: z.string().optional(),
  name: z.string(),
  seed: z.number(),
  versions: z.record(z.string(), z.string()).default({}),
  machine: z.object({ platform: z.string(), cpu: z.string(), cores: z.number() }).optional(),
  kernel: z.object({ name: z.string(), detail: z.string(), threads: z.number() }).optional(),
  definition: z.string().optional(),
  started: z.string().optional(),
  finished: z.string().optional(),
  timings: z.record(z.string(), z.number()).optional(),
  data: z.array(dataSource).default([]),
  notes: z.array(z.string()).default([]),
  files: z.array(z.string()).default([]),
})

export type StoredRecord = z.output<typeof record>

/** As much as a definition may have. */
const MAX_DEFINITION = 1 << 20

/** A figure beyond this size stays out of a report that must be mailed. */
const MAX_FIGURE = 2 << 20

/** Reads a run directory. Throws a PipelineError `ARGUMENTS` where it is none, `DATA` where its record is damaged. */
export function readRun(directory: string): RunFiles {
  const remarks: string[] = []
  const record = readRecord(directory)
  const { text, stages, published } = readRunText(directory, remarks)
  const sheet = (name: string): Sheet | undefined => readSheet(join(directory, name), remarks)
  return {
    directory,
    record,
    text,
    stages,
    published,
    metrics: metricsIn(directory, remarks),
    figures: figuresIn(directory, remarks),
    confusion: sheet('figures/confusion.csv'),
    gradientCheck: sheet('gradient-check.csv'),
    remarks,
  }
}

/** Reads `pipeline.yaml` of a run directory. */
export function readRunText(directory: string, remarks: string[]): RunText {
  const file = join(directory, 'pipeline.yaml')
  const text = existsSync(file) ? readText(file, MAX_DEFINITION) : ''
  return { text, ...readDefinition(text, remarks) }
}

/** Reads `run.json`. Throws a PipelineError `ARGUMENTS` where there is none, `DATA` where it is damaged. */
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
  const [{ path, message }] = checked.error.issues as [z.core.$ZodIssue]
  throw new PipelineError(
    'DATA',
    `${file} is not the record of a run: ${[path.join('.'), message].filter(Boolean).join(': ')}`,
  )
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

/** Figures by name, sharp ones (SVG) before pixels; single snapshots are left to the directory. */
function figuresIn(directory: string, remarks: string[]): Figure[] {
  const found = new Map<string, Figure>()
  for (const folder of [directory, join(directory, 'figures')]) {
    if (!existsSync(folder)) continue
    for (const file of readdirSync(folder).sort().reverse()) {
      const [, name, ending] = /^(.*)\.(svg|png)$/.exec(file) ?? []
      if (!name || found.has(name) || /-epoch-\d+$/.test(name)) continue
      const path = join(folder, file)
      if (!statSync(path).isFile()) continue
      if (statSync(path).size > MAX_FIGURE) remarks.push(`${file} is left out: it has more than ${MAX_FIGURE >> 20} MB`)
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

import { statSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { dataSource } from '../pipeline/base/data-source.js'
import { fileReason, messageOf, PipelineError } from '../pipeline/base/errors.js'
import { checkDepth } from '../pipeline/base/json.js'
import { firstIssue } from '../pipeline/definition/issues.js'
import { optionChange } from '../pipeline/directory/configuration.js'
import { hasInside, namesInside } from '../pipeline/files/inside.js'
import { MAX_RECORD } from '../pipeline/files/limits.js'
import { gitState } from '../pipeline/run/git-state.js'
import { storedMetricInfos } from '../pipeline/wires/stored-metric-infos.js'
import { readText } from './sheets.js'

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

/** Reads `run.json`. Throws a PipelineError: `ARGUMENTS` if there is none, `DATA` if it is damaged. */
export function readRecord(directory: string): StoredRecord {
  const refuse = (why: string): PipelineError =>
    new PipelineError('ARGUMENTS', `${directory} is no run directory: ${why}`)
  if (!isDirectory(directory, refuse)) throw refuse('it is a file; give the directory that `millrace run` wrote')
  if (!hasInside(directory, 'run.json'))
    throw refuse(
      isFolderOfRuns(directory)
        ? `it is a folder of them; name the runs, such as ${join(directory, '*')}`
        : 'it has no run.json; give the directory that `millrace run` wrote',
    )
  return recordInside(directory, 'run.json')
}

function isFolderOfRuns(directory: string): boolean {
  try {
    return namesInside(directory).some((name) => hasInside(directory, `${name}/run.json`))
  } catch {
    return false
  }
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

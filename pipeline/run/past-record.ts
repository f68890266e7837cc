import { existsSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import { z } from 'zod'
import { kernelNames } from '../../kernels/contract.js'
import { dataSource } from '../base/data-source.js'
import { PipelineError } from '../base/errors.js'
import { shortPath } from '../base/words.js'
import { readInside } from '../files/inside.js'
import { MAX_RECORD } from '../files/limits.js'
import { storedMetricInfos } from '../wires/stored-metric-infos.js'
import { gitState } from './git-state.js'

/** The part of `run.json` that resuming needs. Damaged entries count as missing. */
const pastRecord = z.object({
  status: z.string().catch('running'),
  kernel: z
    .object({ name: z.enum(kernelNames), detail: z.string() })
    .optional()
    .catch(undefined),
  versions: z.object({ millrace: z.string() }).optional().catch(undefined),
  definition: z.string().optional().catch(undefined),
  folders: z.array(z.string().refine(isAbsolute)).catch([]),
  data: z.array(dataSource).catch([]),
  notes: z.array(z.string()).catch([]),
  files: z.array(z.string()).catch([]),
  metrics: storedMetricInfos.catch({}),
  step: z.int().positive().optional().catch(undefined),
  git: gitState.optional().catch(undefined),
  undrawn: z.array(z.string()).catch([]),
})

/** What is known of a run from its `run.json`. */
export type PastRecord = z.output<typeof pastRecord>

/** True if a run is done. Throws a PipelineError `ARGUMENTS` if it is no run directory. */
export function isDone(directory: string): boolean {
  return readPast(resolve(directory)).status === 'done'
}

/**
 * True if a run is done and nothing of it is missing: it can only be made longer. Throws a PipelineError `ARGUMENTS` if it
 * is no run directory.
 */
export function isComplete(directory: string): boolean {
  return hasAll(readPast(resolve(directory)))
}

/** Whether a run is done and nothing of it is missing. */
export function hasAll({ status, undrawn }: PastRecord): boolean {
  return status === 'done' && undrawn.length === 0
}

/** The record of the run in a directory. Throws a PipelineError `ARGUMENTS` if it has no `pipeline.yaml`. */
export function readPast(path: string): PastRecord {
  if (!existsSync(join(path, 'pipeline.yaml')))
    throw new PipelineError('ARGUMENTS', `${shortPath(path)} is not the directory of a run: it has no pipeline.yaml`)
  return recordIn(path)
}

/** The record of the run in a directory, as far as it is there. */
export function recordIn(path: string): PastRecord {
  try {
    return pastRecord.parse(JSON.parse(String(readInside(path, 'run.json', MAX_RECORD))))
  } catch {
    // A process that was killed early has written no record.
    return pastRecord.parse({})
  }
}

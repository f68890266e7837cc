import { lstatSync, rmSync, statSync } from 'node:fs'
import { dirname, relative, resolve, sep } from 'node:path'
import { z } from 'zod'
import { PipelineError } from '../base/errors.js'
import { listed, shortPath } from '../base/words.js'
import { attempt } from '../files/files.js'
import { readInside } from '../files/inside.js'
import { MAX_RECORD } from '../files/limits.js'
import { isLockFile } from '../files/lock.js'
import { checkTargetInside, pathKey, RUN_NOTES } from '../files/output-path.js'
import { kindOf } from '../files/regular-file.js'
import { hasCheckpoints, pruneCheckpoints } from './checkpoint.js'

/** Where a run writes. */
export interface RunPlace {
  /** The run directory; default: the next free `runs/NAME-001`. */
  readonly out?: string | undefined
  /** Replaces the run that lies in `out`. Files there that are not of a run stay. */
  readonly force?: boolean | undefined
}

/** Where a run writes, and what. */
export interface NewRun extends RunPlace {
  /** True if output files with absolute paths may lie anywhere. */
  readonly allowAbsolutePaths?: boolean | undefined
  /** The output files that are known before the run. */
  readonly outputs?: readonly string[] | undefined
}

/**
 * Throws a PipelineError `ARGUMENTS` if a new run must not be written into a directory: a run lies there and is not to
 * be replaced, or a file of the user has the name of one that the run would write.
 */
export function checkPlace(path: string, { force = false, outputs = [] }: NewRun): void {
  const found = attempt('make the run directory', path, () => statSync(path, { throwIfNoEntry: false }))
  if (!found) return
  if (!found.isDirectory())
    throw new PipelineError('ARGUMENTS', `--out ${shortPath(path)}: it is ${kindOf(found)}, expected a directory`)
  const past = readPast(path)
  // Checkpoints count even without a record: a new run that is killed early would be resumed from them.
  if (!force && !isStillborn(path) && (past || hasCheckpoints(path)))
    throw new PipelineError(
      'ARGUMENTS',
      `--out ${shortPath(path)}: a run lies there already; give another directory, or --force to replace it`,
    )
  const own = keysOf(past)
  // A file is written under a temporary name first. In the directory of a run, such a file was left by that run.
  const names = past ? outputs : outputs.flatMap((name) => [name, `${name}.part`])
  const foreign = ['pipeline.yaml', 'run.json', RUN_NOTES, 'checkpoint', ...names].filter((name) => {
    const target = resolve(path, name)
    // What is no file is refused when it is to be written, with its kind.
    return liesIn(path, target) && !own.has(pathKey(name)) && isFile(target)
  })
  if (foreign.length > 0) throw foreignError(foreign, path)
}

/** The keys of the files of the run that lies in a directory (`pathKey`); empty if none does. */
export function ownFiles(path: string): ReadonlySet<string> {
  return keysOf(readPast(path))
}

function keysOf(past: ReturnType<typeof readPast>): ReadonlySet<string> {
  return new Set(past ? ['pipeline.yaml', 'run.json', RUN_NOTES, ...past.files].map(pathKey) : [])
}

/** Whether an absolute path lies inside a directory. */
export function liesIn(directory: string, path: string): boolean {
  return path.startsWith(directory + sep)
}

/** Whether a run lies in a directory. */
export function holdsRun(path: string): boolean {
  return readPast(path) !== undefined
}

/**
 * Whether a run in a directory was killed before its `pipeline.yaml` was there: then it has done nothing, and may be
 * started as if it were not there.
 */
export function isStillborn(path: string): boolean {
  const past = readPast(path)
  const hasDefinition = past && (lstatSync(resolve(path, 'pipeline.yaml'), { throwIfNoEntry: false })?.size ?? 0) > 0
  if (!past || hasDefinition || hasCheckpoints(path)) return false
  return past.status !== 'done' && past.files.every((name) => name === 'run.json' || name === 'pipeline.yaml')
}

/** The error that names the files of the user that a run would write over. */
export function foreignError(names: readonly string[], path: string): PipelineError {
  const some = names.length > MAX_NAMED ? [...names.slice(0, MAX_NAMED), `${names.length - MAX_NAMED} more`] : names
  const [lie, are, them] = names.length === 1 ? ['lies', 'is not a file', 'it'] : ['lie', 'are not files', 'them']
  return new PipelineError(
    'ARGUMENTS',
    `--out ${shortPath(path)}: ${listed(some, 'and')} ${lie} there and ${are} of a run, so a run does not write over ` +
      `${them}; give another directory, or move ${them} away`,
  )
}

/** The error for a file outside of the run directory that exists. */
export function existsError(name: string): PipelineError {
  return new PipelineError('ARGUMENTS', `${name} exists already; move it away, or --force to replace it`)
}

/** Files that a message names one by one. */
const MAX_NAMED = 5

/** Whether a file lies at a path; false for directories, links, pipes and devices. */
export function isFile(target: string): boolean {
  return attempt('find', target, () => lstatSync(target, { throwIfNoEntry: false }))?.isFile() ?? false
}

/** Removes the output files, notes and checkpoints of the run that lies in a directory, and nothing else. */
export function removeOldRun(path: string): void {
  for (const file of [...(readPast(path)?.files ?? []), RUN_NOTES]) {
    const target = resolve(path, file)
    if (liesIn(path, target) && !isLockFile(relative(path, target))) removeOutput(path, target, file)
  }
  pruneCheckpoints(path, 0)
}

/** Removes an output file of a run. Throws a PipelineError `WRITE` if the way to it has a link, or if it stays. */
export function removeOutput(directory: string, target: string, name: string): void {
  attempt('remove', target, () => {
    checkTargetInside(directory, dirname(target), name)
    rmSync(target, { force: true })
  })
}

/** What the `run.json` of a run must have, of all versions of Millrace. */
const pastRecord = z.looseObject({
  status: z.string(),
  versions: z.looseObject({ millrace: z.string() }),
  files: z
    .array(z.unknown())
    .catch([])
    .transform((files) => files.filter((file) => typeof file === 'string')),
})

/**
 * The record of the run that lies in a directory, with its output files. Undefined if there is none: no `run.json`, or
 * one of another program. One that is damaged is of a run, of which no files are known.
 */
function readPast(path: string): { readonly status?: string; readonly files: readonly string[] } | undefined {
  let text: string
  try {
    text = String(readInside(path, 'run.json', MAX_RECORD))
  } catch {
    return undefined
  }
  try {
    return pastRecord.safeParse(JSON.parse(text)).data
  } catch {
    return { files: [] }
  }
}

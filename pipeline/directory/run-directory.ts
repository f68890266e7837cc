import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { fileProblem, PipelineError } from '../base/errors.js'
import { shortPath } from '../base/words.js'
import { attempt, makeFolder, replaceFile } from '../files/files.js'
import { lockDirectory } from '../files/lock.js'
import { checkTarget, checkTargetInside, isRunFile, pathKey } from '../files/output-path.js'
import { readRegularFile } from '../files/regular-file.js'
import { hasCheckpoints, pruneCheckpoints } from './checkpoint.js'

/** The directory of one run, in which this process alone writes. */
export interface RunDirectory {
  /** Its absolute path; empty on a rank that writes nothing. */
  readonly path: string
  /**
   * Returns the absolute path of an output file, and makes the folders on the way. Throws a PipelineError if the file
   * would lie outside the directory, or if another writer has it.
   *
   * @param writer the title of the stage that writes it; default: the run itself
   */
  file(path: string, writer?: string): string
  /** The output files so far, relative to the directory. */
  readonly files: ReadonlySet<string>
  /**
   * Writes a whole output file. A reader sees the old file or the new one, never a part. Throws a PipelineError
   * `WRITE`.
   */
  write(path: string, text: string): void
  /**
   * Removes an output file of an earlier process that no stage writes now. Leaves files outside the directory alone.
   * Throws a PipelineError `WRITE`.
   */
  remove(path: string): void
  /** Returns the absolute path of a file that is not listed as an output, and makes the folders on the way. */
  unlisted(path: string): string
  /** Lets other processes write here again. */
  release(): void
}

/** Where a run writes. */
export interface RunPlace {
  /** The run directory; default: the next free `runs/NAME-001`. */
  readonly out?: string | undefined
  /** Replaces the run that lies in `out`. */
  readonly force?: boolean | undefined
}

/**
 * Returns the directory of a rank that writes nothing. If a stage asks for a file, it gets one in a temporary folder,
 * which `release` removes.
 */
export function scratchDirectory(): RunDirectory {
  let path: string | undefined
  const file = (name: string): string => {
    path ??= mkdtempSync(join(tmpdir(), 'millrace-rank-'))
    return withFolder(resolve(path, name))
  }
  return {
    path: '',
    file,
    unlisted: file,
    files: new Set(),
    write: () => {},
    remove: () => {},
    release: () => path !== undefined && rmSync(path, { recursive: true, force: true }),
  }
}

/** The writer of the files that no stage writes, as messages name it. */
const itself = 'the run itself'

/**
 * Makes the directory of a new run and claims it for this process. Throws a PipelineError if a run lies there already,
 * or if the directory cannot be made.
 *
 * @param name the name of the pipeline, for a numbered directory
 * @param allowAbsolutePaths true if output files with absolute paths may lie anywhere
 */
export function makeRunDirectory(
  name: string,
  { out, force = false }: RunPlace,
  allowAbsolutePaths = false,
): RunDirectory {
  if (out === undefined) return openRunDirectory(nextNumbered(name), allowAbsolutePaths)
  const path = resolve(out)
  makeOutFolder(path, force)
  const directory = openRunDirectory(path, allowAbsolutePaths)
  try {
    if (force) removeOldRun(path)
  } catch (error) {
    directory.release()
    throw error
  }
  return directory
}

/**
 * Claims an existing directory of a run for this process. Throws a PipelineError if another process writes there.
 *
 * @param allowAbsolutePaths true if output files with absolute paths may lie anywhere
 * @param known the output files of the run so far
 */
export function openRunDirectory(path: string, allowAbsolutePaths = false, known: Iterable<string> = []): RunDirectory {
  const release = lockDirectory(path)
  const files = new Set(known)
  const writers = new Map<string, string>()

  function file(name: string, writer = itself): string {
    const target = resolve(path, name)
    const isInside = target.startsWith(path + sep)
    if (!isInside && !(allowAbsolutePaths && isAbsolute(name)))
      throw new PipelineError('WRITE', `${name} lies outside the run directory ${shortPath(path)}`)
    const key = pathKey(target)
    const other = isInside && isRunFile(relative(path, target)) ? itself : (writers.get(key) ?? writer)
    if (other !== writer)
      throw new PipelineError('DEFINITION', `${name} is already written by ${other}; give another path`)
    attempt('write', target, () => (isInside ? checkTargetInside(path, target, name) : checkTarget(target, name)))
    writers.set(key, writer)
    files.add(name)
    return withFolder(target)
  }

  function unlisted(name: string): string {
    const target = join(path, name)
    attempt('write', target, () => checkTargetInside(path, target, name))
    return withFolder(target)
  }

  function write(name: string, text: string): void {
    replaceFile(file(name), text)
  }

  function remove(name: string): void {
    const target = resolve(path, name)
    if (!target.startsWith(path + sep) || isRunFile(relative(path, target)) || writers.has(pathKey(target))) return
    attempt('remove', target, () => {
      checkTargetInside(path, dirname(target), name)
      rmSync(target, { force: true })
    })
    files.delete(name)
  }

  return { path, file, files, write, remove, unlisted, release }
}

/** Makes the folder of a file and returns the path of the file. */
function withFolder(target: string): string {
  attempt('make the folder of', target, () => makeFolder(dirname(target)))
  return target
}

/** Makes the next free directory `runs/NAME-001`. */
function nextNumbered(name: string): string {
  const parent = resolve('runs')
  attempt('make the directory', parent, () => makeFolder(parent))
  const taken = attempt('read the directory', parent, () => readdirSync(parent))
    .filter((entry) => entry.startsWith(`${name}-`))
    .map((entry) => Number(entry.slice(name.length + 1)))
    .filter(Number.isInteger)
  for (let number = Math.max(0, ...taken) + 1; ; number++) {
    const path = join(parent, `${name}-${String(number).padStart(3, '0')}`)
    try {
      mkdirSync(path)
      return path
    } catch (error) {
      // Another process took this number first.
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue
      throw new PipelineError('WRITE', fileProblem('make the run directory', shortPath(path), error), { cause: error })
    }
  }
}

function makeOutFolder(path: string, force: boolean): void {
  if (existsSync(path) && !statSync(path).isDirectory())
    throw new PipelineError('ARGUMENTS', `--out ${shortPath(path)}: it is a file, expected a directory`)
  // Checkpoints count even without a record: a new run that is killed early would be resumed from them.
  if (!force && (existsSync(join(path, 'run.json')) || hasCheckpoints(path)))
    throw new PipelineError(
      'ARGUMENTS',
      `--out ${shortPath(path)}: a run lies there already; give another directory, or --force to replace it`,
    )
  attempt('make the run directory', path, () => makeFolder(path))
}

/** Removes the output files and checkpoints of the run that lies in a directory. */
function removeOldRun(path: string): void {
  for (const file of filesOf(join(path, 'run.json'))) {
    const target = resolve(path, file)
    if (!target.startsWith(path + sep)) continue
    attempt('remove', target, () => {
      checkTargetInside(path, dirname(target), file)
      rmSync(target, { force: true })
    })
  }
  pruneCheckpoints(path, 0)
}

/** The largest `run.json` that is read, in bytes. */
const MAX_RECORD = 64 << 20

/** Returns the output files that a `run.json` lists; none if it cannot be read. */
function filesOf(record: string): string[] {
  try {
    const { files } = JSON.parse(String(readRegularFile(record, MAX_RECORD))) as { files?: unknown }
    return Array.isArray(files) ? files.filter((file) => typeof file === 'string') : []
  } catch {
    return []
  }
}

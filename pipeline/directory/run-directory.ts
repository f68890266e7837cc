import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { fileProblem, PipelineError } from '../base/errors.js'
import { slugOf } from '../base/slug.js'
import { shortPath } from '../base/words.js'
import { attempt, makeFolder, replaceFile } from '../files/files.js'
import { lockDirectory } from '../files/lock.js'
import { checkTarget, checkTargetInside, isRunFile, pathKey } from '../files/output-path.js'
import {
  checkPlace,
  existsError,
  foreignError,
  isFile,
  liesIn,
  type NewRun,
  ownFiles,
  removeOldRun,
  removeOutput,
} from './run-place.js'

/** The directory of one run, in which this process alone writes. */
export interface RunDirectory {
  /** Its absolute path; empty if nothing is written: on a rank that writes nothing, and in a run without a directory. */
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

/** What a process that claims a directory knows of it. */
export interface Claim {
  /** True if output files with absolute paths may lie anywhere. */
  readonly allowAbsolutePaths?: boolean | undefined
  /** The output files of the run so far. */
  readonly known?: Iterable<string> | undefined
  /**
   * Whether a file that exists and that the run asks for the first time is one of the user, which stays. Default: it is
   * not, because the run had written it before.
   */
  readonly isForeign?: ((target: string) => boolean) | undefined
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
 * if a file lies there that the run would write and that is not of a run, or if the directory cannot be made.
 *
 * @param name the name of the pipeline, for a numbered directory
 */
export function makeRunDirectory(name: string, place: NewRun): RunDirectory {
  const { out, force = false, allowAbsolutePaths } = place
  const path = out === undefined ? nextNumbered(name) : resolve(out)
  if (out !== undefined) {
    checkPlace(path, place)
    attempt('make the run directory', path, () => makeFolder(path))
  }
  const own = ownFiles(path)
  const isForeign = (target: string): boolean =>
    liesIn(path, target) ? isFile(target) && !own.has(pathKey(relative(path, target))) : isFile(target) && !force
  const directory = openRunDirectory(path, { allowAbsolutePaths, isForeign })
  try {
    // Again: until the directory was claimed, another process may have written a run there.
    checkPlace(path, place)
    if (force) removeOldRun(path)
    return directory
  } catch (error) {
    directory.release()
    throw error
  }
}

/** Claims an existing directory of a run for this process. Throws a PipelineError if another process writes there. */
export function openRunDirectory(
  path: string,
  { allowAbsolutePaths = false, known = [], isForeign = () => false }: Claim = {},
): RunDirectory {
  const release = lockDirectory(path)
  const files = new Set(known)
  const writers = new Map<string, string>()

  function file(name: string, writer = itself): string {
    const target = resolve(path, name)
    const isInside = liesIn(path, target)
    if (!isInside && !(allowAbsolutePaths && isAbsolute(name)))
      throw new PipelineError('WRITE', `${name} lies outside the run directory ${shortPath(path)}`)
    const key = pathKey(target)
    const other = isInside && isRunFile(relative(path, target)) ? itself : (writers.get(key) ?? writer)
    if (other !== writer)
      throw new PipelineError('DEFINITION', `${name} is already written by ${other}; give another path`)
    attempt('write', target, () => (isInside ? checkTargetInside(path, target, name) : checkTarget(target, name)))
    if (!writers.has(key) && isForeign(target)) throw isInside ? foreignError([name], path) : existsError(name)
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
    if (!liesIn(path, target) || isRunFile(relative(path, target)) || writers.has(pathKey(target))) return
    removeOutput(path, target, name)
    files.delete(name)
  }

  return { path, file, files, write, remove, unlisted, release }
}

/** Makes the folder of a file and returns the path of the file. */
function withFolder(target: string): string {
  attempt('make the folder of', target, () => makeFolder(dirname(target)))
  return target
}

/** Makes the next free directory `runs/NAME-001`, with the slug of the name. */
function nextNumbered(title: string): string {
  const name = slugOf(title)
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

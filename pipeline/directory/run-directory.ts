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

/** The directory of one run: numbered under `runs/`, or the one asked for. */
export interface RunDirectory {
  readonly path: string
  /**
   * The absolute path of an output file; folders on the way are made. Throws a PipelineError if it would lie outside,
   * or if another writer has it.
   */
  file(path: string, writer?: string): string
  /** Output files so far, relative to the directory. */
  readonly files: ReadonlySet<string>
  /** Writes a whole file by way of a temporary one, so that a reader sees the old or the new one. */
  write(path: string, text: string): void
  /** The absolute path of a file that is no output: folders on the way are made, nobody is told of it. */
  unlisted(path: string): string
  /** Lets other processes write here again. */
  release(): void
}

export interface RunPlace {
  /** The directory asked for; default: the next free `runs/NAME-001`. */
  readonly out?: string | undefined
  /** Takes the place of the run that lies in `out`. */
  readonly force?: boolean | undefined
}

/**
 * The place of a rank that writes nothing: a stage that asks for a file gets one in a temporary folder, which goes with
 * the run.
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
    release: () => path !== undefined && rmSync(path, { recursive: true, force: true }),
  }
}

/** Who writes what no stage does. */
const itself = 'the run itself'

/**
 * Makes the directory of a run, in which this process alone then writes. Throws a PipelineError where one lies already,
 * or where it cannot be made.
 *
 * @param allowAbsolutePaths whether output files may lie anywhere, if their paths are absolute
 */
export function makeRunDirectory(
  name: string,
  { out, force = false }: RunPlace,
  allowAbsolutePaths = false,
): RunDirectory {
  if (out === undefined) return openRunDirectory(nextNumbered(name), allowAbsolutePaths)
  const path = resolve(out)
  prepare(path, force)
  const directory = openRunDirectory(path, allowAbsolutePaths)
  try {
    takeOver(path, force)
  } catch (error) {
    directory.release()
    throw error
  }
  return directory
}

/**
 * Opens the directory of a run, in which this process alone then writes. Throws a PipelineError where another one does.
 *
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

  return { path, file, files, write, unlisted, release }
}

function withFolder(target: string): string {
  attempt('make the folder of', target, () => makeFolder(dirname(target)))
  return target
}

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

function prepare(path: string, force: boolean): void {
  if (existsSync(path) && !statSync(path).isDirectory())
    throw new PipelineError('ARGUMENTS', `--out ${shortPath(path)}: it is a file, expected a directory`)
  // Of checkpoints without a record, a run that is killed early would take the newest for its own.
  if (!force && (existsSync(join(path, 'run.json')) || hasCheckpoints(path)))
    throw new PipelineError(
      'ARGUMENTS',
      `--out ${shortPath(path)}: a run lies there already; give another directory, or --force to replace it`,
    )
  attempt('make the run directory', path, () => makeFolder(path))
}

/** Removes the files of the run that lies there. */
function takeOver(path: string, force: boolean): void {
  for (const file of force ? filesOf(join(path, 'run.json')) : []) {
    const target = resolve(path, file)
    if (!target.startsWith(path + sep)) continue
    attempt('remove', target, () => {
      checkTargetInside(path, dirname(target), file)
      rmSync(target, { force: true })
    })
  }
  if (force) pruneCheckpoints(path, 0)
}

/** What is larger is no record of a run. */
const MAX_RECORD = 64 << 20

/** The output files that a run's record lists. */
function filesOf(record: string): string[] {
  try {
    const { files } = JSON.parse(String(readRegularFile(record, MAX_RECORD))) as { files?: unknown }
    return Array.isArray(files) ? files.filter((file) => typeof file === 'string') : []
  } catch {
    return []
  }
}

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve, sep } from 'node:path'
import { z } from 'zod'
import { pruneCheckpoints } from './checkpoint.js'
import { shortPath } from './definition/value.js'
import { fileProblem, PipelineError } from './errors.js'
import { attempt, replaceFile } from './files.js'
import { lockDirectory } from './lock.js'

/** An option that names an output file: relative, inside the run directory. */
export const outputPath = z
  .string()
  .min(1)
  .refine((path) => !isAbsolute(path) && !path.split(/[/\\]/).includes('..') && !/[\0:]/.test(path), {
    error: 'expected a path inside the run directory: relative, without ".."',
  })

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

export interface Place {
  /** The directory asked for; default: the next free `runs/NAME-001`. */
  readonly out?: string | undefined
  /** Takes the place of the run that lies in `out`. */
  readonly force?: boolean | undefined
}

/** Who writes what no stage does. */
const itself = 'the run itself'

/**
 * Makes the directory of a run, in which this process alone then writes. Throws a PipelineError where one lies already,
 * or where it cannot be made.
 */
export function makeRunDirectory(name: string, { out, force = false }: Place): RunDirectory {
  if (out === undefined) return openRunDirectory(nextNumbered(name))
  const path = resolve(out)
  prepare(path, force)
  const directory = openRunDirectory(path)
  try {
    takeOver(path, force)
  } catch (error) {
    directory.release()
    throw error
  }
  return directory
}

/** Opens the directory of a run, in which this process alone then writes. Throws a PipelineError where another one does. */
export function openRunDirectory(path: string, known: Iterable<string> = []): RunDirectory {
  const release = lockDirectory(path)
  const files = new Set(known)
  const writers = new Map(['pipeline.yaml', 'run.json', 'lock'].map((name) => [join(path, name), itself]))

  function file(name: string, writer = itself): string {
    const target = resolve(path, name)
    if (!target.startsWith(path + sep))
      throw new PipelineError('WRITE', `${name} lies outside the run directory ${shortPath(path)}`)
    const other = writers.get(target) ?? writer
    if (other !== writer)
      throw new PipelineError('DEFINITION', `${name} is already written by ${other}; give another path`)
    writers.set(target, writer)
    files.add(name)
    return unlisted(name)
  }

  function unlisted(name: string): string {
    const target = join(path, name)
    attempt('make the folder of', target, () => mkdirSync(dirname(target), { recursive: true }))
    return target
  }

  function write(name: string, text: string): void {
    replaceFile(file(name), text)
  }

  return { path, file, files, write, unlisted, release }
}

function nextNumbered(name: string): string {
  const parent = resolve('runs')
  attempt('make the directory', parent, () => mkdirSync(parent, { recursive: true }))
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
  if (existsSync(join(path, 'run.json')) && !force)
    throw new PipelineError(
      'ARGUMENTS',
      `--out ${shortPath(path)}: a run lies there already; give another directory, or --force to replace it`,
    )
  attempt('make the run directory', path, () => mkdirSync(path, { recursive: true }))
}

/** Removes the files of the run that lies there. */
function takeOver(path: string, force: boolean): void {
  const record = join(path, 'run.json')
  for (const file of force ? filesOf(record) : []) {
    const target = resolve(path, file)
    if (target.startsWith(path + sep)) attempt('remove', target, () => rmSync(target, { force: true }))
  }
  if (force) pruneCheckpoints(path, 0)
}

/** The output files that a run's record lists. */
export function filesOf(record: string): string[] {
  try {
    const { files } = JSON.parse(readFileSync(record, 'utf8')) as { files?: unknown }
    return Array.isArray(files) ? files.filter((file) => typeof file === 'string') : []
  } catch {
    return []
  }
}

import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, isAbsolute, join, resolve, sep } from 'node:path'
import { shortPath } from './definition/value.js'
import { fileProblem, PipelineError } from './errors.js'
import { checkAnywhere, checkInside, sameName } from './output-path.js'
import { readRegularFile } from './regular-file.js'

/** The directory of one run: numbered under `runs/`, or the one asked for. */
export interface RunDirectory {
  readonly path: string
  /**
   * The absolute path of an output file; folders on the way are made. Throws a PipelineError if it would lie outside
   * (by its name, or by a symbolic link on its way), or if another writer has it.
   */
  file(path: string, writer?: string): string
  /** Output files so far, relative to the directory. */
  readonly files: ReadonlySet<string>
  /** Writes a whole file by way of a temporary one, so that a reader sees the old or the new one. */
  write(path: string, text: string): void
}

export interface Place {
  /** The directory asked for; default: the next free `runs/NAME-001`. */
  readonly out?: string | undefined
  /** Takes the place of the run that lies in `out`. */
  readonly force?: boolean | undefined
}

/** Who writes what no stage does. */
const itself = 'the run itself'

/** The files that every run has. */
export const ownFiles: readonly string[] = ['pipeline.yaml', 'run.json']

/**
 * Makes the directory of a run. Throws a PipelineError where one lies already, or where it cannot be made.
 *
 * @param allowAbsolutePaths whether output files may lie anywhere, if their paths are absolute
 */
export function makeRunDirectory(
  name: string,
  { out, force = false }: Place,
  allowAbsolutePaths = false,
): RunDirectory {
  const path = out === undefined ? nextNumbered(name) : takeOver(resolve(out), force)
  const files = new Set<string>()
  const writers = new Map(ownFiles.map((name) => [sameName(join(path, name)), itself]))

  function file(name: string, writer = itself): string {
    const target = resolve(path, name)
    const isInside = target.startsWith(path + sep)
    if (!isInside && !(allowAbsolutePaths && isAbsolute(name)))
      throw new PipelineError('WRITE', `${name} lies outside the run directory ${shortPath(path)}`)
    const key = sameName(target)
    const other = writers.get(key) ?? writer
    if (other !== writer)
      throw new PipelineError('DEFINITION', `${name} is already written by ${other}; give another path`)
    attempt('write', target, () => (isInside ? checkInside(path, target, name) : checkAnywhere(target, name)))
    writers.set(key, writer)
    files.add(name)
    attempt('make the folder of', target, () => mkdirSync(dirname(target), { recursive: true }))
    return target
  }

  function write(name: string, text: string): void {
    replaceFile(file(name), text)
  }

  return { path, file, files, write }
}

/** Writes beside the target, then renames. Throws a PipelineError `WRITE`; nothing half-written stays. */
export function replaceFile(target: string, content: string | Uint8Array): void {
  const temporary = `${target}.part`
  attempt('write', target, () => {
    try {
      // Made anew: what another run left there may be a link to somewhere else.
      if (lstatSync(temporary, { throwIfNoEntry: false })) unlinkSync(temporary)
      writeFileSync(temporary, content, { flag: 'wx' })
      renameSync(temporary, target)
    } catch (error) {
      try {
        rmSync(temporary, { force: true })
      } catch {
        // The first error is the one to tell.
      }
      throw error
    }
  })
}

/** Runs a file operation; its failure becomes a PipelineError that says what was tried and why it failed. */
export function attempt<T>(action: string, path: string, operation: () => T): T {
  try {
    return operation()
  } catch (error) {
    if (error instanceof PipelineError) throw error
    throw new PipelineError('WRITE', fileProblem(action, shortPath(path), error), { cause: error })
  }
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

function takeOver(path: string, force: boolean): string {
  const record = join(path, 'run.json')
  if (existsSync(path) && !statSync(path).isDirectory())
    throw new PipelineError('ARGUMENTS', `--out ${shortPath(path)}: it is a file, expected a directory`)
  if (existsSync(record)) {
    if (!force)
      throw new PipelineError(
        'ARGUMENTS',
        `--out ${shortPath(path)}: a run lies there already; give another directory, or --force to replace it`,
      )
    for (const file of filesOf(record)) {
      const target = resolve(path, file)
      if (!target.startsWith(path + sep)) continue
      attempt('remove', target, () => {
        checkInside(path, dirname(target), file)
        rmSync(target, { force: true })
      })
    }
  }
  attempt('make the run directory', path, () => mkdirSync(path, { recursive: true }))
  return path
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

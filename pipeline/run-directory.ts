import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, isAbsolute, join, resolve, sep } from 'node:path'
import { z } from 'zod'
import { shortPath } from './definition/value.js'
import { fileProblem, PipelineError } from './errors.js'

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
 * The place of a rank that writes nothing: a stage that asks for a file gets one in a temporary folder, which is gone
 * when the process ends.
 */
export function scratchDirectory(): RunDirectory {
  let path: string | undefined
  return {
    path: '',
    file: (name) => {
      if (path === undefined) {
        const made = mkdtempSync(join(tmpdir(), 'millrace-rank-'))
        process.once('exit', () => rmSync(made, { recursive: true, force: true }))
        path = made
      }
      const target = resolve(path, name)
      mkdirSync(dirname(target), { recursive: true })
      return target
    },
    files: new Set(),
    write: () => {},
  }
}

/** Makes the directory of a run. Throws a PipelineError where one lies already, or where it cannot be made. */
export function makeRunDirectory(name: string, { out, force = false }: Place): RunDirectory {
  const path = out === undefined ? nextNumbered(name) : takeOver(resolve(out), force)
  const files = new Set<string>()
  const writers = new Map(['pipeline.yaml', 'run.json'].map((name) => [join(path, name), itself]))

  function file(name: string, writer = itself): string {
    const target = resolve(path, name)
    if (!target.startsWith(path + sep))
      throw new PipelineError('WRITE', `${name} lies outside the run directory ${shortPath(path)}`)
    const other = writers.get(target) ?? writer
    if (other !== writer)
      throw new PipelineError('DEFINITION', `${name} is already written by ${other}; give another path`)
    writers.set(target, writer)
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
      writeFileSync(temporary, content)
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
      if (target.startsWith(path + sep)) attempt('remove', target, () => rmSync(target, { force: true }))
    }
  }
  attempt('make the run directory', path, () => mkdirSync(path, { recursive: true }))
  return path
}

/** The output files that a run's record lists. */
function filesOf(record: string): string[] {
  try {
    const { files } = JSON.parse(readFileSync(record, 'utf8')) as { files?: unknown }
    return Array.isArray(files) ? files.filter((file) => typeof file === 'string') : []
  } catch {
    return []
  }
}

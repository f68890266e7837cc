import { lstatSync, type Stats, statSync } from 'node:fs'
import { isAbsolute, join, parse, relative, sep, win32 } from 'node:path'
import { z } from 'zod'
import { PipelineError } from '../base/errors.js'
import { DEVICE } from '../base/slug.js'
import { isLockFile } from './lock.js'
import { kindOf } from './regular-file.js'

/** The `format` in JSON Schema of an option that names an output file. */
export const OUTPUT_PATH = 'output-path'

/**
 * Schema of an option that names an output file: a path relative to the run directory, without `..`. It also accepts an
 * absolute path, because the user may allow these. The check of the graph refuses them otherwise.
 */
export const outputPath = z
  .string()
  .min(1)
  .refine((path) => isPortable(path), { error: 'expected a path inside the run directory: relative, without ".."' })
  .refine((path) => !isPortable(path) || !path.split(/[/\\]/).some(isReserved), {
    error: 'expected a file name that every system takes: no device such as "con", no ".", " " or ".part" at its end',
  })
  .meta({ format: OUTPUT_PATH })

/** Whether a path means the same on every system, so that a definition does not write elsewhere on another system. */
function isPortable(path: string): boolean {
  if (isForeign(path)) return false
  const parts = path.slice(parse(path).root.length).split(/[/\\]/)
  return (
    !parts.includes('..') && !['', '.'].includes(parts.at(-1)!) && !parts.some((part) => /[\p{Cc}\p{Cs}:]/u.test(part))
  )
}

/** Whether a path is absolute on Windows, but not on this system. */
function isForeign(path: string): boolean {
  return win32.isAbsolute(path) && !isAbsolute(path)
}

/**
 * Whether a part of a path is reserved. Windows has devices such as `con`, and drops dots and spaces at the end of a
 * name. `.part` is the ending of temporary files.
 */
function isReserved(part: string): boolean {
  return part !== '.' && (DEVICE.test(part) || /[. ]$|\.part$/i.test(part))
}

/**
 * A key for comparing paths. Paths that are the same file on some system, such as `A.csv` and `a.csv`, have one key.
 */
export function pathKey(path: string): string {
  return path
    .split(/[/\\]/)
    .filter((part) => part !== '' && part !== '.')
    .join('/')
    .normalize('NFC')
    .toLowerCase()
}

/** The file with the tags and the note of a run. It is written by people, through commands, and not by the run. */
export const RUN_NOTES = 'notes.json'

/** Whether a path is reserved for the run itself: its record, its definition, its notes, its lock, its checkpoints. */
export function isRunFile(path: string): boolean {
  const first = pathKey(path).split('/')[0]!
  return ['pipeline.yaml', 'run.json', RUN_NOTES, 'checkpoint'].includes(first) || isLockFile(first)
}

/** Throws a PipelineError `WRITE` if `target` exists and is a pipe, a socket or a block device. */
export function checkTarget(target: string, name: string): void {
  const found = statSync(target, { throwIfNoEntry: false })
  if (found) checkKind(found, name)
}

/**
 * Throws a PipelineError `WRITE` if a part of the path from `root` to `target` is a symbolic link, which may lead out
 * of `root`. Also checks `target` as `checkTarget` does.
 */
export function checkTargetInside(root: string, target: string, name: string): void {
  let at = root
  for (const part of relative(root, target).split(sep).filter(Boolean)) {
    at = join(at, part)
    const found = lstatSync(at, { throwIfNoEntry: false })
    if (!found) return
    if (found.isSymbolicLink())
      throw new PipelineError(
        'WRITE',
        `cannot write ${name}: ${relative(root, at)} is a symbolic link, which is not followed: ` +
          'it may lead out of the run directory',
      )
    if (at === target) checkKind(found, name)
  }
}

/** Refuses a pipe or socket, because writing waits for a reader, and a block device. */
function checkKind(status: Stats, name: string): void {
  if (status.isFIFO() || status.isSocket() || status.isBlockDevice())
    throw new PipelineError('WRITE', `cannot write ${name}: it is ${kindOf(status)}, expected a file`)
}

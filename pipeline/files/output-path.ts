import { lstatSync, type Stats, statSync } from 'node:fs'
import { isAbsolute, join, parse, relative, sep, win32 } from 'node:path'
import { z } from 'zod'
import { PipelineError } from '../base/errors.js'
import { kindOf } from './regular-file.js'

/** What marks an option as the name of an output file, in its JSON Schema too. */
export const OUTPUT_PATH = 'output-path'

/**
 * An option that names an output file: relative, inside the run directory. Whether an absolute path will do depends on
 * who asks; the graph is checked for that.
 */
export const outputPath = z
  .string()
  .min(1)
  .refine((path) => isPortable(path), { error: 'expected a path inside the run directory: relative, without ".."' })
  .refine((path) => !isPortable(path) || !path.split(/[/\\]/).some(isReserved), {
    error: 'expected a file name that every system takes: no device such as "con", no ".", " " or ".part" at its end',
  })
  .meta({ format: OUTPUT_PATH })

/** The same on every system: a definition that is sound on one must not write elsewhere on another. */
function isPortable(path: string): boolean {
  if (isForeign(path)) return false
  const parts = path.slice(parse(path).root.length).split(/[/\\]/)
  return (
    !parts.includes('..') && !['', '.'].includes(parts.at(-1)!) && !parts.some((part) => /[\p{Cc}\p{Cs}:]/u.test(part))
  )
}

/** Absolute on Windows, but not here. */
function isForeign(path: string): boolean {
  return win32.isAbsolute(path) && !isAbsolute(path)
}

/** Names that Windows gives to devices, or cuts short; `.part` is what files are called until they are whole. */
function isReserved(part: string): boolean {
  return part !== '.' && /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)|[. ]$|\.part$/i.test(part)
}

/** Names that are the same file on some system are the same name: `A.csv` and `a.csv`. */
export function sameName(path: string): string {
  return path
    .split(/[/\\]/)
    .filter((part) => part !== '' && part !== '.')
    .join('/')
    .normalize('NFC')
    .toLowerCase()
}

/** True for what is no stage's to write: files of the run itself, and all in the folder of its checkpoints. */
export function isOwnFile(path: string): boolean {
  return /^(pipeline\.yaml|run\.json|lock|checkpoint)(\/|$)/.test(sameName(path))
}

/** Throws a PipelineError `WRITE` where `target` is no file that can be written: nobody may be reading a pipe. */
export function checkAnywhere(target: string, name: string): void {
  const found = statSync(target, { throwIfNoEntry: false })
  if (found) checkKind(found, name)
}

/**
 * Throws a PipelineError `WRITE` where writing `target` would follow a symbolic link out of `root`, or as
 * `checkAnywhere` does.
 */
export function checkInside(root: string, target: string, name: string): void {
  let at = root
  for (const part of relative(root, target).split(sep).filter(Boolean)) {
    at = join(at, part)
    const found = lstatSync(at, { throwIfNoEntry: false })
    if (!found) return
    if (found.isSymbolicLink())
      throw new PipelineError(
        'WRITE',
        `cannot write ${name}: ${relative(root, at)} is a symbolic link, which is not followed: it may lead out of the run directory`,
      )
    if (at === target) checkKind(found, name)
  }
}

/** Throws where what lies there can neither be replaced nor written to its end. */
function checkKind(status: Stats, name: string): void {
  if (status.isFIFO() || status.isSocket() || status.isBlockDevice())
    throw new PipelineError('WRITE', `cannot write ${name}: it is ${kindOf(status)}, expected a file`)
}

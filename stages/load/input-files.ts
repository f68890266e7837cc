import { readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { inputPath, z } from '../../pipeline/stage-kit.js'

/** A path, several, or patterns in which `*` stands for any characters of a file name. */
export const inputFiles = () => z.union([inputPath(), z.array(inputPath()).min(1)])

/** The value of such an option. */
export type InputFiles = string | readonly string[]

/**
 * The files that an option names. A pattern stands for the files of its folder that match, in the order of their names;
 * hidden files match no pattern that begins with `*`. A pattern that no file matches stays as it is, so that the check of
 * the input files reports it.
 */
export function givenFiles(given: InputFiles | undefined): string[] {
  const paths = given === undefined ? [] : typeof given === 'string' ? [given] : given
  return paths.flatMap(expanded)
}

function expanded(path: string): string[] {
  const pattern = basename(path)
  if (!pattern.includes('*')) return [path]
  const folder = dirname(path)
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch {
    return [path]
  }
  // The file may have the star in its name.
  if (names.includes(pattern)) return [path]
  const found = names.filter((name) => matches(name, pattern) && !(name.startsWith('.') && pattern.startsWith('*')))
  return found.length === 0 ? [path] : found.sort().map((name) => (folder === '.' ? name : join(folder, name)))
}

/** Whether a name is the parts of a pattern, in order, with anything between them. */
function matches(name: string, pattern: string): boolean {
  const [first, ...rest] = pattern.split('*') as [string, ...string[]]
  const last = rest.pop()!
  if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false
  let at = first.length
  for (const part of rest) {
    const found = name.indexOf(part, at)
    if (found < 0 || found + part.length > name.length - last.length) return false
    at = found + part.length
  }
  return true
}

import { relative } from 'node:path'
import { oneLine } from './plain-text.js'

/** The path relative to the current folder, or as given if that is shorter. */
export function shortPath(file: string): string {
  const short = relative(currentFolder() ?? file, file)
  return short === '' || short.length > file.length ? file : short
}

/** The current folder. Undefined if it was removed. */
function currentFolder(): string | undefined {
  try {
    return process.cwd()
  } catch {
    return undefined
  }
}

/**
 * A number of things: `1 row`, `12 rows`, `2 classes`, `3 queries`.
 *
 * @param text how the number is written
 */
export function counted(count: number, thing: string, text = String(count)): string {
  return `${text} ${count === 1 ? thing : plural(thing)}`
}

/** The plural of a regular noun. */
function plural(noun: string): string {
  if (/(s|x|z|tch|sh)$/.test(noun)) return `${noun}es`
  return /[^aeiou]y$/.test(noun) ? `${noun.slice(0, -1)}ies` : `${noun}s`
}

/** A longer list does not help the user. */
const MAX_WORDS = 30

/** Joins words as a sentence lists them: `a, b or c`. Of a list that is too long for a message it shows some. */
export function listed(words: readonly string[], conjunction = 'or'): string {
  if (words.length < 2) return words.join('')
  if (words.length > MAX_WORDS) return someOf(words)
  return `${words.slice(0, -1).join(', ')} ${conjunction} ${words.at(-1)}`
}

/** Names that a message shows of a long list, and the characters that it shows of each. */
const SHOWN = { names: 5, characters: 40 }

/**
 * Lists names for a message. Of a long list it shows the first five: `a, b, c, d, e … (3072 in all)`. A name that would not
 * be seen as one (it is empty, or has a comma) is in quotes.
 */
export function someOf(names: readonly string[]): string {
  const list = names
    .slice(0, SHOWN.names)
    .map((name) => (/^$|,|^\s|\s$/.test(name) ? `"${cutName(name)}"` : cutName(name)))
    .join(', ')
  return names.length > SHOWN.names ? `${list} … (${names.length} in all)` : list
}

/** Makes a name fit for a message: without control characters, and cut if it is too long. */
export function cutName(name: string): string {
  return oneLine(name.length > SHOWN.characters ? `${name.slice(0, SHOWN.characters - 1)}…` : name)
}

/**
 * Formats a value for a message: as JSON (strings in quotes), without control characters, and cut if it is longer than
 * 60 characters.
 */
export function show(data: unknown): string {
  return cut(typeof data === 'number' ? String(data) : (JSON.stringify(data) ?? String(data)))
}

/** Makes text fit for a message: without control characters, and at most 60 characters long. */
export function cut(text: string): string {
  return oneLine(text.length > 60 ? `${text.slice(0, 57)}…` : text)
}

import { relative } from 'node:path'
import { oneLine } from './plain-text.js'

/** The path relative to the current folder, or as given if that is shorter. */
export function shortPath(file: string): string {
  const short = relative(process.cwd(), file)
  return short === '' || short.length > file.length ? file : short
}

/** Joins words as a sentence lists them: `a, b or c`. */
export function listed(words: readonly string[], conjunction = 'or'): string {
  if (words.length < 2) return words.join('')
  return `${words.slice(0, -1).join(', ')} ${conjunction} ${words.at(-1)}`
}

/** Whether a text has line breaks, control characters, or characters that change the direction of writing. */
export function hasControls(text: string): boolean {
  return oneLine(text) !== text || /\p{Cs}/u.test(text)
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

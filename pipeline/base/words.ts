import { relative } from 'node:path'

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

/** Joins words as a sentence lists them: `a, b or c`. */
export function listed(words: readonly string[], conjunction = 'or'): string {
  if (words.length < 2) return words.join('')
  return `${words.slice(0, -1).join(', ')} ${conjunction} ${words.at(-1)}`
}

/**
 * Characters that a terminal obeys instead of showing them, line breaks among them, and those that change the direction
 * of writing.
 */
const CONTROL = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\p{Cs}]/u

/** Whether a text has control characters, line breaks, or characters that change the direction of writing. */
export function hasControls(text: string): boolean {
  return CONTROL.test(text)
}

/** Spells out the characters of a text that `hasControls` finds: `\u001b`. */
export function withoutControls(text: string): string {
  return text.replace(new RegExp(CONTROL, 'gu'), spellOut)
}

/** Spells out a character as in JSON, for example `\u001b`; two escapes if it takes two UTF-16 units. */
export function spellOut(character: string): string {
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')
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
  return withoutControls(text.length > 60 ? `${text.slice(0, 57)}…` : text)
}

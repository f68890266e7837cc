import { relative } from 'node:path'

/** The path relative to the current folder, or as given if that is shorter. */
export function shortPath(file: string): string {
  const short = relative(process.cwd(), file)
  return short === '' || short.length > file.length ? file : short
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

/** Lists names for a message. Of a long list it shows the first five: `a, b, c, d, e … (3072 in all)`. */
export function someOf(names: readonly string[]): string {
  const list = names.slice(0, SHOWN.names).map(cutName).join(', ')
  return names.length > SHOWN.names ? `${list} … (${names.length} in all)` : list
}

/** Cuts a name that is too long for a message. */
export function cutName(name: string): string {
  return name.length > SHOWN.characters ? `${name.slice(0, SHOWN.characters - 1)}…` : name
}

/** Formats a value for a message: as JSON (strings in quotes), and cut if it is longer than 60 characters. */
export function show(data: unknown): string {
  const text = typeof data === 'number' ? String(data) : (JSON.stringify(data) ?? String(data))
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}

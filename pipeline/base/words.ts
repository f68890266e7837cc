import { relative } from 'node:path'

/** A path relative to the current folder, or as given if that is shorter. */
export function shortPath(file: string): string {
  const short = relative(process.cwd(), file)
  return short === '' || short.length > file.length ? file : short
}

/** Joins words for a sentence: `a, b or c`. */
export function listed(words: readonly string[], conjunction = 'or'): string {
  if (words.length < 2) return words.join('')
  return `${words.slice(0, -1).join(', ')} ${conjunction} ${words.at(-1)}`
}

/** Shows a found value: strings in quotes, long ones and structures shortened. */
export function show(data: unknown): string {
  const text = typeof data === 'number' ? String(data) : (JSON.stringify(data) ?? String(data))
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}

import { PipelineError } from '../../../pipeline/stage-kit.js'
import type { Place } from '../tabular/column-cells.js'

/** One cell of a line. */
export interface Token {
  /** Its text, without quotes and escapes. */
  readonly text: string
  /** Its characters as they are in the line. */
  readonly raw: string
  /** Whether it was in quotes. */
  readonly isQuoted: boolean
}

/** What an escaped letter stands for; other characters stand for themselves. */
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }

/**
 * Splits a line into cells at commas (a tab separates too, if `isPairs` is false) that are not in quotes. Quotes are `'`
 * or `"`; a backslash escapes a character. Throws a PipelineError `DATA` if a quote is not closed.
 *
 * @param isPairs whether a cell may have a quote behind other characters, as the pairs of sparse rows
 */
export function cellsOf(line: string, place: Place, isPairs = false): Token[] {
  const cells: Token[] = []
  let at = 0
  for (;;) {
    while (isBlank(line[at]) && at < line.length) at++
    const from = at
    let text = ''
    let isQuoted = false
    while (at < line.length && line[at] !== ',' && (isPairs || line[at] !== '\t')) {
      const character = line[at]!
      if ((character === "'" || character === '"') && (isPairs || at === from)) {
        const end = closingQuote(line, at, place)
        text += unescaped(line.slice(at + 1, end))
        isQuoted = true
        at = end + 1
        if (isPairs) continue
        while (at < line.length && isBlank(line[at])) at++
        if (at < line.length && line[at] !== ',')
          throw new PipelineError(
            'DATA',
            `${place()}: expected a comma after the quote that closes "${text.slice(0, 40)}"`,
          )
        break
      }
      text += character
      at++
    }
    const raw = line.slice(from, at).trim()
    cells.push({ text: isQuoted ? text : unescaped(raw), raw, isQuoted })
    if (at >= line.length) return cells
    at++
  }
}

const isBlank = (character: string | undefined): boolean => character === ' ' || character === '\t'

/** The index of the quote that closes the one at `from`. */
export function closingQuote(line: string, from: number, place: Place): number {
  for (let at = from + 1; at < line.length; at++) {
    if (line[at] === '\\') at++
    else if (line[at] === line[from]) return at
  }
  throw new PipelineError('DATA', `${place()}: the quote before "${line.slice(from + 1, from + 21)}" is not closed`)
}

/** A text with its escapes replaced. */
export function unescaped(text: string): string {
  return text.includes('\\') ? text.replace(/\\(.)/gs, (_, character: string) => ESCAPES[character] ?? character) : text
}

import { graphemesOf } from '../pipeline/base/cells.js'
import { formatProblem, type Problem } from '../pipeline/base/errors.js'
import { spellOut } from '../pipeline/base/plain-text.js'
import { readRegularFile } from '../pipeline/files/regular-file.js'
import type { Output } from './terminal.js'

/** Files above this size, in bytes, are not read to show a line: definitions are much smaller. */
const MAX_BYTES = 16 << 20

/** A narrower terminal gets frames of this many columns all the same. */
const MIN_WIDTH = 20

/** A tab is shown as spaces. */
const TAB = '    '

/** `file:line:column` as `formatOrigin` writes it. The environment variable that gave the value may follow. */
const POSITION = /^(.+):([1-9]\d*):([1-9]\d*)(?: \(\$[^)]*\))?$/s

/**
 * Prints problems to standard error, one after the other. On a terminal, each one with a position in a file is followed
 * by that line of the file and a caret under the column.
 */
export function reportProblems(problems: readonly Problem[], output: Output): void {
  const { errorWidth } = output
  const blocks = errorWidth === undefined ? problems.map(formatLines) : formatWithSource(problems, errorWidth)
  output.warn(blocks.map((block) => `${block}\n`).join(''))
}

/** Formats a problem. Its further lines are indented, so that text from a file cannot look like a line of Millrace. */
function formatLines(problem: Problem): string {
  return formatProblem(problem).replace(/\n(?! )/g, '\n  ')
}

/**
 * Formats problems as `formatProblem` does, with the line of the file and a caret below. The frame is at most `width`
 * columns wide. A problem whose line cannot be read is formatted without.
 */
export function formatWithSource(problems: readonly Problem[], width: number): string[] {
  const files = new Map<string, readonly string[]>()
  return problems.map((problem) => {
    const [, file, line, column] = POSITION.exec(problem.where ?? '') ?? []
    if (file === undefined) return formatLines(problem)
    if (!files.has(file)) files.set(file, linesOf(file))
    const text = files.get(file)![Number(line) - 1]
    // The line is shorter than the column if the file has changed since it was parsed.
    if (text === undefined || Number(column) > text.length + 1) return formatLines(problem)
    const frame = codeFrame(text.replace(/\r$/, ''), line!, Number(column), Math.max(width, MIN_WIDTH))
    return `${formatLines(problem)}\n${frame}`
  })
}

/** The lines of a text file as the YAML parser counts them; none if the file cannot be read. */
function linesOf(file: string): readonly string[] {
  try {
    return String(readRegularFile(file, MAX_BYTES)).split('\n')
  } catch {
    return []
  }
}

/** A line of source with its number, and a caret under `column` (from 1, in UTF-16 units). */
function codeFrame(text: string, line: string, column: number, width: number): string {
  const margin = ' '.repeat(line.length)
  const { shown, caret } = excerpt(text, column - 1, width - line.length - '   | '.length)
  return `${`  ${line} | ${shown}`.trimEnd()}\n  ${margin} | ${' '.repeat(caret)}^`
}

/** A character as the terminal shows it. */
interface Cell {
  readonly text: string
  /** Columns on the terminal: 2 for wide characters such as 漢. */
  readonly width: number
}

/** The part of a line around the UTF-16 offset `at` that fits into `room` columns, and the column of `at` in it. */
function excerpt(line: string, at: number, room: number): { readonly shown: string; readonly caret: number } {
  // Four UTF-16 units per column are more than can be shown. To divide a line of megabytes would take seconds.
  const [from, to] = [Math.max(0, at - 4 * room), at + 4 * room]
  const before = cellsOf(line.slice(from, at))
  const cells = [...before, ...cellsOf(line.slice(at, to))]
  // One column is kept for a caret behind the end of the line.
  if (from === 0 && to >= line.length && widthOf(cells) < room) return { shown: textOf(cells), caret: widthOf(before) }
  const space = room - '……^'.length
  let [first, last, used] = [before.length, before.length, 0]
  const growRight = (limit: number): void => {
    while (last < cells.length && used + cells[last]!.width <= limit) used += cells[last++]!.width
  }
  const growLeft = (limit: number): void => {
    while (first > 0 && used + cells[first - 1]!.width <= limit) used += cells[--first]!.width
  }
  growRight(space / 2)
  growLeft(space)
  growRight(space)
  const left = from > 0 || first > 0 ? '…' : ''
  const right = to < line.length || last < cells.length ? '…' : ''
  return {
    shown: left + textOf(cells.slice(first, last)) + right,
    caret: left.length + widthOf(cells.slice(first, before.length)),
  }
}

function cellsOf(text: string): Cell[] {
  return Array.from(graphemesOf(text), cellOf)
}

/** Control characters and others that cannot be seen are spelled out. */
function cellOf(grapheme: string): Cell {
  if (grapheme === '\t') return { text: TAB, width: TAB.length }
  if (/^[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$/u.test(grapheme)) {
    const text = spellOut(grapheme)
    return { text, width: text.length }
  }
  return { text: grapheme, width: WIDE.test(grapheme) ? 2 : /^\p{M}/u.test(grapheme) ? 0 : 1 }
}

/**
 * Characters that take two columns (Unicode Standard Annex 11, East Asian Width W and F), by their scripts: those of
 * East Asia except the halfwidth forms, and emoji.
 */
const WIDE = new RegExp(
  String.raw`^(?![\uff61-\uffdc])(?:[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}` +
    String.raw`\p{Script=Bopomofo}\p{Script=Yi}\p{Emoji_Presentation}` +
    String.raw`\u3000-\u303e\u3190-\u33ff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]|.\ufe0f)`,
  'u',
)

function widthOf(cells: readonly Cell[]): number {
  return cells.reduce((sum, { width }) => sum + width, 0)
}

function textOf(cells: readonly Cell[]): string {
  return cells.map(({ text }) => text).join('')
}

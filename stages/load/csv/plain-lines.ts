import type { ColumnCells } from '../tabular/column-cells.js'
import type { TableRows } from '../tabular/table-rows.js'

const [LINE_END, SPACE, PLUS, MINUS, ZERO, NINE, BIG_E, SMALL_E] = Array.from('\n +-09Ee', (each) =>
  each.charCodeAt(0),
) as [number, number, number, number, number, number, number, number]

/** Powers of ten that a double holds exactly. */
const POWERS = Array.from({ length: 23 }, (_, i) => Number(`1e${i}`))

/** Numbers of more digits may not be exact as a double. */
const MOST_DIGITS = 15

/**
 * Splits a line without quotes into cells, as `readRecords` does. Returns undefined if it leaves the line out, because it
 * has only blanks.
 */
export function splitPlainLine(line: string, delimiter: string): string[] | undefined {
  if (line.trim() === '' && !line.includes(delimiter)) return undefined
  return line.split(delimiter).map((cell) => cell.trim())
}

/**
 * Reads lines without quotes into the rows of a table, and is faster than `readRecords` for them. What a line is, a number
 * and an error, is the same for both; tests compare them on damaged files. A number of at most 15 digits and a small
 * exponent is one exact whole number times or through an exact power of ten, so one rounding gives the nearest double, as
 * `Number` does (W. D. Clinger, How to read floating point numbers accurately, 1990). Any other cell goes to `Number`.
 */
export class PlainLines {
  private readonly rows: TableRows
  private readonly path: string
  private readonly delimiter: number
  private readonly delimiterText: string
  private readonly decimal: number
  /** The feature of each column; -1 if it has none. */
  private readonly featureOf: Int32Array
  private readonly cells: readonly ColumnCells[]
  private readonly label: number
  private readonly weight: number
  private readonly group: number
  private readonly count: number

  private readonly add: (cells: string[], place: () => string) => void

  /**
   * Call it after the file has begun.
   *
   * @param add adds a row that is not read here; it throws the error of a line that is wrong
   */
  constructor(
    rows: TableRows,
    path: string,
    delimiter: string,
    decimal: string,
    add: (cells: string[], place: () => string) => void,
  ) {
    this.add = add
    const { features, label, weight, group, count } = rows.columns!
    this.rows = rows
    this.path = path
    this.delimiterText = delimiter
    this.delimiter = delimiter.charCodeAt(0)
    this.decimal = decimal.charCodeAt(0)
    this.featureOf = new Int32Array(count).fill(-1)
    for (const [j, column] of features.entries()) this.featureOf[column] = j
    this.cells = rows.cells
    this.label = label
    this.weight = weight
    this.group = group
    this.count = count
  }

  /**
   * Reads whole lines, and adds their rows. Returns the number of lines. Throws a PipelineError `DATA` as
   * `TableRows.add` does.
   *
   * @param line the number of the first line
   */
  read(text: string, line: number): number {
    let [at, current] = [0, line]
    const place = (): string => `${this.path}:${current}`
    for (; at < text.length; current++) {
      const start = at
      at = this.blankLine(text, at)
      if (at > start) continue
      try {
        at = this.row(text, start, place)
      } catch (error) {
        this.reread(text, start, place)
        throw error
      }
      if (at < 0) {
        this.reread(text, start, place)
        throw new Error(`internal error: ${place()} is read in two ways`)
      }
    }
    return current - line
  }

  /** Throws the error of a line as it is for all lines: a wrong number of cells comes before a wrong cell. */
  private reread(text: string, start: number, place: () => string): void {
    const end = text.indexOf('\n', start)
    const cells = splitPlainLine(text.slice(start, end < 0 ? text.length : end), this.delimiterText)
    if (cells) this.add(cells, place)
  }

  /** Returns the start of the next line if this one has only blanks, else `start`. */
  private blankLine(text: string, start: number): number {
    const code = text.charCodeAt(start)
    if (code > SPACE && code < 0x80) return start
    const found = text.indexOf('\n', start)
    const end = found < 0 ? text.length : found
    return splitPlainLine(text.slice(start, end), this.delimiterText) ? start : end + 1
  }

  /** Reads a row. Returns the start of the next line, or -1 if the row has a wrong number of cells. */
  private row(text: string, start: number, place: () => string): number {
    const { rows, delimiter, decimal, featureOf, cells, label, weight, group, count } = this
    const { values } = rows
    const { length } = text
    let at = start
    let isKept = true
    let labelText: string | null = null
    let weightText: string | undefined
    for (let column = 0; ; column++) {
      if (column === count) return -1
      const from = at
      const j = featureOf[column]!
      if (j >= 0 && cells[j]!.kind === 'number') {
        let code = at < length ? text.charCodeAt(at) : LINE_END
        while (code === SPACE) code = ++at < length ? text.charCodeAt(at) : LINE_END
        const isNegative = code === MINUS
        if (isNegative || code === PLUS) code = ++at < length ? text.charCodeAt(at) : LINE_END
        let [whole, digits, exponent] = [0, 0, 0]
        for (; code >= ZERO && code <= NINE; code = ++at < length ? text.charCodeAt(at) : LINE_END) {
          whole = whole * 10 + (code - ZERO)
          digits++
        }
        if (code === decimal) {
          const before = digits
          code = ++at < length ? text.charCodeAt(at) : LINE_END
          for (; code >= ZERO && code <= NINE; code = ++at < length ? text.charCodeAt(at) : LINE_END) {
            whole = whole * 10 + (code - ZERO)
            digits++
          }
          exponent = before - digits
        }
        if ((code === SMALL_E || code === BIG_E) && digits > 0) {
          code = ++at < length ? text.charCodeAt(at) : LINE_END
          const isSmall = code === MINUS
          if (isSmall || code === PLUS) code = ++at < length ? text.charCodeAt(at) : LINE_END
          let [power, powerDigits] = [0, 0]
          for (; code >= ZERO && code <= NINE; code = ++at < length ? text.charCodeAt(at) : LINE_END) {
            power = power * 10 + (code - ZERO)
            powerDigits++
          }
          // Not a number; `readText` says so.
          if (powerDigits === 0 || powerDigits > 4) digits = 0
          exponent += isSmall ? -power : power
        }
        while (code === SPACE) code = ++at < length ? text.charCodeAt(at) : LINE_END
        if (
          digits > 0 &&
          digits <= MOST_DIGITS &&
          exponent >= -22 &&
          exponent <= 22 &&
          (code === delimiter || code === LINE_END)
        ) {
          const size = exponent < 0 ? whole / POWERS[-exponent]! : whole * POWERS[exponent]!
          const value = isNegative ? -size : size
          values[j] = cells[j]!.rules.bytes ? cells[j]!.readNumber(value, place) : value - cells[j]!.offset
        } else {
          at = this.endOfCell(text, at)
          isKept = rows.put(j, text.slice(from, at).trim(), place) && isKept
        }
      } else {
        at = this.endOfCell(text, at)
        if (j >= 0) isKept = rows.put(j, text.slice(from, at).trim(), place) && isKept
        else if (column === label) labelText = text.slice(from, at).trim()
        else if (column === weight) weightText = text.slice(from, at).trim()
        else if (column === group) rows.setGroup(text.slice(from, at).trim(), place)
      }
      if (at >= length || text.charCodeAt(at) === LINE_END) {
        if (column !== count - 1) return -1
        break
      }
      at++
    }
    rows.end(isKept, labelText, weightText, place)
    return at + 1
  }

  private endOfCell(text: string, from: number): number {
    for (let at = from; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code === this.delimiter || code === LINE_END) return at
    }
    return text.length
  }
}

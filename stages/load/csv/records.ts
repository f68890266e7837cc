import { type CsvError, parse } from 'csv-parse'
import { messageOf, PipelineError } from '../../../pipeline/stage-kit.js'

/** The most characters of a record. A quote that is not closed would else swallow the whole file. */
const MAX_RECORD = 1 << 24

/**
 * Splits CSV text into records. Blanks around cells are removed, inside quotes as well as outside. Lines without a
 * character are left out. Throws a PipelineError `DATA` with the line of a misplaced quote, and what `onRecord` throws.
 *
 * @param texts the text in pieces, with `\n` at the end of lines
 * @param onRecord gets the cells of a record and the number of its last line
 * @param firstLine number of the first line of the text
 */
export async function readRecords(
  path: string,
  texts: AsyncIterable<string>,
  delimiter: string,
  onRecord: (cells: string[], line: number) => void,
  firstLine = 1,
): Promise<void> {
  const quotes = new OpenQuote(delimiter, firstLine)
  let failure: unknown
  const parser = parse({
    delimiter,
    record_delimiter: '\n',
    relax_column_count: true,
    skip_empty_lines: true,
    trim: true,
    max_record_size: MAX_RECORD,
    on_record: (cells: string[], { lines }: { lines: number }) => {
      try {
        for (let i = 0; i < cells.length; i++) cells[i] = cells[i]!.trim()
        onRecord(cells, firstLine - 1 + lines)
      } catch (error) {
        failure = error
        throw error
      }
      // Nothing is queued in the parser.
      return undefined
    },
  })
  parser.on('error', () => {})
  parser.resume()
  /** The pieces that the parser may not have read to their end: it waits for the characters behind a quote. */
  let unread = ''
  try {
    for await (const text of texts) {
      const before = unread
      unread += text
      await written(parser, text)
      quotes.read(before)
      unread = text
    }
    await ended(parser)
  } catch (error) {
    throw failure ?? (isCsvError(error) ? misplacedQuote(path, error, quotes, unread, firstLine) : error)
  } finally {
    parser.destroy()
  }
}

type Parser = ReturnType<typeof parse>

function written(parser: Parser, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    parser.write(text, (error) => (error ? reject(error) : resolve()))
  })
}

function ended(parser: Parser): Promise<void> {
  return new Promise((resolve, reject) => {
    parser.once('error', reject)
    parser.once('end', resolve)
    parser.end()
  })
}

function isCsvError(error: unknown): error is CsvError {
  return typeof (error as Partial<CsvError>)?.code === 'string' && 'lines' in (error as object)
}

/** The codes for text between a quote that closes and the end of the cell. */
const WRONG_ENDS = ['CSV_INVALID_CLOSING_QUOTE', 'CSV_NON_TRIMABLE_CHAR_AFTER_CLOSING_QUOTE']

/** The error about a quote, at the line that has to be changed. `text` is where it was found. */
function misplacedQuote(
  path: string,
  error: CsvError,
  quotes: OpenQuote,
  text: string,
  firstLine: number,
): PipelineError {
  const line = firstLine - 1 + Number(error.lines)
  const at = (where: number, problem: string): PipelineError =>
    new PipelineError('DATA', `${path}:${where}: ${problem}`, { cause: error })
  if (error.code === 'INVALID_OPENING_QUOTE')
    return at(line, 'a quote inside a cell; put the whole cell into quotes, and double the quotes inside it')
  if (WRONG_ENDS.includes(error.code)) {
    const opened = quotes.openedBeforeWrongEnd(text, line)
    const end = opened === line ? '' : ` in line ${line}`
    return at(
      opened,
      `the quote that opens here is closed${end} before the end of a cell; double the quotes inside a cell`,
    )
  }
  quotes.read(text)
  if (error.code === 'CSV_QUOTE_NOT_CLOSED') return at(quotes.line, 'the quote that opens here is not closed')
  if (error.code === 'CSV_MAX_RECORD_SIZE')
    return at(
      quotes.isOpen ? quotes.line : line,
      `more than ${MAX_RECORD} characters in one record; ${quotes.isOpen ? 'is the quote that opens here closed?' : 'are these lines of a table?'}`,
    )
  return at(line, messageOf(error))
}

/** Follows the quotes of a text, to know in which line the open one stands. */
class OpenQuote {
  /** Whether a quote is open. */
  isOpen = false
  /** The line of the quote that opened last. */
  line = 0
  private readonly delimiter: string
  private current: number
  /** Whether the text so far ends with a quote that closes: another quote then doubles it. */
  private hasJustClosed = false

  constructor(delimiter: string, firstLine: number) {
    this.delimiter = delimiter
    this.current = firstLine
  }

  read(text: string): void {
    this.scan(text, () => false)
  }

  /** Reads on to the quote that closes in `line` before something that is no end of a cell; returns where it opened. */
  openedBeforeWrongEnd(text: string, line: number): number {
    this.scan(text, (at) => this.current === line && this.isInsideCell(text, at))
    return this.line
  }

  /** Whether the cell goes on at this place of the text. Blanks behind a quote do not count. */
  private isInsideCell(text: string, at: number): boolean {
    for (const next of text.slice(at, at + 1000)) {
      if (next === '\n' || next === this.delimiter || next === '"') return false
      if (next.trim() !== '') return true
    }
    return false
  }

  /** Reads text. Ends behind a quote that closes if `stops` says so of that place. */
  private scan(text: string, stops: (at: number) => boolean): void {
    let from = 0
    let lineEnd = text.indexOf('\n')
    const pass = (to: number): void => {
      if (to > from) this.hasJustClosed = false
      from = to + 1
      for (; lineEnd >= 0 && lineEnd < to; lineEnd = text.indexOf('\n', lineEnd + 1)) this.current++
    }
    for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) {
      pass(at)
      if (this.isOpen) {
        this.isOpen = false
        this.hasJustClosed = true
        if (stops(at + 1)) return
      } else {
        this.isOpen = true
        if (!this.hasJustClosed) this.line = this.current
      }
    }
    pass(text.length)
  }
}

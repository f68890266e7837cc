import { counted, PipelineError, type StageContext } from '../../../pipeline/stage-kit.js'
import { headerRemark } from '../tabular/columns.js'
import type { TableRows } from '../tabular/table-rows.js'
import { readText } from '../tabular/text.js'
import { isCountsLine } from './counts-line.js'
import { PlainLines, splitPlainLine } from './plain-lines.js'
import { readRecords } from './records.js'

/** The format of a CSV file; see the options of `load/csv`. */
export interface CsvFormat {
  /** Whether the first line has the names of the columns. */
  readonly header: boolean
  /** Number of lines to leave out at the start. */
  readonly skip: number
  /** The character between two cells. */
  readonly delimiter: string
  /** The character before the fraction of a number. */
  readonly decimal: '.' | ','
  /** The encoding of the text; undefined: UTF-8, or UTF-16 by its mark. */
  readonly encoding?: string | undefined
}

/** The most characters of a line that is read without the exact reader, which has a limit of its own. */
const MOST_PLAIN = 1 << 20

/**
 * Reads a CSV file, which may be packed by gzip. Rows become numbers as they are read: no more than a piece of the text
 * is in memory. Lines without quotes are read by `PlainLines`, others by `readRecords`. Throws a PipelineError `DATA`
 * that names the line and the column of the first wrong cell.
 */
export async function readCsv(path: string, format: CsvFormat, rows: TableRows, context: StageContext): Promise<void> {
  const file = new CsvFile(path, format, rows)
  await file.read(readText(path, format.encoding, context))
  rows.endFile(path, file.remarks())
}

/** What is said of a first line with counts. */
const COUNTS =
  'the first line has the numbers of rows and columns and the classes, as in the files of scikit-learn: header: false and skip: 1 leave it out'

/** The delimiters that the exact reader treats as nothing but a delimiter. */
function isPlainDelimiter(delimiter: string): boolean {
  return /^[\t!#-,./:-@[-`{-~]$/.test(delimiter)
}

class CsvFile {
  private readonly path: string
  private readonly format: CsvFormat
  private readonly rows: TableRows
  private lines: PlainLines | undefined
  /** The names of the columns, if the file has them. */
  header: readonly string[] | undefined
  /** The text that has been read from the file but not from here. */
  private rest = ''
  /** The number of the line that `rest` begins with. */
  private line = 1
  /** The last line that `skip` leaves out. */
  private skipped = ''
  /** The number of cells of a line. */
  private width = 0

  constructor(path: string, format: CsvFormat, rows: TableRows) {
    this.path = path
    this.format = format
    this.rows = rows
  }

  async read(file: AsyncGenerator<string>): Promise<void> {
    const texts = this.withoutFirstLines(file)
    try {
      const { delimiter, decimal } = this.format
      const isPlain = isPlainDelimiter(delimiter) && delimiter !== decimal
      for (;;) {
        const { done, value } = await texts.next()
        if (done) break
        let text = this.rest + value
        const quote = isPlain ? text.indexOf('"') : 0
        const end = quote === 0 ? 0 : text.lastIndexOf('\n', quote < 0 ? text.length : quote - 1) + 1
        if (end > 0) this.readPlain(text.slice(0, end))
        text = text.slice(end)
        if (quote >= 0 || text.length > MOST_PLAIN) await this.readExactly(text, texts)
        else this.rest = text
      }
      if (this.rest.includes('"') || !isPlain) await this.readExactly(this.rest, texts)
      else this.readPlain(this.rest)
    } finally {
      await texts.return(undefined)
    }
  }

  /** Notes about the first lines that are probably not what they are taken for. */
  remarks(): (string | undefined)[] {
    const { path, format, header, width } = this
    const cells = splitPlainLine(this.skipped, format.delimiter) ?? []
    const numbers = cells.filter((cell) => cell !== '' && Number.isFinite(Number(cell.replace(format.decimal, '.'))))
    const isRow = cells.length === width && numbers.length * 2 >= width && !isCountsLine(cells, width)
    return [
      isRow
        ? `${path}:${format.skip} looks like a row, but skip: ${format.skip} leaves it out; skip: 0 reads it (for predict and evaluate: --set skip=0)`
        : undefined,
      header && (isCountsLine(header, width) ? `${path}: ${COUNTS}` : headerRemark(path, header)),
    ]
  }

  private async *withoutFirstLines(texts: AsyncGenerator<string>): AsyncGenerator<string> {
    let left = this.format.skip
    for await (const text of texts) {
      let at = 0
      while (left > 0) {
        const end = text.indexOf('\n', at)
        if (this.skipped.endsWith('\n')) this.skipped = ''
        if (this.skipped.length < MOST_PLAIN) this.skipped += text.slice(at, end < 0 ? undefined : end + 1)
        if (end < 0) break
        at = end + 1
        left--
        this.line++
      }
      if (left === 0) yield at === 0 ? text : text.slice(at)
    }
  }

  /** Reads lines without quotes. */
  private readPlain(text: string): void {
    let at = 0
    while (!this.lines && at < text.length) {
      const found = text.indexOf('\n', at)
      const end = found < 0 ? text.length : found
      const cells = splitPlainLine(text.slice(at, end), this.format.delimiter)
      if (cells) this.onRecord(cells, this.line)
      this.line++
      at = end + 1
    }
    if (this.lines && at < text.length) this.line += this.lines.read(at === 0 ? text : text.slice(at), this.line)
  }

  /** Reads records up to the last line end of a piece of the text that lies in no quotes. */
  private async readExactly(text: string, texts: AsyncGenerator<string>): Promise<void> {
    const first = this.line
    this.rest = ''
    await readRecords(
      this.path,
      this.records(text, texts),
      this.format.delimiter,
      (cells, line) => this.onRecord(cells, line),
      first,
    )
  }

  private async *records(text: string, texts: AsyncGenerator<string>): AsyncGenerator<string> {
    // The quote may be the delimiter: then no line end is known to lie outside quotes.
    const canEnd = isPlainDelimiter(this.format.delimiter)
    let isQuoted = false
    let piece: string | undefined = text
    while (piece !== undefined) {
      const scan: { end: number; isQuoted: boolean } = canEnd
        ? lastLineEnd(piece, isQuoted)
        : { end: 0, isQuoted: false }
      const used = scan.end > 0 ? piece.slice(0, scan.end) : piece
      this.line += linesIn(used)
      if (scan.end > 0) this.rest = piece.slice(scan.end)
      yield used
      if (scan.end > 0) return
      isQuoted = scan.isQuoted
      const { done, value }: IteratorResult<string> = await texts.next()
      piece = done ? undefined : value
    }
  }

  private onRecord(cells: readonly string[], line: number): void {
    const { path, format } = this
    const place = (): string => `${path}:${line}`
    if (!this.lines) {
      const isHeader = format.header && !this.header
      if (isHeader) this.header = cells
      this.begin(cells.length)
      if (isHeader) return
    }
    this.add(cells, place)
  }

  private add(cells: readonly string[], place: () => string): void {
    if (this.header && cells.length !== this.header.length && isCountsLine(this.header, cells.length))
      throw new PipelineError(
        'DATA',
        `${place()}: expected ${counted(this.header.length, 'cell')}, found ${cells.length}; ${COUNTS}`,
      )
    this.rows.add(cells, place)
  }

  private begin(count: number): void {
    const { path, format, rows, header } = this
    const { delimiter, decimal } = format
    this.width = count
    const hint = `; is ${JSON.stringify(delimiter)} the delimiter?`
    rows.begin(path, { names: header, count, decimal, hint, label: -1 })
    this.lines = new PlainLines(rows, path, delimiter, decimal, (cells, place) => this.add(cells, place))
  }
}

/**
 * The end of the last line of a text that ends outside quotes, 0 if there is none, and whether a quote is open at the end
 * of the text. In a sound file, a line end lies outside quotes if the number of quotes before it is even.
 */
function lastLineEnd(text: string, isOpen: boolean): { end: number; isQuoted: boolean } {
  let isQuoted = isOpen
  let end = 0
  for (let from = 0; from <= text.length; ) {
    const quote = text.indexOf('"', from)
    const to = quote < 0 ? text.length : quote
    if (!isQuoted) {
      const found = text.slice(from, to).lastIndexOf('\n')
      if (found >= 0) end = from + found + 1
    }
    if (quote < 0) break
    isQuoted = !isQuoted
    from = quote + 1
  }
  return { end, isQuoted }
}

function linesIn(text: string): number {
  let count = 0
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count++
  return count
}

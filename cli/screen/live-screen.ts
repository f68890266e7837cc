import { cellsOf } from '../../pipeline/base/cells.js'
import { plainText } from '../../pipeline/base/plain-text.js'
import { type Output, USUAL_HEIGHT, USUAL_WIDTH } from '../terminal.js'

/** The size of a screen in cells. */
export interface ScreenSize {
  /** Cells in a line that may be used. The last one is not: a terminal may break the line there. */
  readonly width: number
  /** Lines that may be used. */
  readonly height: number
}

/** Control sequences. Terminals that do not know the first two ignore them. */
const [FRAME, END_FRAME] = ['\x1b[?2026h', '\x1b[?2026l']
const [HIDE, SHOW] = ['\x1b[?25l', '\x1b[?25h']
const [CLEAR_LINE, CLEAR_BELOW] = ['\x1b[2K', '\x1b[0J']
/** Colours and bold type, which take no cell. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what such a sequence begins with
const STYLE = /\x1b\[[0-9;]*m/g

/** Whether a screen may be drawn: the output is a terminal that can move its cursor, and no log of a CI service. */
export function canDraw({ interactive }: Pick<Output, 'interactive'>, environment = process.env): boolean {
  return interactive && environment.TERM !== 'dumb' && !environment.CI
}

/**
 * Lines at the end of a terminal that are drawn again and again, with the text above them left alone. A frame is written
 * at once, and only the lines that have changed.
 */
export class LiveScreen {
  private readonly output: Output
  private readonly draw: (size: ScreenSize) => readonly string[]
  private lines: readonly string[] = []
  private timer: NodeJS.Timeout | undefined
  private readonly stopResize: () => void
  private readonly showCursor = (): void => this.output.draw(SHOW)

  /**
   * @param draw makes the lines, each within the size
   * @param interval milliseconds between two frames; undefined: only `repaint` draws
   */
  constructor(output: Output, draw: (size: ScreenSize) => readonly string[], interval: number | undefined) {
    this.output = output
    this.draw = draw
    // The terminal may have broken the lines anew.
    this.stopResize = output.onResize(() => this.above(''))
    process.on('exit', this.showCursor)
    output.draw(HIDE)
    if (interval !== undefined) this.timer = setInterval(() => this.repaint(), interval).unref()
  }

  /** Draws the lines as they are now. */
  repaint(): void {
    const lines = this.draw(this.size())
    const changed = lines.map((line, i) => (line === this.lines[i] ? '' : `${CLEAR_LINE}${line}`))
    if (lines.length === this.lines.length && changed.every((line) => line === '')) return
    const end = lines.length < this.lines.length ? CLEAR_BELOW : ''
    this.output.draw(`${FRAME}${this.toTop()}${changed.join('\r\n')}${end}${END_FRAME}`)
    this.lines = lines
  }

  /** Prints a text above the lines. It ends with a line break. */
  above(text: string): void {
    this.output.draw(`${FRAME}${this.erased()}${plainText(text)}${END_FRAME}`)
    this.lines = []
    this.repaint()
  }

  /** Removes the lines and ends the screen. */
  close(): void {
    clearInterval(this.timer)
    this.stopResize()
    process.off('exit', this.showCursor)
    this.output.draw(`${this.erased()}${SHOW}`)
    this.lines = []
  }

  private size(): ScreenSize {
    return { width: (this.output.width ?? USUAL_WIDTH) - 1, height: (this.output.height ?? USUAL_HEIGHT) - 1 }
  }

  /** Moves the cursor from the last line to the beginning of the first. */
  private toTop(): string {
    const width = this.output.width ?? USUAL_WIDTH
    // A window that was made narrower has broken each longer line into several.
    const rows = this.lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(cellsIn(line) / width)), 0)
    return rows > 1 ? `\x1b[${rows - 1}A\r` : '\r'
  }

  private erased(): string {
    return `${this.toTop()}${CLEAR_BELOW}`
  }
}

/** The cells of a line that may have styles. */
export function cellsIn(line: string): number {
  return cellsOf(line.replace(STYLE, ''))
}

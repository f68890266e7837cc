import type { LiveState } from '../../pipeline/live/contract.js'
import type { Terminal } from '../../pipeline/stage/context.js'
import { type Output, USUAL_WIDTH } from '../terminal.js'
import { drawState, metricLines, stylesOf, WIDEST } from './draw-state.js'
import { canDraw, LiveScreen } from './live-screen.js'

/** Milliseconds between two frames. */
const INTERVAL = 250

/** Shows a run of this process: on a screen, or as plain lines. */
export interface RunProgress {
  /** The terminal of the stages. */
  readonly terminal: Terminal
  /** Prints a text that stays. It ends with a line break. */
  print(text: string): void
  /** Ends the screen. The last metrics stay. May be called again. */
  end(): void
}

/**
 * Shows a run: on a terminal as a screen that is drawn four times a second, elsewhere line by line.
 *
 * @param stateOf returns the state of the run; undefined before it has one
 */
export function showProgress(output: Output, stateOf: () => LiveState | undefined): RunProgress {
  if (!canDraw(output)) return plainProgress(output)
  const styles = stylesOf()
  let isOver = false
  const screen = new LiveScreen(
    output,
    (size) => {
      const state = stateOf()
      return state ? drawState(state, size, styles) : []
    },
    INTERVAL,
  )
  const print = (text: string): void => {
    if (isOver) output.progress(text)
    else screen.above(text)
  }
  let line = ''
  return {
    print,
    terminal: {
      interactive: false,
      showsMetrics: true,
      // A stage may write a line in pieces.
      write: (text) => {
        line += text
        const end = line.lastIndexOf('\n') + 1
        if (end > 0) print(line.slice(0, end))
        line = line.slice(end)
      },
    },
    end: () => {
      if (isOver) return
      isOver = true
      screen.close()
      const width = (output.width ?? USUAL_WIDTH) - 1
      const last = stateOf()?.metrics.flatMap((metrics) => metricLines(metrics, Math.min(width, WIDEST), styles)) ?? []
      output.draw(last.map((text) => `${text}\n`).join(''))
      if (line !== '') output.progress(`${line}\n`)
    },
  }
}

/** Progress as lines. `sink/terminal` shows the metrics, and draws its last line again on a terminal. */
function plainProgress(output: Output): RunProgress {
  const canRedraw = output.interactive && process.env.TERM !== 'dumb'
  return {
    print: output.progress,
    terminal: {
      interactive: canRedraw,
      get width() {
        return output.width
      },
      write: output.progress,
    },
    end: () => {},
  }
}

import { plainText } from '../pipeline/base/plain-text.js'

/** Where a command prints, and how it ends early. This is the only file that writes to standard output and error. */
export interface Output {
  /** True if standard output is a terminal. A command may then draw its last line again. */
  readonly interactive: boolean
  /** The width in columns of the terminal behind standard error; undefined if it is no terminal. */
  readonly errorWidth: number | undefined
  /** Prints results and progress, to standard output. */
  write(text: string): void
  /** Prints errors and notes, to standard error. */
  warn(text: string): void
  /** Ends the process at once. */
  exit(code?: number): void
}

/** Terminals that do not tell their width get this one. */
const USUAL_WIDTH = 80

/** Returns an Output on the streams of this process; `exit` ends the process. */
export function openTerminal(exit: (code?: number) => void): Output {
  const { stdout, stderr } = process
  // If the reader goes away (`millrace … | head`), training goes on: only the printing ends.
  for (const stream of [stdout, stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  return {
    interactive: stdout.isTTY === true,
    get errorWidth() {
      return stderr.isTTY ? stderr.columns || USUAL_WIDTH : undefined
    },
    write: (text) => {
      stdout.write(printable(text))
    },
    warn: (text) => {
      stderr.write(printable(text))
    },
    exit,
  }
}

/** The control sequence with which `sink/terminal` clears a line to draw it again. */
const REDRAW = '\r\x1b[2K'

/**
 * Makes text safe for a terminal. Text from a definition or a data file may hold control characters and characters that
 * change the direction of writing; they are spelled out. Line breaks, tabs, and the sequence that clears a line at the
 * beginning of the text stay.
 */
export function printable(text: string): string {
  return text.startsWith(REDRAW) ? REDRAW + plainText(text.slice(REDRAW.length)) : plainText(text)
}

/** What Ctrl-C and SIGTERM do during a run. */
export interface Interruption {
  /** Aborts on the first signal. */
  readonly signal: AbortSignal
  /** Stops listening: the signals do again what they do by default. */
  release(): void
}

/**
 * Turns the first SIGINT or SIGTERM into an abort and sets the exit code to 130 or 143. A second signal ends the
 * process at once.
 */
export function interruption({ exit }: Pick<Output, 'exit'>): Interruption {
  const stop = new AbortController()
  const onSignal = (signal: NodeJS.Signals): void => {
    const code = signal === 'SIGTERM' ? 143 : 130
    if (stop.signal.aborted) exit(code)
    process.exitCode = code
    stop.abort()
  }
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal)
  return {
    signal: stop.signal,
    release: () => {
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
    },
  }
}

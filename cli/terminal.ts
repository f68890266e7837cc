import { plainText } from '../pipeline/base/plain-text.js'
import { systemMessage } from '../pipeline/base/system-errors.js'

/** Where a command prints, and how it ends early. This is the only file that writes to standard output and error. */
export interface Output {
  /** True if standard output is a terminal. A command may then draw its last line again. */
  readonly interactive: boolean
  /** The width in columns of the terminal behind standard output; undefined if it is no terminal. */
  readonly width: number | undefined
  /** The height in lines of the terminal behind standard output; undefined if it is no terminal. */
  readonly height: number | undefined
  /** The width in columns of the terminal behind standard error; undefined if it is no terminal. */
  readonly errorWidth: number | undefined
  /** Prints the result of a command, to standard output. If it cannot be written, the exit code says so. */
  write(text: string): void
  /** Writes data to standard output, unchanged. Wait for `drained` from time to time. */
  data(bytes: Uint8Array): void
  /** Resolves once standard output has taken what was written, or takes no more. */
  drained(): Promise<void>
  /** Whether standard output takes no more, because its reader has gone. */
  readonly isClosed: boolean
  /** Prints progress, to standard output. If it cannot be written, it is left out: what it tells of goes on. */
  progress(text: string): void
  /** Writes control sequences and text to the terminal as they are. Names must be made safe before (`oneLine`). */
  draw(text: string): void
  /** Calls back when the terminal has another size. Returns a function that ends that. */
  onResize(callback: () => void): () => void
  /** Prints errors and notes, to standard error. */
  warn(text: string): void
  /** Ends the process at once. */
  exit(code?: number): void
}

/** Terminals that do not tell their width get this one. */
export const USUAL_WIDTH = 80
/** Terminals that do not tell their height get this one. */
export const USUAL_HEIGHT = 24

/** Returns an Output on the streams of this process; `exit` ends the process. */
export function openTerminal(exit: (code?: number) => void): Output {
  const { stdout, stderr } = process
  const [out, err] = [new Channel(stdout), new Channel(stderr)]
  let hasResult = false
  process.on('exit', () => {
    // A reader that has read enough (`millrace … | head`) does not miss the rest.
    const { failure } = out
    if (!hasResult || !failure || failure.code === 'EPIPE') return
    err.write(`the result cannot be written to standard output: ${systemMessage(failure) ?? failure.message}\n`)
    process.exitCode ||= 1
  })
  return {
    interactive: stdout.isTTY === true,
    get width() {
      return widthOf(stdout)
    },
    get height() {
      return stdout.isTTY ? stdout.rows || USUAL_HEIGHT : undefined
    },
    get errorWidth() {
      return widthOf(stderr)
    },
    write: (text) => {
      hasResult = true
      out.write(text)
    },
    data: (bytes) => {
      hasResult = true
      out.writeBytes(bytes)
    },
    drained: () => out.drained(),
    get isClosed() {
      return out.failure !== undefined
    },
    progress: (text) => out.write(text),
    draw: (text) => out.writeBytes(text),
    onResize: (callback) => {
      stdout.on('resize', callback)
      return () => stdout.off('resize', callback)
    },
    warn: (text) => err.write(text),
    exit,
  }
}

/**
 * One of the two outputs. Once it fails, because its reader, its terminal or the space on its disk is gone, it takes
 * no more text; a run goes on without it.
 */
class Channel {
  failure: NodeJS.ErrnoException | undefined
  private readonly stream: NodeJS.WriteStream

  constructor(stream: NodeJS.WriteStream) {
    this.stream = stream
    stream.on('error', (error) => {
      this.failure ??= error
    })
  }

  write(text: string): void {
    this.writeBytes(printable(text))
  }

  writeBytes(bytes: string | Uint8Array): void {
    if (this.failure) return
    try {
      this.stream.write(bytes)
    } catch (error) {
      this.failure = error as NodeJS.ErrnoException
    }
  }

  async drained(): Promise<void> {
    if (!this.failure && this.stream.writableNeedDrain) await oneOf(this.stream, ['drain', 'error', 'close'])
  }
}

/** Resolves at the next of these events of a stream. */
function oneOf(stream: NodeJS.WriteStream, names: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const name of names) stream.off(name, done)
      resolve()
    }
    for (const name of names) stream.on(name, done)
  })
}

function widthOf(stream: NodeJS.WriteStream): number | undefined {
  return stream.isTTY ? stream.columns || USUAL_WIDTH : undefined
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

/** What Ctrl-C, SIGTERM and SIGHUP do during a run. */
export interface Interruption {
  /** Aborts on the first signal. */
  readonly signal: AbortSignal
  /** Stops listening: the signals do again what they do by default. */
  release(): void
}

/** The exit codes of the signals that interrupt a run: 128 + the number of the signal. */
const codes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

/** Whether an exit code is one that `interruption` sets. */
export function isInterruption(code: unknown): code is number {
  return Object.values<unknown>(codes).includes(code)
}

/**
 * Turns the first SIGINT, SIGTERM or SIGHUP into an abort and sets the exit code to 130, 143 or 129. A second signal
 * ends the process at once. SIGHUP means that the terminal is gone: a run that does not print to a terminal, as under
 * `nohup`, goes on. (Node does not leave SIGHUP ignored, as `nohup` sets it.)
 */
export function interruption({ exit }: Pick<Output, 'exit'>): Interruption {
  const stop = new AbortController()
  const names = Object.keys(codes) as (keyof typeof codes)[]
  const onSignal = (signal: NodeJS.Signals): void => {
    if (signal === 'SIGHUP' && !process.stdout.isTTY && !process.stderr.isTTY) return
    const code = codes[signal as keyof typeof codes]
    if (stop.signal.aborted) exit(code)
    process.exitCode = code
    stop.abort()
  }
  for (const name of names) process.on(name, onSignal)
  return {
    signal: stop.signal,
    release: () => {
      for (const name of names) process.off(name, onSignal)
    },
  }
}

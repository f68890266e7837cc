import { type Output, printable } from '../../dist/cli/terminal.js'

/** An output that is no terminal, and what was printed to it, made safe for terminals as everything is. */
export function collectedOutput() {
  const seen = {
    /** Results, without progress. */
    out: '',
    /** Results that are bytes. */
    data: Buffer.alloc(0),
    /** Standard output: results and progress. */
    stdout: '',
    /** Errors and notes. */
    err: '',
    /** All of it, in the order of time. */
    all: '',
  }
  const add =
    (...parts: ('out' | 'stdout' | 'err')[]) =>
    (text: string) => {
      for (const part of [...parts, 'all'] as const) seen[part] += text
    }
  const output: Output = {
    interactive: false,
    width: undefined,
    height: undefined,
    errorWidth: undefined,
    write: (text) => add('out', 'stdout')(printable(text)),
    progress: (text) => add('stdout')(printable(text)),
    draw: add('stdout'),
    warn: (text) => add('err')(printable(text)),
    data: (bytes) => {
      seen.data = Buffer.concat([seen.data, bytes])
      add('stdout')(new TextDecoder().decode(bytes))
    },
    drained: async () => {},
    isClosed: false,
    onResize: () => () => {},
    exit: () => {},
  }
  return { seen, output }
}

/** Runs a command in this process and returns what it prints to standard output. */
export async function printed(command: (output: Output) => unknown): Promise<string> {
  const { seen, output } = collectedOutput()
  await command({ ...output, warn: () => {} })
  return seen.all
}

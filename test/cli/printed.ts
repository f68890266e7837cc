import type { Output } from '../../dist/cli/terminal.js'

/** Runs a command in this process and returns what it prints to standard output. */
export async function printed(command: (output: Output) => unknown): Promise<string> {
  let text = ''
  const write = (more: string): void => {
    text += more
  }
  const output: Output = {
    interactive: false,
    width: undefined,
    height: undefined,
    errorWidth: undefined,
    write,
    progress: write,
    data: (bytes) => write(new TextDecoder().decode(bytes)),
    drained: async () => {},
    isClosed: false,
    draw: write,
    onResize: () => () => {},
    warn: () => {},
    exit: () => {},
  }
  await command(output)
  return text
}

import { spawn } from 'node:child_process'

export interface Outcome {
  /** How it failed: `not found`, `ended with 1` …; undefined where it did not. */
  readonly failure: string | undefined
  /** What it printed. */
  readonly output: string
}

/** Runs a program to its end, a minute at most. */
export function called(program: string, args: readonly string[], env = process.env): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    const timer = setTimeout(() => child.kill('SIGKILL'), 60_000)
    const finish = (failure: string | undefined): void => {
      clearTimeout(timer)
      resolve({ failure, output })
    }
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    child.once('error', (error: NodeJS.ErrnoException) => finish(error.code === 'ENOENT' ? 'not found' : error.message))
    child.once('close', (code, signal) => finish(code === 0 ? undefined : `ended with ${signal ?? code}`))
  })
}

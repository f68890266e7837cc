import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The path of the built command line. */
export const main = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url))

/** The result of a process. */
export interface Finished {
  /** The exit code; null if a signal ended the process. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The environment of a user: without the variables of the test runner, and of Millrace. */
export function userEnvironment(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, MILLRACE_KERNEL: __, MILLRACE_THREADS: ___, CIFAR10_DIR: ____, ...rest } = process.env
  return { ...rest, ...extra }
}

/** Starts the command line as a user would, in `cwd`. */
export function spawnMillrace(args: readonly string[], cwd: string, env: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, [main, ...args], { cwd, env: userEnvironment(env), stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Runs the command line to its end. */
export async function millrace(
  args: readonly string[],
  cwd: string,
  env: Record<string, string> = {},
): Promise<Finished> {
  return finished(spawnMillrace(args, cwd, env))
}

/** Collects the output of a process, and waits for its end. */
export function finished(child: ChildProcess): Promise<Finished> {
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}

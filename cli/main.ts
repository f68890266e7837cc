#!/usr/bin/env node
/*
 * The start of the command line. This is the only file that ends the process. It loads next to nothing, so that it can
 * say why the rest does not load.
 */
import './v8-flags.js'
import { loadProblem, systemMessage } from '../pipeline/base/system-errors.js'
import { openTerminal } from './terminal.js'

// An explicit undefined would clear the exit code that a signal has set.
const output = openTerminal((code) => (code === undefined ? process.exit() : process.exit(code)))

try {
  // Throws if the folder was removed. Later, paths could not be resolved.
  process.cwd()
  const { runProgram } = await import('./program.js')
  await runProgram(output)
} catch (error) {
  output.warn(`${systemMessage(error) ?? loadProblem(error) ?? (error as Error).stack}\n`)
  process.exitCode = (error as NodeJS.ErrnoException).syscall === 'uv_cwd' ? 2 : 1
}

#!/usr/bin/env node
/*
 * The command line. The files `…-commands.ts` declare the commands with their options; each command is in a file of its
 * own, which is loaded when the command is used. This is the only file that ends the process.
 */
import './v8-flags.js'
import { Command, CommanderError } from 'commander'
import { messageOf, PipelineError } from '../pipeline/base/errors.js'
import { version } from '../pipeline/base/package.js'
import { reportProblems } from './code-frame.js'
import { addEngineCommands } from './engine-commands.js'
import { explainExtraArguments } from './extra-arguments.js'
import { addPipelineCommands } from './pipeline-commands.js'
import { addResultCommands } from './result-commands.js'
import { addRunCommands } from './run-commands.js'
import { addSweepCommands } from './sweep-commands.js'
import { openTerminal } from './terminal.js'

// An explicit undefined would clear the exit code that a signal has set.
const output = openTerminal((code) => (code === undefined ? process.exit() : process.exit(code)))

const program = new Command('millrace')
  .description('Train classifiers as a dataflow: stages in YAML, Apache Arrow on every wire.')
  .version(version)
  .option('--debug', 'show stack traces')
  .exitOverride()
  .configureOutput({ writeOut: output.write, writeErr: output.warn })
  .showSuggestionAfterError()
  .addHelpText(
    'after',
    `
Examples:
  millrace run digits
  millrace validate pipeline.yaml
  millrace stages batch/rows

Exit codes:
  0        done
  1        the run failed
  2        the definition or the arguments are wrong
  75       another process of the run no longer answers
  130/143  interrupted by Ctrl-C / SIGTERM`,
  )

addRunCommands(program, output)
addPipelineCommands(program, output)
addResultCommands(program, output)
addSweepCommands(program, output)
addEngineCommands(program, output)
explainExtraArguments(program, process.argv)

const exitCodes = new Map([
  ['DEFINITION', 2],
  ['ARGUMENTS', 2],
  // EX_TEMPFAIL of sysexits.h: another try may succeed.
  ['SILENT', 75],
  // Used if this process got no signal itself: another process of the run got it.
  ['ABORTED', 143],
])

function exitCode(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (!(error instanceof PipelineError)) return 1
  return exitCodes.get(error.code) ?? 1
}

function report(error: unknown): void {
  if (error instanceof CommanderError) return
  if (error instanceof PipelineError) reportProblems(error.problems, output)
  else output.warn(`internal error: ${messageOf(error)}\n`)
  const isDefect = !(error instanceof PipelineError) || error.code === 'INTERNAL'
  if (isDefect) output.warn('This is a defect of Millrace; --debug shows where.\n')
  if (program.opts<{ debug?: boolean }>().debug) {
    for (let at: unknown = error; at instanceof Error; at = at.cause) output.warn(`${at.stack}\n`)
  }
}

try {
  await program.parseAsync()
} catch (error) {
  report(error)
  process.exitCode = interruptedCode() ?? exitCode(error)
}

/** The exit code that `interruption` has set, 128 + the number of the signal; undefined without a signal. */
function interruptedCode(): number | undefined {
  return process.exitCode === 130 || process.exitCode === 143 ? process.exitCode : undefined
}

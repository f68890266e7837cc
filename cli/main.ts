#!/usr/bin/env node
import './v8-flags.js'
import { Command, CommanderError } from 'commander'
import { messageOf, PipelineError } from '../pipeline/base/errors.js'
import { version } from '../pipeline/base/package.js'
import { addEngineCommands } from './engine-commands.js'
import type { Output } from './output.js'
import { addPipelineCommands } from './pipeline-commands.js'
import { printable } from './printable.js'
import { addResultCommands } from './result-commands.js'
import { addRunCommands } from './run-commands.js'
import { addSweepCommands } from './sweep-commands.js'

/**
 * The command line. This is the only file that prints or exits; what commands there are stands in the files `…-commands.ts`,
 * and what each does in a file of its own.
 */

const output: Output = {
  interactive: process.stdout.isTTY === true,
  write: (text) => process.stdout.write(printable(text)),
  warn: (text) => process.stderr.write(printable(text)),
}

const program = new Command('millrace')
  .description('Train classifiers as a dataflow: stages in YAML, Apache Arrow on every wire.')
  .version(version)
  .option('--debug', 'show stack traces')
  .exitOverride()
  .showSuggestionAfterError()
  .addHelpText(
    'after',
    '\nExamples:\n  millrace run digits\n  millrace validate pipeline.yaml\n  millrace stages batch/rows\n\nExit codes: 0 done, 1 the run failed, 2 the definition or the arguments are wrong, 130/143 interrupted, 75 a process of a divided run no longer answers.',
  )

addRunCommands(program, output)
addPipelineCommands(program, output)
addResultCommands(program, output)
addSweepCommands(program, output)
addEngineCommands(program, output)

const exitCodes = new Map([
  ['DEFINITION', 2],
  ['ARGUMENTS', 2],
  // EX_TEMPFAIL: trying again may help.
  ['SILENT', 75],
  // Without a signal to this process: another one of the run got it.
  ['ABORTED', 143],
])

function exitCode(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (!(error instanceof PipelineError)) return 1
  return exitCodes.get(error.code) ?? 1
}

function report(error: unknown): void {
  if (error instanceof CommanderError) return
  const isOurs = !(error instanceof PipelineError) || error.code === 'INTERNAL'
  const text = error instanceof PipelineError ? error.message : `internal error: ${messageOf(error)}`
  output.warn(`${text}\n${isOurs ? 'This is a defect of Millrace; --debug shows where.\n' : ''}`)
  if (program.opts<{ debug?: boolean }>().debug) {
    for (let at: unknown = error; at instanceof Error; at = at.cause) output.warn(`${at.stack}\n`)
  }
}

// A reader that went away (`millrace … | head`) is no reason to stop training: output ends, the files go on.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })

try {
  process.exitCode = (await program.parseAsync().then(() => process.exitCode)) ?? 0
} catch (error) {
  report(error)
  process.exitCode = interruptedCode() ?? exitCode(error)
}

/** 128 + the signal's number when one of them stopped the run. */
function interruptedCode(): number | undefined {
  return process.exitCode === 130 || process.exitCode === 143 ? process.exitCode : undefined
}

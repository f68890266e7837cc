import { Command, CommanderError, Help } from 'commander'
import { asPipelineError } from '../pipeline/base/errors.js'
import { version } from '../pipeline/base/package.js'
import { abandonRuns } from '../pipeline/run/abandon.js'
import { reportProblems } from './code-frame.js'
import { addCompletionCommands } from './completion-commands.js'
import { addEngineCommands } from './engine-commands.js'
import { explainExtraArguments } from './extra-arguments.js'
import { addListCommands } from './list-commands.js'
import { withHint } from './missing-arguments.js'
import { addModelCommands } from './model-commands.js'
import { addPipelineCommands } from './pipeline-commands.js'
import { addResultCommands } from './result-commands.js'
import { addRunCommands } from './run-commands.js'
import { addSweepCommands } from './sweep-commands.js'
import { isInterruption, type Output } from './terminal.js'
import { suggestCommands } from './unknown-commands.js'

/*
 * The command line. The files `…-commands.ts` declare the commands with their options; each command is in a file of its
 * own, which is loaded when the command is used.
 */

const exitCodes = new Map([
  ['DEFINITION', 2],
  ['ARGUMENTS', 2],
  // EX_TEMPFAIL of sysexits.h: another try may succeed.
  ['SILENT', 75],
  // Used if this process got no signal itself: another process of the run got it.
  ['ABORTED', 143],
])

/** Runs the command that the arguments of the process name. Reports its error and sets the exit code; never rejects. */
export async function runProgram(output: Output): Promise<void> {
  const args = process.argv.slice(2)
  // For an error that no code waits for, such as one in a timer of a stage file.
  process.on('uncaughtException', (cause) => {
    const error = asPipelineError(cause)
    abandonRuns(error)
    reportError(error, args.includes('--debug'), output)
    output.exit(1)
  })
  await runArguments(args, output)
}

/** Runs the command that the arguments name. Reports its error and sets the exit code of the process; never rejects. */
export async function runArguments(args: readonly string[], output: Output): Promise<void> {
  const program = makeProgram(output, args)
  // A variable that is empty counts as not set, as elsewhere.
  for (const name of variablesOf(program)) if (process.env[name] === '') delete process.env[name]
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    reportError(error, program.opts<{ debug?: boolean }>().debug === true, output)
    process.exitCode = isInterruption(process.exitCode) ? process.exitCode : exitCode(error)
  }
}

/**
 * Returns the program with all commands.
 *
 * @param args the arguments that it will get, for messages about them
 */
export function makeProgram(output: Output, args: readonly string[] = []): Command {
  const program = new Command('millrace')
    .description('Train classifiers as a dataflow: stages in YAML, Apache Arrow on every wire.')
    .version(version)
    .option('--debug', 'show stack traces')
    .exitOverride()
    .configureHelp({
      // That an option which may be repeated has no value unless it is given goes without saying.
      optionDescription: (option) => new Help().optionDescription(option).replace(' (default: none)', ''),
    })
    .configureOutput({
      writeOut: output.write,
      writeErr: output.warn,
      outputError: (message, write) => {
        const name = args.find((arg) => !arg.startsWith('-'))
        const command = program.commands.find((each) => each.name() === name)
        write(withHint(message, args, command?.options.some(({ long }) => long === '--set') ?? false))
      },
    })
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
  129      the terminal is gone (SIGHUP)
  130/143  interrupted by Ctrl-C / SIGTERM`,
    )
  addRunCommands(program, output)
  addPipelineCommands(program, output)
  addModelCommands(program, output)
  addResultCommands(program, output)
  addListCommands(program, output)
  addSweepCommands(program, output)
  addEngineCommands(program, output)
  addCompletionCommands(program, output)
  explainExtraArguments(program, args)
  suggestCommands(program)
  return program
}

/** The variables that stand for options of a command and of those below it. */
function variablesOf({ options, commands }: Command): string[] {
  return [...options.flatMap(({ envVar }) => envVar ?? []), ...commands.flatMap(variablesOf)]
}

function exitCode(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  return exitCodes.get(asPipelineError(error).code) ?? 1
}

function reportError(error: unknown, isDebugging: boolean, output: Output): void {
  if (error instanceof CommanderError) return
  const { code, problems } = asPipelineError(error)
  reportProblems(problems, output)
  if (code === 'INTERNAL') output.warn('This is a defect of Millrace, or of a stage file; --debug shows where.\n')
  if (isDebugging) for (let at: unknown = error; at instanceof Error; at = at.cause) output.warn(`${at.stack}\n`)
}

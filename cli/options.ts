import { type Command, Option } from 'commander'
import { collect, positiveNumber, wholeNumber } from './arguments.js'

export const noPlugins = ['--no-plugins', 'load no stage files and no packages (also: MILLRACE_NO_PLUGINS=1)'] as const

/** The options of every command that reads a pipeline. */
export function reading(command: Command): Command {
  return trusting(
    command
      .option('--set <name=value>', 'set a var, or an option as stage.option=value (repeatable)', collect, [])
      .option('--seed <n>', 'set the seed', wholeNumber),
  )
}

/** What a definition may do. */
export function trusting(command: Command): Command {
  return command
    .option('--plugins <dir>', 'load stage files from this folder too, not from that of the definition alone')
    .option(...noPlugins)
    .option('--allow-absolute-paths', 'let sinks write outside the run directory')
}

/** `--kernel`; `byDefault` says what is taken without it. */
export function kernelOption(byDefault = 'the fastest here'): Option {
  return new Option('--kernel <name>', `arithmetic to use (default: ${byDefault})`).choices([
    'native',
    'wasm',
    'reference',
  ])
}

export function threadsOption(): Option {
  return new Option('--threads <n>', 'threads of the kernel (default, and at most: one per core)')
    .argParser(positiveNumber)
    .env('MILLRACE_THREADS')
}

/** The options of every command that runs one. */
export function running(command: Command): Command {
  return command
    .addOption(kernelOption().env('MILLRACE_KERNEL'))
    .addOption(threadsOption())
    .option('--quiet', 'print nothing but errors')
    .option('--json', 'print the record of the run as JSON, and no progress')
    .option(
      '--checkpoint <when>',
      'make checkpoints: epoch, "500 steps", 30s, …, or none (default: as the pipeline says)',
    )
}

export function jobsOption(): Option {
  return new Option(
    '--jobs <n>',
    'points to run at the same time; with several, each has one thread unless --threads says otherwise',
  )
    .argParser(positiveNumber)
    .default(1)
}

import { type Command, Option } from 'commander'
import { atLeastOne, collect, wholeNumber } from './arguments.js'
import { kernelOption, reading, running, threadsOption, trusting } from './options.js'
import type { Output } from './output.js'

/** Adds the commands that run a pipeline. */
export function addRunCommands(program: Command, output: Output): void {
  running(reading(program.command('run')))
    .summary('run a pipeline')
    .description('Run a pipeline: a YAML file, or a built-in one by name (digits, cifar10/experiment-3, …).')
    .argument('<pipeline>', 'YAML file or built-in name')
    .option('--out <dir>', 'run directory (default: the next free runs/NAME-001)')
    .option('--force', 'replace the run that lies in --out')
    .addHelpText(
      'after',
      '\nExample:\n  millrace run cifar10/experiment-3 --set directory=data/cifar-10-batches-bin --set epochs=10 --out runs/short',
    )
    .action(async (name, options) => (await import('./run.js')).runCommand(name, options, output))

  running(trusting(program.command('resume')))
    .summary('go on with a run')
    .description(
      'Go on with a run that was interrupted or killed, from its last checkpoint: the files become what they would have become without the interruption, byte by byte. With --set, a finished run is made longer.',
    )
    .argument('<run>', 'run directory')
    .option('--set <name=value>', 'change a var or an option from here on (repeatable)', collect, [])
    .option('--force', 'go on although the definition or the data are not those of the run')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace resume runs/digits-001\n  millrace resume runs/digits-001 --set epochs=80',
    )
    .action(async (directory, options) => (await import('./resume.js')).resumeCommand(directory, options, output))

  running(reading(program.command('verify-resume')))
    .summary('prove that a pipeline survives being killed')
    .description(
      'Run a pipeline unbroken, then again, killed (SIGKILL) at random moments and resumed each time, and compare every file byte by byte. Exits 1 where any differs. Checkpoints are made after every epoch unless --checkpoint says otherwise.',
    )
    .argument('<pipeline>', 'YAML file or built-in name')
    .addOption(new Option('--kills <n>', 'how often to kill').default(20).argParser(atLeastOne))
    .addOption(new Option('--kill-seed <n>', 'chooses the moments').default(1).argParser(wholeNumber))
    .option('--out <dir>', 'keep the runs that differ here (default: a temporary directory)')
    .addHelpText('after', '\nExample:\n  millrace verify-resume digits --kills 20')
    .action(async (name, options) => (await import('./verify-resume.js')).verifyResumeCommand(name, options, output))

  trusting(program.command('rerun'))
    .summary('run a stored definition again and compare')
    .description(
      'Run the definition of a run again, with its kernel, into a temporary directory, and compare tables, parameters and figures. Where they differ, name the first metric that does and what changed since: data, definition, seed, kernel, versions, machine. Exits 1 then. Data paths start from the current folder.',
    )
    .argument('<run>', 'run directory')
    .option('--out <dir>', 'keep the run again in this directory')
    .option('--keep', 'keep it under runs/')
    .option('--force', 'replace the run that lies in --out')
    .addOption(kernelOption('that of the run'))
    .addOption(threadsOption())
    .option('--json', 'print what was found as JSON')
    .addHelpText('after', '\nExample:\n  millrace rerun runs/digits-001')
    .action(async (run, options) => (await import('./rerun.js')).rerunCommand(run, options, output))
}

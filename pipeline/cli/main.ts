#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Argument, Command, CommanderError, Option } from 'commander'
import { messageOf, PipelineError } from '../errors.js'
import { atLeastOne, collect, positiveNumber, wholeNumber } from './arguments.js'
import type { Output } from './output.js'
import { printable } from './printable.js'
import { addSweepCommands } from './sweep-commands.js'

/** The command line. This is the only file that prints or exits; each command lives in a file of its own. */

const output: Output = {
  interactive: process.stdout.isTTY === true,
  write: (text) => process.stdout.write(printable(text)),
  warn: (text) => process.stderr.write(printable(text)),
}

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  version: string
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

const noPlugins = ['--no-plugins', 'load no stage files and no packages (also: MILLRACE_NO_PLUGINS=1)'] as const

/** The options of every command that reads a pipeline. */
function reading(command: Command): Command {
  return trusting(
    command
      .option('--set <name=value>', 'set a var, or an option as stage.option=value (repeatable)', collect, [])
      .option('--seed <n>', 'set the seed', wholeNumber),
  )
}

/** What a definition may do. */
function trusting(command: Command): Command {
  return command
    .option('--plugins <dir>', 'load stage files from this folder too, not from that of the definition alone')
    .option(...noPlugins)
    .option('--allow-absolute-paths', 'let sinks write outside the run directory')
}

function kernelOption(byDefault: string): Option {
  return new Option('--kernel <name>', `arithmetic to use (default: ${byDefault})`).choices([
    'native',
    'wasm',
    'reference',
  ])
}

function threadsOption(): Option {
  return new Option('--threads <n>', 'threads of the kernel (default, and at most: one per core)')
    .argParser(positiveNumber)
    .env('MILLRACE_THREADS')
}

/** The options of every command that runs one. */
function running(command: Command): Command {
  return command
    .addOption(kernelOption('the fastest here').env('MILLRACE_KERNEL'))
    .addOption(threadsOption())
    .option('--quiet', 'print nothing but errors')
    .option('--json', 'print the record of the run as JSON, and no progress')
    .option(
      '--checkpoint <when>',
      'make checkpoints: epoch, "500 steps", 30s, …, or none (default: as the pipeline says)',
    )
}

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

reading(program.command('validate'))
  .summary('check pipelines without running them')
  .description('Check pipelines without reading data: every problem is listed with its line and column.')
  .argument('<pipelines...>', 'YAML files or built-in names')
  .option('--json', 'print the problems as JSON')
  .addHelpText('after', '\nExample:\n  millrace validate configs/digits.yaml --set batchSize=64')
  .action(async (names, options) => (await import('./validate.js')).validateCommand(names, options, output))

reading(program.command('config'))
  .summary('print a pipeline as it will run')
  .description('Print the resolved definition: every value with where it came from.')
  .argument('<pipeline>', 'YAML file or built-in name')
  .option('--json', 'print values and origins as JSON')
  .addHelpText('after', '\nExample:\n  millrace config cifar10/experiment-3 --set eta=0.01')
  .action(async (name, options) => (await import('./config.js')).configCommand(name, options, output))

program
  .command('stages')
  .summary('list the stages, or explain one')
  .description('List the stages, or explain one: options with types and defaults, ports, an example.')
  .argument('[name]', 'a stage: family/name, ./file.js or a package')
  .option(...noPlugins)
  .option('--json', 'print as JSON, with the JSON Schema of the options')
  .addHelpText('after', '\nExample:\n  millrace stages gradient-step/softmax')
  .action(async (name, options) => (await import('./stages.js')).stagesCommand(name, options, output))

reading(program.command('check-gradient'))
  .summary('check the gradients of a pipeline')
  .description(
    'Check gradients against differences of the cost, in float64: what the training step of a pipeline does (whichever stage it is), and the kernels. Reads the data as the pipeline does, draws a few examples, trains two steps. Exits 1 where a gradient is wrong.',
  )
  .argument('<pipeline>', 'YAML file or built-in name')
  .option('--examples <n>', 'examples to take the gradient on (default: 100)', atLeastOne)
  .addOption(
    new Option('--features <n>', 'features whose weights are differenced, drawn at random (default: 100)').argParser(
      atLeastOne,
    ),
  )
  .addOption(new Option('--all', 'difference every parameter').conflicts('features'))
  .option('--out <dir>', 'keep the table in this run directory, as CSV, JSON and Arrow')
  .option('--force', 'replace the run that lies in --out')
  .option('--json', 'print the table as JSON')
  .addHelpText('after', '\nExample:\n  millrace check-gradient cifar10/experiment-3 --examples 20 --all --out check')
  .action(async (name, options) => (await import('./check-gradient.js')).checkGradientCommand(name, options, output))

program
  .command('report')
  .summary('write a report on runs')
  .description(
    'Write one self-contained HTML file about one run or several side by side: results, verdicts on what was published, curves, figures, data.\nRuns that differ in their seed alone are shown as mean ± standard deviation.',
  )
  .argument('<runs...>', 'run directories')
  .option('--out <file>', 'the HTML file', 'report.html')
  .option('--tables <dir>', 'write the tables as Markdown, CSV and LaTeX there, too')
  .option('--json', 'print the files and verdicts as JSON')
  .addHelpText(
    'after',
    '\nExamples:\n  millrace report runs/digits-001\n  millrace report runs/cifar10-* --out report.html --tables tables',
  )
  .action(async (runs, options) => (await import('./report.js')).reportCommand(runs, options, output))

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

program
  .command('export')
  .summary('write the parameters of a run for other programs')
  .description(
    'Write the parameters of a run, with what describes them, as safetensors or NumPy .npz beside the Arrow file they are read from.',
  )
  .argument('<run>', 'run directory')
  .addOption(new Option('--format <format>', 'file format').choices(['safetensors', 'npz']).default('safetensors'))
  .option('--which <which>', 'last, best, or an Arrow file in the run directory', 'last')
  .option('--out <file>', 'the file to write')
  .option('--force', 'replace the file')
  .option('--json', 'print what was written as JSON')
  .addHelpText(
    'after',
    "\nExamples:\n  millrace export runs/digits-001\n  millrace export runs/digits-001 --format npz --out digits.npz\n  python3 -c \"import numpy; print(numpy.load('digits.npz')['W'].shape)\"",
  )
  .action(async (run, options) => (await import('./export.js')).exportCommand(run, options, output))
const engines = program
  .command('engines')
  .summary('list or build what joins processes')
  .description('List the engines that join the processes of one run, and build those that need it.')
  .option('--json', 'print as JSON')
  .addHelpText('after', '\nExamples:\n  millrace engines\n  millrace engines build mpi')
  .action(async (options) => (await import('./engines.js')).enginesCommand(options, output))
engines
  .command('build')
  .description(
    'Build an engine with the compiler of this site, into MILLRACE_ENGINES_DIR (default: ~/.cache/millrace/engines).',
  )
  .addArgument(new Argument('<engine>', 'the engine').choices(['mpi']))
  .option('--mpicc <program>', 'compiler wrapper of the MPI to build against (default: $MPICC, else mpicc)')
  .addHelpText('after', '\nExample:\n  millrace engines build mpi --mpicc /usr/bin/mpicc.mpich')
  .action(async (_, options) => (await import('./engines.js')).buildEngineCommand(options, output))

addSweepCommands(
  program,
  { reading, running, trusting, kernelOption: () => kernelOption('the fastest here'), threadsOption },
  output,
)

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

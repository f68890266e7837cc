import { type Command, Option } from 'commander'
import { builtInNames } from '../pipeline/definition/find.js'
import {
  addReadOptions,
  addRunOptions,
  addTrustOptions,
  kernelOption,
  memoryOption,
  parseCount,
  parseWholeNumber,
  repeatable,
  threadsOption,
} from './options.js'
import type { Output } from './terminal.js'

/** The built-in pipelines, a line for each folder. */
function builtInList(): string {
  const folders = new Map<string, string[]>()
  for (const name of builtInNames()) {
    const at = name.indexOf('/') + 1
    folders.set(name.slice(0, at), [...(folders.get(name.slice(0, at)) ?? []), name.slice(at)])
  }
  return [...folders]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([folder, names]) =>
        `  ${folder}${names.length === 1 ? names[0] : folder ? `{${names.join(',')}}` : names.join(', ')}`,
    )
    .join('\n')
}

/** Adds the commands that run a pipeline. */
export function addRunCommands(program: Command, output: Output): void {
  addRunOptions(addReadOptions(program.command('run')))
    .summary('run a pipeline')
    .description('Run a pipeline: a YAML file, or a built-in one by name (digits, cifar10/experiment-3, …).')
    .argument('<pipeline>', 'YAML file or built-in name')
    .option('--out <dir>', 'run directory (default: the next free one of runs/NAME-001, runs/NAME-002, …)')
    .option('--force', 'replace the run in --out')
    .addOption(repeatable('--tag <tag>', 'give the run a tag; millrace ls shows and filters by it'))
    .option('--note <text>', 'write a note about the run')
    .addOption(
      new Option(
        '--resume',
        'go on with the run in --out if it has begun, do nothing if it is done: the same command again and again, for ' +
          'machines that are taken away',
      ).conflicts('force'),
    )
    .addOption(
      new Option('--smoke', 'run every stage with a few rows for two epochs, in a temporary directory').conflicts([
        'out',
        'resume',
        'force',
      ]),
    )
    .addOption(
      new Option('--overfit <n>', 'train on n rows alone, in a temporary directory: a model that can learn knows them')
        .argParser(parseCount)
        .conflicts(['out', 'resume', 'force', 'smoke']),
    )
    .addOption(
      new Option(
        '--watch',
        'run again whenever the definition or a stage file changes; the run under way is stopped first',
      ).conflicts(['resume', 'json']),
    )
    .addOption(
      new Option('--watch-data', 'with --watch: run again when data files change, too').implies({ watch: true }),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  millrace run digits --set eta=0.01 --seed 7\n  millrace run cifar10/experiment-3 --set ' +
        'directory=data/cifar-10-batches-bin --set epochs=10 --out runs/short\n  until millrace run digits --out runs/digits --resume; do sleep 1; done',
    )
    .addHelpText('after', () => `\nBuilt-in pipelines (the last part of a name is enough):\n${builtInList()}`)
    .action(async (name, options) => (await import('./run.js')).runCommand(name, options, output))

  addRunOptions(addTrustOptions(program.command('resume')))
    .summary('continue a run')
    .description(
      'Continue a run that was interrupted or killed, from its last checkpoint. Its files become the same, byte ' +
        'by byte, as those of a run without interruption. With --set, a finished run can be made longer. Options ' +
        'that count for further steps, such as eta, may change, and run.json says so; others may not. A run that is ' +
        'refused, or that has no step left to make, stays as it was.',
    )
    .argument('<run>', 'run directory')
    .addOption(repeatable('--set <name=value>', 'change a var or an option of a stage from here on'))
    .addOption(memoryOption('that of the run'))
    .option(
      '--force',
      'continue even if the definition or the data are no longer those of the run; options that what is stored ' +
        'was made with cannot change',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  millrace resume runs/digits-001\n  millrace resume runs/digits-001 --set epochs=80',
    )
    .action(async (directory, options) => (await import('./resume.js')).resumeCommand(directory, options, output))

  addRunOptions(addReadOptions(program.command('verify-resume')))
    .summary('test that a pipeline survives being killed')
    .description(
      'Run a pipeline to its end. Then run it again, kill it (SIGKILL) at random moments, resume it each time, ' +
        'and compare every file byte by byte. Exits with 1 if a file differs. Checkpoints are written after every ' +
        'epoch unless --checkpoint says otherwise.',
    )
    .argument('<pipeline>', 'YAML file or built-in name')
    .addOption(new Option('--kills <n>', 'how often to kill').default(20).argParser(parseCount))
    .addOption(new Option('--kill-seed <n>', 'seed of the random moments').default(1).argParser(parseWholeNumber))
    .option('--out <dir>', 'write the runs here and keep those that differ (default: a temporary directory)')
    .addHelpText('after', '\nExample:\n  millrace verify-resume digits --kills 20')
    .action(async (name, options) => (await import('./verify-resume.js')).verifyResumeCommand(name, options, output))

  addTrustOptions(program.command('rerun'))
    .summary('repeat a run and compare the results')
    .description(
      'Repeat a run: run its stored definition again, with the same kernel, into a temporary directory, and ' +
        'compare tables, parameters and figures. If they differ, print the first metric that differs and what has ' +
        'changed since (data, definition, seed, kernel, versions, machine), and exit with 1. Relative paths of ' +
        'data are looked for in the current folder, and then where the run was started. Stage files and packages that ' +
        'the run names are loaded only with --plugins.',
    )
    .argument('<run>', 'run directory')
    .option('--out <dir>', 'keep the new run in this directory')
    .option('--keep', 'keep the new run under runs/')
    .option('--force', 'replace the run in --out')
    .addOption(kernelOption('that of the run'))
    .addOption(threadsOption())
    .option('--json', 'print the comparison as JSON')
    .addHelpText('after', '\nExample:\n  millrace rerun runs/digits-001')
    .action(async (run, options) => (await import('./rerun.js')).rerunCommand(run, options, output))

  program
    .command('top')
    .summary('watch a run of another process')
    .description(
      'Watch a run that another process makes, on this machine and as the same user: progress, metrics, and for each ' +
        'stage the rows per second, its part of the time and the tables in flight. q and Ctrl-C leave the run alone. Of a ' +
        'run that has ended, print how. Of a folder or a sweep: the run that goes on in it and then the next, or a line for ' +
        'each if there are several.',
    )
    .argument('[run]', 'run directory, or a folder of runs', 'runs')
    .option('--json', 'print every state as a line of JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace top\n  millrace top runs/digits-001\n  millrace top sweeps/digits-grid',
    )
    .action(async (run, options) => (await import('./top.js')).topCommand(run, options, output))

  addReadOptions(program.command('tap'))
    .summary('show tables as they pass a wire')
    .description(
      'Show tables of a wire. Of a run under way, they are those that pass now; tables that pass too fast are skipped and ' +
        'counted, and the run is not slowed. A pipeline is run without a directory up to that wire, until enough tables ' +
        'have passed. Of a run that has ended, only wires that sink/arrow recorded can be shown.',
    )
    .argument('<target>', 'run directory, YAML file or built-in name')
    .requiredOption('--wire <id>', 'the wire: the id of a stage, and its output if it has several (model.parameters)')
    .addOption(new Option('-n, --tables <n>', 'number of tables').default(1).argParser(parseCount))
    .addOption(
      new Option('--format <format>', 'form of the tables').choices(['table', 'json', 'arrow']).default('table'),
    )
    .option('--out <file>', 'write to this file; load/wire replays one in the format arrow')
    .option('--force', 'replace the file of --out')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace tap runs/digits-001 --wire model -n 3\n  millrace tap digits --wire rows -n 2 --format arrow ' +
        '--out rows.arrows',
    )
    .action(async (target, options) => (await import('./tap.js')).tapCommand(target, options, output))
}

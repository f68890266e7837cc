import { type Command, InvalidArgumentError, Option } from 'commander'
import { addReadOptions, addRunOptions, jobsOption, parseCount, parseWholeNumber, repeatable } from './options.js'
import { addQueueCommands, addRunOneCommand } from './queue-commands.js'
import type { Output } from './terminal.js'

/** Adds the commands about sweeps. */
export function addSweepCommands(program: Command, output: Output): void {
  const sweep = addRunOptions(addSweepOptions(addReadOptions(program.command('sweep'))))
    .summary('run a pipeline with many settings')
    .description(
      'Run a pipeline with every setting of its block "sweep:", or with those given here. A name given here ' +
        'replaces the same name in the block. One setting with one seed is a point. The same command again ' +
        'continues the sweep: only missing points run.',
    )
    .argument('<pipeline>', 'YAML file or built-in name')
    .addOption(jobsOption())
    .option('--out <dir>', 'directory of the sweep (default: sweeps/NAME)')
    .addOption(
      new Option('--on-fail <what>', 'what to do with the other points if one fails')
        .choices(['continue', 'stop'])
        .default('continue'),
    )
    .option('--retry', 'run points again that failed before')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace sweep digits-grid --jobs 2\n  millrace sweep digits --grid eta=0.001,0.01 --grid ' +
        "lambda=0,0.1 --seeds 3 --out sweeps/mine\n  millrace sweep digits --random 20 --over 'eta={ logUniform: " +
        "[1e-4, 1] }' --over 'batchSize={ choice: [16, 32] }'",
    )
    .action(async (name, options) => (await import('./sweep.js')).sweepCommand(name, options, output))
  addQueueCommands(sweep, addSweepOptions, output)
  addRunOneCommand(sweep, addSweepOptions, output)

  program
    .command('table')
    .summary('print the results of a sweep, or of runs')
    .description(
      'Print a table of sweeps and runs: one row per setting, best first, with the mean ± standard deviation of ' +
        'the last evaluation over the seeds. Works while a sweep is still running.',
    )
    .argument('<directories...>', 'directories of sweeps or runs')
    .option('--cols <names>', 'columns, as eta,test_accuracy (default: the settings that vary, and the metrics)')
    .option('--sort <name>', 'column to sort by; -name reverses the order (default: best first)')
    .option('--monitor <metric>', 'the metric that says which setting is best')
    .addOption(
      new Option('--format <format>', 'format of the table')
        .choices(['text', 'md', 'csv', 'tex', 'json'])
        .default('text'),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  millrace table sweeps/digits-grid\n  millrace table runs/digits-* --cols ' +
        'eta,lambda,test_accuracy --format md',
    )
    .action(async (names, options) => (await import('./table.js')).tableCommand(names, options, output))
}

/** Adds the options that say which settings and seeds a sweep runs. */
function addSweepOptions(command: Command): Command {
  return command
    .addOption(repeatable('--grid <name=values>', 'values of a var or of stage.option, as eta=0.01,0.1'))
    .option('--random <n>', 'number of settings to draw at random', parseCount)
    .addOption(repeatable('--over <name=dist>', "distribution to draw from, as 'eta={ logUniform: [1e-4, 1] }'"))
    .option('--seeds <list>', 'seeds to run each setting with, as 400,401, or how many', parseSeeds)
    .option(
      '--folds <n>',
      'folds of a cross-validation (split/rows): each setting runs once for each, with that fold held out',
      parseCount,
    )
    .option('--monitor <metric>', 'the metric that says which setting is best (default: validation_accuracy)')
}

/** Checks a list of seeds, or their number, and returns it as it is. */
function parseSeeds(text: string): string {
  const isList = /^\s*\d+\s*(,\s*\d+\s*)*$/.test(text)
  if (!isList || (!text.includes(',') && Number(text) === 0))
    throw new InvalidArgumentError('expected seeds as 400,401, or how many.')
  for (const seed of text.split(',')) parseWholeNumber(seed)
  return text
}

import { type Command, InvalidArgumentError, Option } from 'commander'
import { atLeastOne, collect, wholeNumber } from './arguments.js'
import { jobsOption, reading, running } from './options.js'
import type { Output } from './output.js'
import { addQueueCommands, addRunOneCommand } from './queue-commands.js'

/** Adds the commands about sweeps. */
export function addSweepCommands(program: Command, output: Output): void {
  const sweep = running(sweeping(reading(program.command('sweep'))))
    .summary('run a pipeline with many settings')
    .description(
      'Run a pipeline with every setting of its block "sweep:", or with those given here. A name given here wins over the same name there. Run it again to go on: only what is missing runs.',
    )
    .argument('<pipeline>', 'YAML file or built-in name')
    .addOption(jobsOption())
    .option('--out <dir>', 'directory of the sweep (default: sweeps/NAME)')
    .addOption(
      new Option('--on-fail <what>', 'what a failed point does to the others')
        .choices(['continue', 'stop'])
        .default('continue'),
    )
    .option('--retry', 'run points again that failed before')
    .addHelpText(
      'after',
      "\nExamples:\n  millrace sweep digits-grid --jobs 2\n  millrace sweep digits --grid eta=0.001,0.01 --grid lambda=0,0.1 --seeds 3 --out sweeps/mine\n  millrace sweep digits --random 20 --over 'eta={ logUniform: [1e-4, 1] }' --over 'batchSize={ choice: [16, 32] }'",
    )
    .action(async (name, options) => (await import('./sweep.js')).sweepCommand(name, options, output))
  addQueueCommands(sweep, sweeping, output)
  addRunOneCommand(sweep, sweeping, output)

  program
    .command('table')
    .summary('tell the results of a sweep, or of runs')
    .description(
      'Print a row for each setting, best first: mean ± standard deviation over its seeds, of the last evaluation. Can be asked for at any moment of a sweep.',
    )
    .argument('<directories...>', 'directories of sweeps or runs')
    .option('--cols <names>', 'columns, as eta,test_accuracy (default: what varies, and the metrics)')
    .option('--sort <name>', 'column to sort by; -name turns the order round (default: best first)')
    .option('--monitor <metric>', 'the metric that says which setting is best')
    .addOption(
      new Option('--format <format>', 'how to write it').choices(['text', 'md', 'csv', 'tex', 'json']).default('text'),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  millrace table sweeps/digits-grid\n  millrace table runs/digits-* --cols eta,lambda,test_accuracy --format md',
    )
    .action(async (names, options) => (await import('./table.js')).tableCommand(names, options, output))
}

/** Adds the options that say what is swept. */
function sweeping(command: Command): Command {
  return command
    .option('--grid <name=values>', 'values of a var or stage.option, as eta=0.01,0.1 (repeatable)', collect, [])
    .option('--random <n>', 'draw so many settings at random', atLeastOne)
    .option('--over <name=dist>', "what to draw, as 'eta={ logUniform: [1e-4, 1] }' (repeatable)", collect, [])
    .option('--seeds <list>', 'run each setting with these seeds, as 400,401, or with so many', seedList)
    .option('--monitor <metric>', 'the metric that says which setting is best (default: validation_accuracy)')
}

function seedList(text: string): string {
  const isList = text.split(',').every((seed) => /^\s*\d+\s*$/.test(seed) && Number.isSafeInteger(Number(seed)))
  if (isList && (text.includes(',') || wholeNumber(text) > 0)) return text
  throw new InvalidArgumentError('expected seeds as 400,401, or how many.')
}

import { type Command, Option } from 'commander'
import { repeatable } from './options.js'
import type { Output } from './terminal.js'

/** Adds the commands that list runs, describe them, and compare two of them. */
export function addListCommands(program: Command, output: Output): void {
  program
    .command('ls')
    .summary('list runs')
    .description(
      'List runs with their status, a metric, the settings that differ, age, duration, tags and notes, the newest first. ' +
        'On a narrow terminal the less important columns are left out.',
    )
    .argument('[dirs...]', 'directories of runs or sweeps, or folders of them (default: runs)')
    .option(
      '--metric <names>',
      'the metrics to show, with commas between them (default: accuracy or loss of validation)',
    )
    .option('--best', 'show the best value of each metric, not the last')
    .addOption(
      repeatable('--where <name=value>', 'only runs with this value of a var, an option, the seed or the name'),
    )
    .addOption(repeatable('--tag <tag>', 'only runs with this tag'))
    .addOption(
      new Option('--status <status>', 'only runs with this status').choices([
        'running',
        'done',
        'failed',
        'interrupted',
      ]),
    )
    .option('--sort <name>', 'sort by run, status, name, age, took, a setting or a metric; -NAME: in falling order')
    .option('--json', 'print the runs as JSON, with all settings and metrics')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace ls\n  millrace ls runs --where eta=0.1 --sort=-validation_accuracy\n' +
        '  millrace ls --tag good --best --metric test_accuracy,test_loss',
    )
    .action(async (directories, options) => (await import('./ls.js')).listCommand(directories, options, output))

  program
    .command('tag')
    .summary('add tags to runs, or remove them')
    .description('Add tags (+TAG) to runs, or remove them (-TAG). Without changes: show tags and notes.')
    .argument('<words...>', 'run directories, and changes: +TAG, -TAG')
    .option('--json', 'print tags and notes as JSON')
    .allowUnknownOption()
    .addHelpText('after', '\nExample:\n  millrace tag runs/digits-001 runs/digits-002 +baseline -draft')
    .action(async (words, options) => (await import('./notes.js')).tagCommand(words, options, output))

  program
    .command('note')
    .summary('write a note about a run')
    .description(
      'Write a note about a run, in place of the one that it has. Without a text: show it. An empty text removes it.',
    )
    .argument('<run>', 'run directory')
    .argument('[text]', 'the note')
    .option('--json', 'print tags and note as JSON')
    .addHelpText('after', '\nExample:\n  millrace note runs/digits-001 "eta too large from epoch 10 on"')
    .action(async (run, text, options) => (await import('./notes.js')).noteCommand(run, text, options, output))

  program
    .command('diff')
    .summary('show what differs between two runs')
    .description(
      'Show what differs between two runs: options of the definition with their lines (defaults included), data files and ' +
        'rows, versions, kernel, machine and commit, metrics, files.\nExit code 0: definition, data, metrics and files ' +
        'are the same; 1: something differs; 2: a run cannot be read.',
    )
    .argument('<before>', 'run directory')
    .argument('<after>', 'run directory')
    .option('--json', 'print the difference as JSON')
    .addHelpText('after', '\nExample:\n  millrace diff runs/digits-001 runs/digits-002')
    .action(async (before, after, options) => {
      const isEqual = await (await import('./diff.js')).diffCommand(before, after, options, output)
      if (!isEqual) process.exitCode = 1
    })
}

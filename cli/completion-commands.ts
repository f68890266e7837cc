import { Argument, type Command } from 'commander'
import type { Output } from './terminal.js'

/** Adds the commands for the completion of shells. */
export function addCompletionCommands(program: Command, output: Output): void {
  program
    .command('completion')
    .summary('print the script that makes a shell complete commands')
    .description(
      'Print the script that makes a shell complete commands, options, pipelines, names of stages, and what --set can set in the ' +
        'pipeline of the line.',
    )
    .addArgument(new Argument('<shell>', 'your shell').choices(['bash', 'zsh', 'fish']))
    .addHelpText('after', '\nExample:\n  eval "$(millrace completion bash)"     # in ~/.bashrc')
    .action(async (shell) => output.write((await import('./completion.js')).completionScript(shell)))

  program
    .command('complete', { hidden: true })
    .description('Print what may stand in the place of the last word.')
    .argument('[words...]', 'the words behind millrace')
    .action(async (words: string[]) => {
      const found = await (await import('./complete.js')).candidates(program, words)
      output.write(found.map((word) => `${word}\n`).join(''))
    })
}

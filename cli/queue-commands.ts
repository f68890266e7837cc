import { type Command, InvalidArgumentError, Option } from 'commander'
import { atLeastOne, wholeNumber } from './arguments.js'
import { jobsOption, kernelOption, reading, running, threadsOption, trusting } from './options.js'
import type { Output } from './output.js'

/** Adds the options that say what a sweep is made of. */
type Sweeping = (command: Command) => Command

/** Adds the commands about sweeps on many machines, below `sweep`. */
export function addQueueCommands(sweep: Command, sweeping: Sweeping, output: Output): void {
  const actions = () => import('./queue.js')

  atQueue(sweeping(reading(sweep.command('submit'))))
    .summary('put a sweep on a queue')
    .description(
      'Put the points of a sweep on a queue, for workers on any machine. Points that are there already, waiting or done, are left alone.',
    )
    .argument('<pipeline>', 'YAML file or built-in name')
    .addOption(kernelOption().env('MILLRACE_KERNEL'))
    .option('--artifacts <dir>', 'folder that all machines share, for the runs (default: sweeps/NAME)')
    .option('--retry', 'run points again that failed before')
    .option('--json', 'print what was done as JSON')
    .addHelpText(
      'after',
      '\nExample:\n  millrace sweep submit digits-grid --queue redis://queue:6379 --artifacts /shared/digits',
    )
    .action(async (name, _, command) => (await actions()).submitCommand(name, given(command), output))

  atQueue(trusting(sweep.command('work')))
    .summary('run points of a queue')
    .description(
      'Run points of a queue, as many workers on as many machines as you like. The first SIGTERM or Ctrl-C ends the work: points get --grace seconds to end, and what is not done by then is handed back, with its checkpoint if there is one. The second ends the process at once.',
    )
    .addOption(jobsOption())
    .addOption(threadsOption())
    .option('--artifacts <dir>', 'the shared folder, where it has another path here')
    .option('--until-done', 'end when no point is left, waiting or run by anyone')
    .addOption(
      new Option('--grace <s>', 'seconds that points may take to end when the work is to end')
        .argParser(wholeNumber)
        .default(10),
    )
    .addOption(
      new Option('--lock <s>', 'a worker that does not answer for so many seconds loses its points')
        .argParser(seconds)
        .default(6),
    )
    .addOption(
      new Option('--check <s>', 'seconds between looks for points that were lost').argParser(seconds).default(1.5),
    )
    .addOption(
      new Option('--losses <n>', 'how often a point may be lost before it counts as failed')
        .argParser(atLeastOne)
        .default(5),
    )
    .option('--quiet', 'print nothing but errors')
    .addHelpText('after', '\nExample:\n  millrace sweep work --queue redis://queue:6379 --jobs 8')
    .action(async (_, command) => (await actions()).workCommand(given(command), output))

  atQueue(sweep.command('status'))
    .summary('tell how far the sweeps of a queue are')
    .description('Print how many points of each sweep wait, run, are done and failed.')
    .option('--json', 'print as JSON')
    .action(async (_, command) => (await actions()).statusCommand(given(command), output))

  atQueue(sweep.command('collect'))
    .summary('fetch the results of a sweep')
    .description(
      'Make a directory of a sweep of the results at a queue, for millrace table and report. Exits 1 where points are neither done nor failed, after writing what there is.',
    )
    .argument('[name]', 'the sweep, where there are several')
    .option('--out <dir>', 'directory of the sweep (default: the shared folder itself)')
    .option('--artifacts <dir>', 'the shared folder, where it has another path here')
    .option('--json', 'print what was found as JSON')
    .addHelpText('after', '\nExample:\n  millrace sweep collect digits --queue redis://queue:6379 --out sweeps/digits')
    .action(async (name, _, command) => (await actions()).collectCommand(name, given(command), output))
}

/** Adds the command for schedulers that start each point themselves. */
export function addRunOneCommand(sweep: Command, sweeping: Sweeping, output: Output): void {
  running(sweeping(reading(sweep.command('run-one'))))
    .summary('run one point of a sweep')
    .description(
      'Run one point of a sweep into its directory, for job arrays: any number of these may run at the same time, on machines that share the directory. Without a number, list the points.',
    )
    .argument('<pipeline>', 'YAML file or built-in name')
    .argument('[number]', 'which point, from 0', wholeNumber)
    .option('--out <dir>', 'directory of the sweep (default: sweeps/NAME)')
    .addHelpText(
      'after',
      '\nExample:\n  millrace sweep run-one digits-grid $SLURM_ARRAY_TASK_ID --out /shared/digits-grid',
    )
    .action(async (name, number, _, command) =>
      (await import('./run-one.js')).runOneCommand(name, number, given(command), output),
    )
}

function atQueue(command: Command): Command {
  return command.addOption(
    new Option('--queue <url>', 'redis://host:6379 or postgres://user@host/database')
      .env('MILLRACE_QUEUE')
      .makeOptionMandatory(),
  )
}

/** The options given to a command: those that `sweep` has, too, are found there. */
function given<T extends object>(command: Command): T {
  return command.optsWithGlobals<T>()
}

function seconds(text: string): number {
  const number = Number(text)
  if (text.trim() !== '' && number >= 0.1 && number <= 86_400) return number
  throw new InvalidArgumentError('expected seconds, from 0.1.')
}

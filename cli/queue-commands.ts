import { type Command, InvalidArgumentError, Option } from 'commander'
import {
  addReadOptions,
  addRunOptions,
  addTrustOptions,
  jobsOption,
  kernelOption,
  parseCount,
  parseWholeNumber,
  repeatable,
  threadsOption,
} from './options.js'
import type { Output } from './terminal.js'

/** The end of the description of an option that names folders. */
const orCurrent = ', with all below it (default: the current one)'

/** Adds the options that say which settings and seeds a sweep runs. */
type AddSweepOptions = (command: Command) => Command

/** Adds the commands about sweeps on many machines, below `sweep`. */
export function addQueueCommands(sweep: Command, addSweepOptions: AddSweepOptions, output: Output): void {
  const actions = () => import('./queue.js')

  addQueueOption(addSweepOptions(addReadOptions(sweep.command('submit'))))
    .summary('put a sweep on a queue')
    .description(
      'Put the points of a sweep on a queue, for workers on any machine. Points that are already there, waiting ' +
        'or done, stay as they are.',
    )
    .argument('<pipeline>', 'YAML file or built-in name')
    .addOption(kernelOption().env('MILLRACE_KERNEL'))
    .option('--artifacts <dir>', 'folder for the runs, shared by all machines (default: sweeps/NAME)')
    .option('--retry', 'run points again that failed before, or whose runs are gone')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nExample:\n  millrace sweep submit digits-grid --queue redis://queue:6379 --artifacts /shared/digits',
    )
    .action(async (name, _, command) =>
      (await import('./queue-submit.js')).submitCommand(name, allOptions(command), output),
    )

  addQueueOption(addTrustOptions(sweep.command('work')))
    .summary('run points of a queue')
    .description(
      'Run points of a queue. Any number of workers may do so, on any number of machines. After the first Ctrl-C ' +
        'or SIGTERM, the worker takes no more points; points that run have --grace seconds to end and are then ' +
        'handed back, with their checkpoint if there is one. A second signal ends the process at once. Whoever can ' +
        'write to the queue decides what is trained, but not where data is read and runs are written: that is decided ' +
        'here.',
    )
    .addOption(jobsOption())
    .addOption(threadsOption())
    .addOption(repeatable('--data <dir>', `folder that points may read data from${orCurrent}`))
    .addOption(
      repeatable(
        '--artifacts <dir>',
        `folder that runs may go to, even if the queue has another path for it${orCurrent}`,
      ),
    )
    .option('--until-done', 'end when no point is waiting, or running on any worker')
    .addOption(
      new Option('--grace <s>', 'seconds for running points to end after a signal')
        .argParser(parseWholeNumber)
        .default(10),
    )
    .addOption(
      new Option('--lock <s>', 'seconds without an answer after which a worker loses its points')
        .argParser(parseSeconds)
        .default(6),
    )
    .addOption(
      new Option('--check <s>', 'seconds between two searches for lost points').argParser(parseSeconds).default(1.5),
    )
    .addOption(
      new Option('--losses <n>', 'how often a point may be lost before it counts as failed')
        .argParser(parseCount)
        .default(5),
    )
    .option('--quiet', 'print nothing but errors')
    .addHelpText(
      'after',
      '\nExample:\n  millrace sweep work --queue redis://queue:6379 --artifacts /shared --data /data --jobs 8',
    )
    .action(async (_, command) => (await actions()).workCommand(allOptions(command), output))

  addQueueOption(sweep.command('status'))
    .summary('print how far the sweeps of a queue are')
    .description('Print for each sweep of a queue how many points are done, failed, running and waiting.')
    .addOption(
      new Option('--follow', 'print it again whenever it changes, until no point is waiting or running').conflicts(
        'json',
      ),
    )
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExample:\n  millrace sweep status --queue redis://queue:6379')
    .action(async (_, command) => (await actions()).statusCommand(allOptions(command), output))

  addQueueOption(sweep.command('collect'))
    .summary('fetch the results of a sweep')
    .description(
      'Write the results of a sweep on a queue into a sweep directory, for millrace table and report. If points ' +
        'are neither done nor failed, writes what there is and exits with 1; with --wait, waits for them first.',
    )
    .argument('[name]', 'the sweep, if there are several')
    .option('--out <dir>', 'directory of the sweep (default: the shared folder itself, or sweeps/NAME)')
    .addOption(repeatable('--artifacts <dir>', `folder that runs are read from${orCurrent}`))
    .option('--wait', 'wait until no point is waiting or running; Ctrl-C leaves everything as it is')
    .addOption(
      new Option('--timeout <s>', 'with --wait: after this time, write what there is and exit with 1')
        .argParser(parseSeconds)
        .implies({ wait: true }),
    )
    .option('--json', 'print the result as JSON')
    .addHelpText('after', '\nExample:\n  millrace sweep collect digits --queue redis://queue:6379 --out sweeps/digits')
    .action(async (name, _, command) => (await actions()).collectCommand(name, allOptions(command), output))
}

/** Adds the command for schedulers that start each point themselves. */
export function addRunOneCommand(sweep: Command, addSweepOptions: AddSweepOptions, output: Output): void {
  addRunOptions(addSweepOptions(addReadOptions(sweep.command('run-one'))))
    .summary('run one point of a sweep')
    .description(
      'Run one point of a sweep into the directory of the sweep, for the job arrays of a scheduler. Any number ' +
        'of these commands may run at the same time, on machines that share the directory. Without a number, list ' +
        'the points.',
    )
    .argument('<pipeline>', 'YAML file or built-in name')
    .argument('[number]', 'number of the point, from 0', parseWholeNumber)
    .option('--out <dir>', 'directory of the sweep (default: sweeps/NAME)')
    .addHelpText(
      'after',
      '\nExample:\n  millrace sweep run-one digits-grid $SLURM_ARRAY_TASK_ID --out /shared/digits-grid',
    )
    .action(async (name, number, _, command) =>
      (await import('./run-one.js')).runOneCommand(name, number, allOptions(command), output),
    )
}

function addQueueOption(command: Command): Command {
  return command.addOption(
    new Option('--queue <url>', 'the queue: redis://host:6379 or postgres://user@host/database')
      .env('MILLRACE_QUEUE')
      .makeOptionMandatory(),
  )
}

/** The options of a command below `sweep`. Options that `sweep` has, too, are parsed there, so both are joined. */
function allOptions<T extends object>(command: Command): T {
  return command.optsWithGlobals<T>()
}

/** Parses a time in seconds, from a tenth of a second to a day. */
function parseSeconds(text: string): number {
  const number = Number(text)
  if (text.trim() !== '' && number >= 0.1 && number <= 86_400) return number
  throw new InvalidArgumentError('expected seconds, from 0.1.')
}

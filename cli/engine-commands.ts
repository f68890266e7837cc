import { Argument, type Command } from 'commander'
import type { Output } from './terminal.js'

/** Adds the commands about what runs are made on: kernels, and the engines that join the processes of a divided run. */
export function addEngineCommands(program: Command, output: Output): void {
  program
    .command('kernels')
    .summary('list the kernels of this machine')
    .description(
      'List the implementations of the arithmetic, and why one is not there. Of webgpu also the adapter, its driver and its ' +
        'limits.',
    )
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExample:\n  millrace kernels')
    .action(async (options) => (await import('./kernels.js')).kernelsCommand(options, output))

  const engines = program
    .command('engines')
    .summary('list or build the engines that join processes')
    .description(
      'List the engines. An engine joins the processes of a run that is divided over several, perhaps on several ' +
        'machines.',
    )
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExamples:\n  millrace engines\n  millrace engines build mpi')
    .action(async (options) => (await import('./engines.js')).enginesCommand(options, output))
  engines
    .command('build')
    .summary('build an engine')
    .description(
      'Build an engine with the compiler of this machine, into MILLRACE_ENGINES_DIR (default: ' +
        '~/.cache/millrace/engines).',
    )
    .addArgument(new Argument('<engine>', 'the engine').choices(['mpi']))
    .option('--mpicc <program>', 'compiler wrapper of the MPI library to use (default: $MPICC, else mpicc)')
    .addHelpText('after', '\nExample:\n  millrace engines build mpi --mpicc /usr/bin/mpicc.mpich')
    .action(async (_, options) => (await import('./engines.js')).buildEngineCommand(options, output))
}

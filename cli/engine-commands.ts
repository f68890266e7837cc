import { Argument, type Command } from 'commander'
import type { Output } from './output.js'

/** Adds the commands about what joins processes. */
export function addEngineCommands(program: Command, output: Output): void {
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
}

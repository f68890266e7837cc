import { type Command, Option } from 'commander'
import { atLeastOne } from './arguments.js'
import { noPlugins, reading } from './options.js'
import type { Output } from './output.js'

/** Adds the commands that look at pipelines and stages, and check them. */
export function addPipelineCommands(program: Command, output: Output): void {
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
}

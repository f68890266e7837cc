import { type Command, Option } from 'commander'
import { reportFormats } from '../testing/formats.js'
import { addReadOptions, graphFormats, kernelOption, noPlugins, parseCount, threadsOption } from './options.js'
import type { Output } from './terminal.js'

/** Adds the commands that show and check pipelines and stages. */
export function addPipelineCommands(program: Command, output: Output): void {
  addReadOptions(program.command('validate'))
    .summary('check pipelines without running them')
    .description('Check pipelines without reading data. Lists every problem with its file, line and column.')
    .argument('<pipelines...>', 'YAML files or built-in names')
    .option('--json', 'print the problems as JSON')
    .addHelpText('after', '\nExample:\n  millrace validate configs/digits.yaml --set batchSize=64')
    .action(async (names, options) => (await import('./validate.js')).validateCommand(names, options, output))

  addReadOptions(program.command('config'))
    .summary('print a pipeline as it will run')
    .description(
      'Print a pipeline with every value filled in, and where each comes from: file, line and column, --set, or ' +
        'default.',
    )
    .argument('<pipeline>', 'YAML file or built-in name')
    .option('--json', 'print values and origins as JSON')
    .addHelpText('after', '\nExample:\n  millrace config cifar10/experiment-3 --set eta=0.01')
    .action(async (name, options) => (await import('./config.js')).configCommand(name, options, output))

  addReadOptions(program.command('peek'))
    .summary('look at the data of a pipeline')
    .description(
      'Run the stages of a pipeline up to one and show what comes out of it: columns, rows of each class and split, ' +
        'range, mean and histogram of each feature. Nothing is trained, and no run directory is written.',
    )
    .argument('<pipeline>', 'YAML file or built-in name')
    .option('--after <stage>', 'id of the stage to look behind (default: where the rows are loaded or divided last)')
    .option('--sheet <file>', 'draw the first images of each class into this PNG file')
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExample:\n  millrace peek digits --after examples --sheet digits.png')
    .action(async (name, options) => (await import('./peek.js')).peekCommand(name, options, output))

  program
    .command('stages')
    .summary('list the stages, or explain one')
    .description('List the stages, or explain one: options with types and defaults, ports, an example.')
    .argument('[name]', 'a stage: family/name, ./file.js or a package')
    .option(...noPlugins)
    .option('--json', 'print as JSON, with the JSON Schema of the options')
    .addHelpText('after', '\nExample:\n  millrace stages gradient-step/softmax')
    .action(async (name, options) => (await import('./stages.js')).stagesCommand(name, options, output))

  addReadOptions(program.command('check'))
    .summary('check a pipeline with its data, and say how long it will take')
    .description(
      'Check a pipeline with its data, which validate does not read: read all of it, make a few real steps and one evaluation, ' +
        'write every file into a temporary directory, and say how long the run will take and what memory it needs.',
    )
    .argument('<pipeline>', 'YAML file or built-in name')
    .option('--out <dir>', 'where the run will be, to see if it can be written there', 'runs')
    .addOption(kernelOption().env('MILLRACE_KERNEL'))
    .addOption(threadsOption())
    .option('--json', 'print what was found as JSON')
    .addHelpText('after', '\nExample:\n  millrace check digits')
    .action(async (name, options) => (await import('./check.js')).checkCommand(name, options, output))

  addReadOptions(program.command('test'))
    .summary('run the tests of pipelines')
    .description(
      'Run tests of pipelines: rows go in at one place, and what comes out at another is compared. Tests stand in a pipeline ' +
        '("tests:") or beside it (NAME.test.yaml). Only the stages between the two places run. Exits with 1 if a test fails.',
    )
    .argument('[paths...]', 'pipelines, files of tests, or folders with them (default: the current folder)')
    .option('--filter <text>', 'run only tests with this text in their name')
    .addOption(kernelOption('wasm, which computes the same on every machine').env('MILLRACE_KERNEL'))
    .addOption(threadsOption())
    .addOption(new Option('--format <format>', 'format of the results').choices(reportFormats).default('spec'))
    .option('--out <file>', 'write the results to this file')
    .option('--force', 'replace the file')
    .addOption(
      new Option('--create', 'run a pipeline for an epoch and write NAME.test.yaml with what came out').conflicts([
        'update',
        'watch',
      ]),
    )
    .option('--update', 'write what came out over what was expected; comments and conditions stay')
    .addOption(new Option('--watch', 'run again whenever tests, pipelines or stage files change').conflicts('out'))
    .addHelpText(
      'after',
      '\nExamples:\n  millrace test examples\n  millrace test pipeline.yaml --create\n  millrace test --format junit --out tests.xml',
    )
    .action(async (paths, options) => (await import('./test.js')).testCommand(paths, options, output))

  addReadOptions(program.command('graph'))
    .summary('show the stages of a pipeline and the wires between them')
    .description(
      'Show the stages of a pipeline, the wires between them with what is known before data is read (features, classes, splits), ' +
        'and what each stage holds in memory. With --measure, read the data, make a few steps and say what passed each wire.',
    )
    .argument('<pipeline>', 'YAML file or built-in name')
    .option('--measure', 'read the data and make a few steps: rows, bytes and tables in flight')
    .addOption(new Option('--format <format>', 'how to write it').choices(graphFormats).default('text'))
    .option('--out <file>', 'write it to this file')
    .option('--force', 'replace the file')
    .addHelpText('after', '\nExamples:\n  millrace graph digits\n  millrace graph digits --format svg --out digits.svg')
    .action(async (name, options) => (await import('./graph.js')).graphCommand(name, options, output))

  program
    .command('create')
    .summary('make a commented pipeline, of stages or for your data')
    .description(
      'Print a pipeline that runs, with every option, what it does, its range and its default. Stages that are missing on ' +
        'the way are added. With --from, look at a file (CSV, JSONL, Parquet, Arrow, ARFF, NumPy, IDX) or a folder (images, MNIST, CIFAR) ' +
        'and make a pipeline for it: format, header, label, texts, missing cells, splits.',
    )
    .argument('[stages]', 'names of stages with commas between them')
    .option('--from <path>', 'a file or a folder to make the pipeline for')
    .option(
      '--memory <size>',
      'read rows in windows, with at most this memory for them (default for 1 GB of data and more: 1GB)',
    )
    .option('--out <file>', 'write it to this file')
    .option('--force', 'replace the file')
    .option(...noPlugins)
    .option('--json', 'print the pipeline and what was found as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace create load/csv,normalize/standardize,gradient-step/softmax,sink/csv\n' +
        '  millrace create --from data.csv --out pipeline.yaml\n' +
        '  millrace create --from photos --out photos.yaml\n' +
        '  millrace create --from large.parquet --memory 2GB --out large.yaml',
    )
    .action(async (stages, options) => (await import('./create.js')).createCommand(stages, options, output))

  program
    .command('explain')
    .summary('explain a stage or an error code')
    .description('Explain a stage (options, ports, an example) or an error code (what it means, an example, the fix).')
    .argument('[name]', 'a stage (batch/rows, ./file.js) or an error code (DATA, DIVERGED, …); default: list the codes')
    .option(...noPlugins)
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExamples:\n  millrace explain gradient-step/softmax\n  millrace explain DIVERGED')
    .action(async (name, options) => (await import('./explain.js')).explainCommand(name, options, output))

  addReadOptions(program.command('schema'))
    .summary('print the JSON Schema of pipeline files, for editors')
    .description(
      'Print the JSON Schema (draft 2020-12) of pipeline files: keys, stages, and the options of each stage with types, ' +
        'defaults and what they mean. Editors complete and check with it. With a pipeline, its own stages are in it, too.',
    )
    .argument('[pipeline]', 'YAML file whose stages are added')
    .option('--tests', 'print the schema of files of tests (NAME.test.yaml) instead')
    .option('--out <file>', 'write it to this file')
    .option('--force', 'replace a file that is no schema of Millrace')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace schema --out pipeline.schema.json\n  millrace schema examples/noise.yaml',
    )
    .action(async (name, options) => (await import('./schema.js')).schemaCommand(name, options, output))

  addReadOptions(program.command('check-gradient'))
    .summary('check the gradients of a pipeline')
    .description(
      'Check gradients against differences of the cost, in float64: the gradient of the training step, whichever ' +
        'stage it is, and those of the kernels. Reads the data as the pipeline does, takes a few examples at ' +
        'random and trains two steps. Exits with 1 if a gradient is wrong.',
    )
    .argument('<pipeline>', 'YAML file or built-in name')
    .option('--examples <n>', 'number of examples to compute gradients on (default: 100)', parseCount)
    .addOption(
      new Option(
        '--features <n>',
        'number of features, drawn at random, whose weights are checked (default: 100)',
      ).argParser(parseCount),
    )
    .addOption(new Option('--all', 'check every parameter').conflicts('features'))
    .option('--out <dir>', 'keep the table in this run directory, as CSV, JSON and Arrow')
    .option('--force', 'replace the run in --out')
    .option('--json', 'print the table as JSON')
    .addHelpText('after', '\nExample:\n  millrace check-gradient cifar10/experiment-3 --examples 20 --all --out check')
    .action(async (name, options) => (await import('./check-gradient.js')).checkGradientCommand(name, options, output))
}

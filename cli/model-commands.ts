import { type Command, Option } from 'commander'
import { tableFormats } from '../pipeline/formats/table-format.js'
import { kernelOption, repeatable, threadsOption } from './options.js'
import type { Output } from './terminal.js'

/** Adds the commands that apply a trained model to data. */
export function addModelCommands(program: Command, output: Output): void {
  addModelOptions(program.command('predict'))
    .summary('apply a trained model to rows')
    .description(
      'Predict the class of every row of files, with a probability (or score) for each class. The model knows its ' +
        'columns, categories, fill values, standardisation and classes; columns are found by name, and a label is not ' +
        'needed. The file appears when it is complete.',
    )
    .option('--out <file>', 'the file to write, by its ending; - is standard output', '-')
    .addOption(
      new Option('--format <format>', 'the format (default: by the ending of --out, csv on standard output)').choices(
        tableFormats,
      ),
    )
    .option('--force', 'replace the file')
    .option('--quiet', 'print no notes and no summary')
    .option('--json', 'print a summary as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace predict runs/patients-001 new.csv --out predictions.csv\n  cat new.csv | millrace predict ' +
        'runs/patients-001 - > predictions.csv\n  millrace predict runs/patients-001 new.csv --which best --set ' +
        "'delimiter=;' --out predictions.parquet",
    )
    .action(async (run, data, options) => (await import('./predict.js')).predictCommand(run, data, options, output))

  addModelOptions(program.command('evaluate'))
    .summary('measure a trained model on labelled rows')
    .description(
      'Compute the metrics and the confusion matrix of a trained model on rows whose class is known. The rows are held in ' +
        'memory.',
    )
    .option('--metrics <list>', 'further metrics, as evaluate/classification names them: auc,log_loss,"{ topK: 3 }"')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace evaluate runs/patients-001 held-out.csv\n  millrace evaluate runs/patients-001 ' +
        'held-out.csv --metrics auc,brier_score --json',
    )
    .action(async (run, data, options) => (await import('./evaluate.js')).evaluateCommand(run, data, options, output))
}

function addModelOptions(command: Command): Command {
  return command
    .argument('<run>', 'run directory, or its parameters.arrow or best.arrow')
    .argument('[data...]', 'files, or - for standard input')
    .option('--which <which>', 'which parameters: last, best, or an Arrow file in the run directory', 'last')
    .option(
      '--load <stage>',
      'the load stage that reads the data (default: by the ending of the file, or that of the run, with its options)',
    )
    .addOption(repeatable('--set <name=value>', 'set an option of the load stage (delimiter=;)'))
    .option('--plugins <dir>', 'load a learner of yours from the stage files in this folder that the run names')
    .addOption(kernelOption().env('MILLRACE_KERNEL'))
    .addOption(threadsOption())
}

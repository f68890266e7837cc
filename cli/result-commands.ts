import { type Command, Option } from 'commander'
import { parsePort } from './options.js'
import type { Output } from './terminal.js'

/** Adds the commands that read what runs have written. */
export function addResultCommands(program: Command, output: Output): void {
  program
    .command('report')
    .summary('write a report on runs')
    .description(
      'Write one self-contained HTML file about one run, or about several side by side: results, comparison with ' +
        'published results, curves, figures, data.\nRuns that differ only in their seed are shown as mean ± ' +
        'standard deviation.',
    )
    .argument('<runs...>', 'run directories')
    .option('--out <file>', 'the HTML file', 'report.html')
    .option('--tables <dir>', 'write the tables as Markdown, CSV and LaTeX into this directory, too')
    .option('--force', 'replace files that are not of an earlier report')
    .option('--json', 'print the files and verdicts as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace report runs/digits-001\n  millrace report runs/cifar10-* --out report.html ' +
        '--tables tables',
    )
    .action(async (runs, options) => (await import('./report.js')).reportCommand(runs, options, output))

  program
    .command('dashboard')
    .summary('show runs in the browser, live')
    .description(
      'Show runs and sweeps in the browser while they run: a table, curves, figures, the pipeline, differences of runs.\n' +
        'Only this machine can open the address, and only with the token in it. Nothing is loaded from elsewhere.',
    )
    .argument('[runs...]', 'directories of runs or sweeps, or folders of those (default: runs)')
    .option('--port <n>', 'the port (default: a free one)', parsePort)
    .option('--no-open', 'print the address, open no browser (also where there is no display)')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace dashboard\n  millrace dashboard runs sweeps/eta --port 8080 --no-open\n\n' +
        'MILLRACE_DASHBOARD_TOKEN sets the token (16 letters or more), so that open pages stay connected after a restart.',
    )
    .action(async (runs, options) => (await import('./dashboard.js')).dashboardCommand(runs, options, output))

  program
    .command('export')
    .summary('write the parameters of a run for other programs')
    .description(
      'Write the parameters of a run with their metadata, as safetensors or NumPy .npz, or as an ONNX model, beside the ' +
        'Arrow file that holds them. The ONNX model takes features as they were loaded, and gives labels and ' +
        'probabilities.',
    )
    .argument('<run>', 'run directory')
    .addOption(
      new Option('--format <format>', 'file format').choices(['safetensors', 'npz', 'onnx']).default('safetensors'),
    )
    .option('--which <which>', 'which parameters: last, best, or an Arrow file in the run directory', 'last')
    .option('--out <file>', 'the file to write (default: the Arrow file with another ending)')
    .option('--plugins <dir>', 'load a learner of yours from the stage files in this folder that the run names (onnx)')
    .option('--force', 'replace the file')
    .option('--json', 'print what was written as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace export runs/digits-001\n  millrace export runs/digits-001 --format npz --out ' +
        "digits.npz\n  python3 -c \"import numpy; print(numpy.load('digits.npz')['W'].shape)\"",
    )
    .action(async (run, options) => (await import('./export.js')).exportCommand(run, options, output))

  program
    .command('fetch')
    .summary('download a well-known data set')
    .description(
      'Download a data set from the address of its authors, check it, and put it into a folder: cifar10, cifar100, mnist, ' +
        'fashion-mnist. After an interruption the same command goes on. Without a name: list the data sets.',
    )
    .argument('[name]', 'the data set')
    .option(
      '--from <address>',
      'get the files from this address, such as that of a mirror; the checksums stay the same',
    )
    .option('--out <dir>', 'the folder for the files (default: a folder in data/)')
    .option('--json', 'print the result as JSON, and no progress')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace fetch fashion-mnist\n  millrace fetch cifar10 --out data/cifar-10-batches-bin',
    )
    .action(async (name, options) => (await import('./fetch.js')).fetchCommand(name, options, output))
}

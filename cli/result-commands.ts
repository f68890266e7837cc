import { type Command, Option } from 'commander'
import type { Output } from './output.js'

/** Adds the commands about what runs have left. */
export function addResultCommands(program: Command, output: Output): void {
  program
    .command('report')
    .summary('write a report on runs')
    .description(
      'Write one self-contained HTML file about one run or several side by side: results, verdicts on what was published, curves, figures, data.\nRuns that differ in their seed alone are shown as mean ± standard deviation.',
    )
    .argument('<runs...>', 'run directories')
    .option('--out <file>', 'the HTML file', 'report.html')
    .option('--tables <dir>', 'write the tables as Markdown, CSV and LaTeX there, too')
    .option('--json', 'print the files and verdicts as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace report runs/digits-001\n  millrace report runs/cifar10-* --out report.html --tables tables',
    )
    .action(async (runs, options) => (await import('./report.js')).reportCommand(runs, options, output))

  program
    .command('export')
    .summary('write the parameters of a run for other programs')
    .description(
      'Write the parameters of a run, with what describes them, as safetensors or NumPy .npz beside the Arrow file they are read from.',
    )
    .argument('<run>', 'run directory')
    .addOption(new Option('--format <format>', 'file format').choices(['safetensors', 'npz']).default('safetensors'))
    .option('--which <which>', 'last, best, or an Arrow file in the run directory', 'last')
    .option('--out <file>', 'the file to write')
    .option('--force', 'replace the file')
    .option('--json', 'print what was written as JSON')
    .addHelpText(
      'after',
      "\nExamples:\n  millrace export runs/digits-001\n  millrace export runs/digits-001 --format npz --out digits.npz\n  python3 -c \"import numpy; print(numpy.load('digits.npz')['W'].shape)\"",
    )
    .action(async (run, options) => (await import('./export.js')).exportCommand(run, options, output))
}

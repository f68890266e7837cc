import type { ErrorCode } from '../pipeline/base/errors.js'

/** What `millrace explain CODE` says about a kind of error. */
export interface CodeExplanation {
  /** What has happened, and what it means for the run. */
  readonly meaning: string
  /** The exit code of the command line. */
  readonly exit: number
  /** A message of this kind, as Millrace prints it. */
  readonly example: string
  /** What to do. */
  readonly fix: string
}

/** The kinds of errors. Programs find the code in `PipelineError.code`. */
export const errorCodes: Readonly<Record<ErrorCode, CodeExplanation>> = {
  ARGUMENTS: {
    meaning: 'The command line, or an argument of a function, is wrong. Nothing was started and nothing was written.',
    exit: 2,
    example: '--set eta  expected name=value or stage.option=value',
    fix: 'The message says what was expected; COMMAND --help shows options and an example.',
  },
  DEFINITION: {
    meaning: 'The pipeline is wrong. Every mistake is reported at once, with its line. Nothing was started.',
    exit: 2,
    example:
      'pipeline.yaml:3:30  stages[1] batch/rows: size is required: expected a positive integer\n' +
      'pipeline.yaml:3:32  stages[1] batch/rows: unknown option "sise"; did you mean "size"?',
    fix:
      'Correct the lines. millrace validate PIPELINE checks again, millrace explain STAGE lists the options of a stage, and ' +
      'with millrace schema an editor shows mistakes while you write.',
  },
  DATA: {
    meaning:
      'A data file is missing, damaged, or not as the pipeline says: a cell that is no number, an unknown label, a wrong ' +
      'width; or data has changed since the run that is resumed.',
    exit: 1,
    example: 'pipeline.yaml:2:5  stages[0] load/csv: data.csv is empty',
    fix:
      'The message names file, line and column. Correct the file, or the options of the load stage: delimiter, header, ' +
      'label, and what is to become of texts and missing cells. millrace create --from FILE looks at a file and writes them.',
  },
  WRITE: {
    meaning: 'An output could not be written: a full disk, a missing permission, a path outside of the run directory.',
    exit: 1,
    example: 'cannot make the run directory file/run: a part of the path is not a directory',
    fix: 'Free space, or give another directory with --out. A run that had begun goes on with millrace resume DIR.',
  },
  DIVERGED: {
    meaning: 'Training produced a loss that is infinite or no number: the steps were too large.',
    exit: 1,
    example:
      'pipeline.yaml:4:5  stages[2] gradient-step/softmax: the loss is NaN in epoch 1, step 2, with eta 1e+38; a smaller eta may ' +
      'help (onDivergence: continue goes on)',
    fix:
      'A smaller eta, or a warm-up; features of like size (normalize/standardize); a limit for the gradient (clip). ' +
      'onDivergence: continue records it and goes on.',
  },
  CHECK: {
    meaning:
      'A check did not pass: gradients that differ, files that are not the same after a resume or a rerun, or a test of a pipeline that fails.',
    exit: 1,
    example:
      'W[3, 1]: the gradient of the step is 0.5 (lambda 0), central differences (h = 0.000001) give 0.25; the error is ' +
      '2.5e-1 absolute, allowed 0.000001',
    fix:
      'The message names what differs and by how much. millrace check-gradient PIPELINE --all checks every parameter; of a ' +
      'stage or learner of yours, the gradient is to be corrected.',
  },
  STAGE: {
    meaning: 'A stage threw an error that is none of Millrace: most likely a stage of yours has a defect.',
    exit: 1,
    example: 'pipeline.yaml:3:5  stages[1] ./broken.mjs: no such thing',
    fix: 'millrace --debug run … shows where. millrace/testing runs one stage alone.',
  },
  KERNEL: {
    meaning:
      'The kernel, which does the arithmetic, is not available on this machine, could not get memory, or lost its GPU.',
    exit: 1,
    example:
      'pipeline.yaml:4:5  stages[2] gradient-step/softmax: cannot allocate 8000000000000 bytes: the machine does not have that ' +
      'much memory left; use fewer rows, features or classes, or a larger machine',
    fix:
      'millrace kernels says what this machine has. Without --kernel, the fastest that runs is taken. If memory is short: ' +
      'fewer rows, features or classes, or a limit for the rows in memory (--memory).',
  },
  PARALLEL: {
    meaning: 'The processes of one divided run, its ranks, do not agree, or one of them has ended.',
    exit: 1,
    example: 'the ranks do not agree on stages[4] gradient-step/softmax: eta: rank 0 has 0.1, rank 1 has 0.2',
    fix: 'Start all ranks with the same command, the same version of Millrace and the same files.',
  },
  SILENT: {
    meaning: 'A process of a divided run has not answered for as long as parallel.timeout says.',
    exit: 75,
    example: 'rank 3 has not answered for 30 s (step 17)',
    fix: 'Look at the machine of that rank, then start the job again: the run goes on from its checkpoint. Exit code 75 tells schedulers so.',
  },
  SYSTEM: {
    meaning: 'The operating system refused something: a file, memory, a thread.',
    exit: 1,
    example: 'cannot open data.csv: too many open files; allow the process more (ulimit -n)',
    fix: 'The message says what was short. Free some of it, or allow the process more.',
  },
  ABORTED: {
    meaning: 'The run was stopped by Ctrl-C, SIGTERM or SIGHUP. If it had begun to train, it has made a checkpoint.',
    exit: 130,
    example: 'stopped before its end',
    fix: 'millrace resume DIR goes on from there, and ends with the same bytes as a run that was not stopped.',
  },
  INTERNAL: {
    meaning: 'A defect of Millrace: an error that no code expected.',
    exit: 1,
    example: 'internal error: x is not a function',
    fix: 'millrace --debug … shows where. Please report it, with the pipeline and this output.',
  },
}

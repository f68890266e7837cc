import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import { Pipeline } from '../index.js'
import { PipelineError } from '../pipeline/base/errors.js'
import { nonFiniteAsText } from '../pipeline/base/json.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import { shortPath } from '../pipeline/base/words.js'
import { foreignError, holdsRun, isFile } from '../pipeline/directory/run-place.js'
import { replaceFile } from '../pipeline/files/files.js'
import { csvOf } from '../pipeline/formats/csv-text.js'
import { run } from '../pipeline/run/run.js'
import { formatFailure, type GradientCheck, gradientChecks } from '../stages/check/table.js'
import { checkingPipeline, GRADIENT_FILE as file, trainingStep } from '../testing/gradient-pipeline.js'
import { formatChecks } from './gradient-table.js'
import { type ReadingFlags, readOptions } from './options.js'
import { interruption, type Output } from './terminal.js'

/** The options of `millrace check-gradient`. */
export interface CheckGradientFlags extends ReadingFlags {
  /** Number of examples to draw. */
  readonly examples?: number
  /** Number of features whose weights are checked. */
  readonly features?: number
  /** Checks the weights of all features. */
  readonly all?: boolean
  /** The run directory to write. Default: none is kept. */
  readonly out?: string
  /** Replaces the files of an earlier run in `out`. */
  readonly force?: boolean
  /** Prints JSON instead of tables. */
  readonly json?: boolean
}

/** The other files with the table, which are written once the run has ended. */
const endings = ['json', 'csv', 'svg'] as const

/**
 * `millrace check-gradient`: runs the part of a pipeline that leads to its training step, followed by a
 * `check/gradient`, on a few examples and with the reference kernel. Throws a PipelineError `CHECK` if a gradient is
 * wrong or was not checked.
 */
export async function checkGradientCommand(name: string, flags: CheckGradientFlags, output: Output): Promise<void> {
  const pipeline = (await Pipeline.load(name, readOptions(flags))).undivided()
  const step = trainingStep(pipeline)
  const checking = checkingPipeline(pipeline, step, flags)
  if (flags.out !== undefined) checkTables(flags.out)
  const stop = interruption(output)
  const temporary = flags.out === undefined ? mkdtempSync(join(tmpdir(), 'millrace-check-')) : undefined
  try {
    const out = flags.out ?? join(temporary!, 'run')
    const result = await run(checking, { out, force: flags.force, kernel: 'reference', signal: stop.signal })
    const checks = gradientChecks(tableFromIPC(readFileSync(join(result.directory, file))))
    const wrong = checks.filter(({ verdict }) => verdict === 'fail')
    const unchecked = checks.filter(({ verdict }) => verdict === 'unchecked')
    const notes = result.record.notes
    const record = {
      pipeline: pipeline.name,
      seed: pipeline.seed,
      passed: wrong.length === 0 && unchecked.length === 0,
      notes,
      checks,
    }
    const json = `${JSON.stringify(record, nonFiniteAsText)}\n`
    if (flags.out !== undefined) {
      const contents = { json, csv: tableOf(checks), svg: await plotted(checks) }
      for (const ending of endings) replaceFile(join(result.directory, `gradient-check.${ending}`), contents[ending])
    }
    if (flags.json) output.write(json)
    else {
      output.write(formatChecks(checks, `${pipeline.name}: ${step.title} (${step.id})`))
      for (const note of notes) output.write(`note: ${oneLine(note)}\n`)
      if (flags.out !== undefined)
        output.write(`files in ${shortPath(result.directory)}: gradient-check.csv, .json, .arrows, .svg\n`)
    }
    const problems = wrong.map((check) => {
      const isStep = check.gradient === 'step'
      return {
        where: isStep ? step.where : undefined,
        message: `${isStep ? `${step.title}: ` : ''}${formatFailure(check)}`,
      }
    })
    if (unchecked.length > 0)
      problems.push({
        where: step.where,
        message:
          `${step.title}: the gradient of its step was not checked, so the check does not pass: its parameters are ` +
          'float32, expected float64 with the reference kernel (allocate them by context.kernels.precision)',
      })
    if (problems.length > 0) throw new PipelineError('CHECK', problems)
  } finally {
    if (temporary) rmSync(temporary, { recursive: true, force: true })
    stop.release()
  }
}

/** Throws a PipelineError `ARGUMENTS` if a file of the user has the name of one that is to be written. */
function checkTables(out: string): void {
  const foreign = endings.map((ending) => `gradient-check.${ending}`).filter((name) => isFile(join(out, name)))
  // An earlier check has left them beside its run.
  if (foreign.length > 0 && !holdsRun(out)) throw foreignError(foreign, out)
}

/** The error against `h`, of the first gradient and lambda in the table that are compared with differences. */
async function plotted(checks: readonly GradientCheck[]): Promise<string> {
  const { gradientErrorsFigure } = await import('../figures/gradient-errors.js')
  const [first] = checks.filter(({ h }) => h !== null)
  const shown = checks.filter(
    ({ h, gradient, lambda }) => h !== null && gradient === first?.gradient && lambda === first.lambda,
  )
  return gradientErrorsFigure(
    shown.map(({ array, method, h, max_absolute_error }) => ({ array, method, h: h!, error: max_absolute_error })),
  )
}

function tableOf(checks: readonly GradientCheck[]): string {
  return csvOf([
    Object.keys(checks[0]!),
    ...checks.map((check) =>
      Object.values(check).map((value) =>
        typeof value === 'number' ? value : Array.isArray(value) ? value.join(' ') : (value ?? ''),
      ),
    ),
  ])
}

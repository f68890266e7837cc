import { existsSync } from 'node:fs'
import { Pipeline } from '../index.js'
import type { KernelChoice } from '../kernels/index.js'
import { PipelineError } from '../pipeline/base/errors.js'
import { counted, shortPath } from '../pipeline/base/words.js'
import { findDefinition } from '../pipeline/definition/find.js'
import { replaceFile } from '../pipeline/files/files.js'
import { createTests } from '../testing/create.js'
import type { ReportFormat } from '../testing/formats.js'
import { reportOf, specOf, summaryOf } from '../testing/reports.js'
import type { TestResult } from '../testing/run-test.js'
import { filtered, runTests } from '../testing/run-tests.js'
import { findTests, readTests, type TestSuite, testFileOf } from '../testing/test-file.js'
import { updateTests } from '../testing/update.js'
import { type ReadingFlags, readOptions } from './options.js'
import { interruption, type Output } from './terminal.js'
import { writeOut } from './written-file.js'

/** The options of `millrace test`. */
export interface TestFlags extends ReadingFlags {
  /** Only tests with this text in their name run. */
  readonly filter?: string
  /** The kernel of tests that name none. */
  readonly kernel?: KernelChoice
  /** Number of threads of the kernel. */
  readonly threads?: number
  /** The format of the results. */
  readonly format: ReportFormat
  /** The file for the results. */
  readonly out?: string
  /** Replaces the file of `out`, or the file of tests that `create` would write. */
  readonly force?: boolean
  /** Writes a file of tests for a pipeline. */
  readonly create?: boolean
  /** Writes what came out over what was expected. */
  readonly update?: boolean
  /** Runs the tests again whenever a file changes. */
  readonly watch?: boolean
}

/** `millrace test`: runs tests of pipelines. Throws a PipelineError `CHECK` if one fails. */
export async function testCommand(names: readonly string[], flags: TestFlags, output: Output): Promise<void> {
  if (flags.create) return createCommand(names, flags, output)
  if (flags.watch) return (await import('./watch.js')).watchTests(names, flags, output)
  const files = findTests(names.length > 0 ? names : ['.'])
  if (files.length === 0) throw noTests(names)
  const suites = await readTests(files, readOptions(flags))
  const stop = interruption(output)
  const isShown = flags.format === 'spec' && flags.out === undefined
  let shown: TestSuite['file'] | undefined
  try {
    const results = await runTests(suites, {
      ...flags,
      signal: stop.signal,
      onResult: (result) => {
        if (!isShown) return
        if (shown !== result.file) output.write(`${shortPath(result.file)}\n`)
        shown = result.file
        output.write(specOf(result))
      },
    })
    if (isShown) output.write(`${summaryOf(results)}\n`)
    else if (flags.out === undefined) output.write(reportOf(results, flags.format))
    else {
      writeOut(flags.out, reportOf(results, flags.format), { force: flags.force })
      output.write(`${summaryOf(results)}; ${shortPath(flags.out)}\n`)
    }
    const failed = results.filter(({ status }) => status === 'failed')
    if (failed.length === 0) return
    if (flags.update && updateAll(filtered(suites, flags.filter), results, output)) return
    throw new PipelineError('CHECK', `${failed.length} of ${counted(results.length, 'test')} failed`)
  } finally {
    stop.release()
  }
}

function noTests(names: readonly string[]): PipelineError {
  const [name] = names
  return new PipelineError(
    'ARGUMENTS',
    name === undefined || names.length > 1
      ? 'there are no tests here: expected files NAME.test.yaml, or pipelines with "tests:"; millrace test PIPELINE --create makes a first one'
      : `${name} has no tests: expected "tests:" in it, or a file ${shortPath(testFileOf(name))}; millrace test ${name} --create makes one`,
  )
}

/** Updates the files of failed tests. Returns whether nothing is left that fails. */
function updateAll(suites: readonly TestSuite[], results: readonly TestResult[], output: Output): boolean {
  let isAll = true
  for (const suite of suites) {
    const own = results.filter(({ file }) => file === suite.file)
    if (own.every(({ status }) => status !== 'failed')) continue
    const { values, left } = updateTests(suite, own)
    output.write(`${shortPath(suite.file)}: ${counted(values, 'expected value')} replaced\n`)
    for (const name of left)
      output.write(`  ${name}: not all of it can be replaced (conditions, errors, rows in other files)\n`)
    isAll &&= left.length === 0
  }
  return isAll
}

/** `millrace test PIPELINE --create`: writes a first file of tests beside a pipeline. */
async function createCommand(names: readonly string[], flags: TestFlags, output: Output): Promise<void> {
  const [name, ...others] = names
  if (name === undefined || others.length > 0)
    throw new PipelineError(
      'ARGUMENTS',
      `--create: expected one pipeline, got ${names.length}: millrace test pipeline.yaml --create`,
    )
  const file = findDefinition(name)
  const target = flags.out ?? testFileOf(file)
  if (existsSync(target) && !flags.force)
    throw new PipelineError(
      'ARGUMENTS',
      `${shortPath(target)} exists already; --force replaces it, --out names another, --update keeps it up to date`,
    )
  const stop = interruption(output)
  try {
    const pipeline = await Pipeline.load(file, readOptions(flags))
    replaceFile(target, await createTests(pipeline, file, stop.signal))
    output.write(
      `${shortPath(target)}: made from one epoch of ${shortPath(file)}; millrace test ${shortPath(target)} runs it\n`,
    )
  } finally {
    stop.release()
  }
}

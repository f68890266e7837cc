import { PipelineError } from '../pipeline/base/errors.js'
import { didYouMean } from '../pipeline/base/nearest.js'
import { runTest, type TestResult, type TestRunOptions } from './run-test.js'
import type { TestSuite } from './test-file.js'

/** How tests are chosen and run. */
export interface TestsOptions extends TestRunOptions {
  /** Only tests with this text in their name run. */
  readonly filter?: string | undefined
  /** Called with each result, when it is there. */
  readonly onResult?: (result: TestResult, suite: TestSuite) => void
}

/** The suites with only the tests whose name has a text. Throws a PipelineError `ARGUMENTS` if there is none. */
export function filtered(suites: readonly TestSuite[], filter: string | undefined): TestSuite[] {
  const chosen = suites.map((suite) => ({
    ...suite,
    tests: suite.tests.filter(
      ({ test }) => filter === undefined || test.name.toLowerCase().includes(filter.toLowerCase()),
    ),
  }))
  if (chosen.some(({ tests }) => tests.length > 0)) return chosen
  const names = suites.flatMap(({ tests }) => tests.map(({ test }) => test.name))
  throw new PipelineError(
    'ARGUMENTS',
    `no test has ${JSON.stringify(filter)} in its name${didYouMean(filter ?? '', names) || `; there are ${names.map((name) => JSON.stringify(name)).join(', ')}`}`,
  )
}

/** Runs tests, one after the other. Rejects with `ABORTED` after an abort. */
export async function runTests(suites: readonly TestSuite[], options: TestsOptions = {}): Promise<TestResult[]> {
  const results: TestResult[] = []
  for (const suite of filtered(suites, options.filter))
    for (const written of suite.tests) {
      if (options.signal?.aborted) throw new PipelineError('ABORTED', 'stopped before its end')
      const result = await runTest(suite, written, options)
      results.push(result)
      options.onResult?.(result, suite)
    }
  return results
}

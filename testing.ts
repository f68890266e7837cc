/**
 * Runs one stage alone, for tests of stages: tables go in, tables come out, and a small run is made around the stage.
 * Works with every test runner. Programs import it as `millrace/testing`.
 */
import type { Table } from 'apache-arrow'
import { lastValueFrom, merge, tap, toArray } from 'rxjs'
import { parse } from 'yaml'
// Gives the built-in stages to the registry.
import './index.js'
import { PipelineError } from './pipeline/base/errors.js'
import { defaultId } from './pipeline/definition/entries.js'
import { resolveStage } from './pipeline/graph/registry.js'
import { openStage } from './pipeline/run/stage-alone.js'
import type { StageInputs, StageUse, TestRecord, TestRun } from './pipeline/run/test-run.js'
import type { AnyStage } from './pipeline/stage/stage.js'
import type { TestResult } from './testing/run-test.js'
import { runTests, type TestsOptions } from './testing/run-tests.js'
import { findTests, readTests } from './testing/test-file.js'

export type { Condition, ExpectedCell } from './pipeline/definition/tests.js'
export { openStage } from './pipeline/run/stage-alone.js'
export type { OpenStage, StageInputs, StageUse, TestRecord, TestRun } from './pipeline/run/test-run.js'
export { batches, examples, type PlainRows } from './pipeline/wires/plain-rows.js'
export type { Cell } from './testing/cells.js'
export type { Difference } from './testing/compare.js'
export type { Failure } from './testing/failure.js'
export type { TestResult, TestRunOptions } from './testing/run-test.js'
export type { TestsOptions } from './testing/run-tests.js'
export type { TestSuite, WrittenTest } from './testing/test-file.js'

/** A stage that has run to its end. */
export interface StageResult extends TestRecord {
  /** The tables of all outputs, in the order they came. */
  readonly tables: readonly Table[]
  /** The tables of each output port. */
  readonly outputs: Readonly<Record<string, readonly Table[]>>
}

/**
 * Runs a stage until its outputs complete. Rejects with the stage's own error, and with what `openStage` throws.
 *
 * @param entry the stage and its options, or an entry of a pipeline in YAML: `- use: ./my-stage.js`
 *
 * @example
 * const { tables } = await runStage({ use: noise, with: { amount: 2 } }, { batches: [batch] })
 */
export async function runStage<S extends AnyStage>(
  entry: StageUse<S> | string,
  inputs?: StageInputs<S>,
  run?: TestRun,
): Promise<StageResult> {
  const given = typeof entry === 'string' ? ((await readStage(entry)) as StageUse<S>) : entry
  const { snapshot: _, tables: all, outputs: ports, ...record } = openStage(given, inputs, run)
  const outputs: Record<string, Table[]> = {}
  const watched = Object.entries(ports).map(([port, tables]) => {
    const seen: Table[] = []
    outputs[port] = seen
    return tables.pipe(tap((table) => seen.push(table)))
  })
  const tables = await lastValueFrom(merge(...(watched.length > 0 ? watched : [all])).pipe(toArray()))
  return { ...record, tables, outputs }
}

/**
 * Loads the stage of a pipeline's entry. Throws a PipelineError `DEFINITION` if there is no such stage.
 *
 * @param entry YAML: `- use: ./my-stage.js`, with `id` and `with` if needed
 * @param folder where `./` starts
 */
export async function readStage(entry: string, folder = '.'): Promise<StageUse> {
  const parsed: unknown = parse(entry)
  const { use, id, with: options } = (Array.isArray(parsed) ? parsed[0] : parsed) ?? {}
  if (typeof use !== 'string') throw new PipelineError('DEFINITION', 'expected an entry of a pipeline: "- use: …"')
  return { use: await resolveStage(use, folder), id: id ?? defaultId(use), with: options ?? {} }
}

/**
 * Runs the tests of a pipeline: those in its definition and those in the file beside it, or those of a file of tests, or of all
 * files below a folder. Rejects with a PipelineError `DEFINITION` if a test is not well written, `ABORTED` after an abort.
 *
 * @example
 * for (const { name, status, failures } of await testPipeline('pipeline.yaml'))
 *   if (status === 'failed') console.error(name, failures.map(({ message }) => message))
 */
export async function testPipeline(path: string, options: TestsOptions = {}): Promise<TestResult[]> {
  return runTests(await readTests(findTests([path])), options)
}

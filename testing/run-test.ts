import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { start } from '../index.js'
import type { KernelChoice } from '../kernels/index.js'
import { asPipelineError, PipelineError } from '../pipeline/base/errors.js'
import { type Expectation, saidOf } from '../pipeline/definition/tests.js'
import { locate, type Value } from '../pipeline/definition/value.js'
import { readRegularFile } from '../pipeline/files/regular-file.js'
import type { Node } from '../pipeline/graph/node.js'
import { outputFilesOf } from '../pipeline/graph/outputs.js'
import type { AddedStage } from '../pipeline/graph/part.js'
import type { Pipeline } from '../pipeline/graph/pipeline.js'
import { errorFailure, type Found, failuresOf } from './expectations.js'
import type { Failure } from './failure.js'
import { gradientFailure } from './gradient.js'
import { readRows } from './inserted.js'
import { Observed } from './observed.js'
import { expectationsOf, observedPlace, type Place, partOf } from './places.js'
import { type Inserted, insertedOf, wayTo } from './plan.js'
import { overridesOf, type TestSuite, type WrittenTest, whereOf } from './test-file.js'

/** What has become of a test. */
export interface TestResult {
  /** Its name. */
  readonly name: string
  /** `file:line:column`. */
  readonly where: string
  /** The file with the test. */
  readonly file: string
  /** The file with the pipeline. */
  readonly pipelineFile: string
  /** What has become of it. */
  readonly status: 'passed' | 'failed' | 'skipped'
  /** Why it was skipped. */
  readonly reason?: string | undefined
  /** How long it took, in seconds. */
  readonly seconds: number
  /** The stages that ran, by id. */
  readonly stages: readonly string[]
  /** What is not as expected. */
  readonly failures: readonly Failure[]
}

/** How tests are run. */
export interface TestRunOptions {
  /** The kernel of tests that name none. Default: wasm. */
  readonly kernel?: KernelChoice | undefined
  /** Number of threads of the kernel. Default: 1. */
  readonly threads?: number | undefined
  /** Stops at the next step. */
  readonly signal?: AbortSignal | undefined
}

/** Bytes of a file that is compared. */
const MAX_FILE = 16 << 20

/** Rows that are kept of an output. */
const MOST_ROWS = 10_000

/** Runs one test. Rejects with `ABORTED` after an abort; every other error is a failure of the test. */
export async function runTest(
  suite: TestSuite,
  written: WrittenTest,
  options: TestRunOptions = {},
): Promise<TestResult> {
  const { test, value } = written
  const began = performance.now()
  const base = { name: test.name, where: whereOf(value), file: suite.file, pipelineFile: suite.pipelineFile }
  if (test.skip !== undefined)
    return { ...base, status: 'skipped', reason: test.skip, seconds: 0, stages: [], failures: [] }
  const { failures, stages } = await outcomeOf(suite, written, options)
  const seconds = (performance.now() - began) / 1000
  return { ...base, status: failures.length > 0 ? 'failed' : 'passed', seconds, stages, failures }
}

async function outcomeOf(suite: TestSuite, written: WrittenTest, options: TestRunOptions) {
  const { test, value } = written
  const kernel = test.kernel ?? options.kernel ?? 'wasm'
  const found: Found = {
    notes: [],
    files: new Map(),
    error: undefined,
    failedStage: undefined,
    observed: new Map(),
    inputs: [],
  }
  const expectations = expectationsOf(test)
  const failures: Failure[] = []
  let stages: readonly string[] = []
  try {
    const pipeline = (await suite.load(overridesOf(locatedSet(written)), test.seed)).undivided()
    const inserted = await insertedOf(pipeline, test, value, dirname(suite.file))
    found.inputs = [...inserted.seen]
    const looked = expectations.filter((expectation) =>
      Object.keys(saidOf(expectation)).some((key) => key !== 'gradient'),
    )
    if (looked.length > 0) stages = await observe(pipeline, written, inserted, found, { ...options, kernel })
    for (const [i, { gradient, from }] of expectations.entries()) {
      if (!gradient) continue
      const failure = await gradientFailure(pipeline, gradient, from, inserted, options.signal)
      if (failure !== undefined) failures.push({ where: whereOf(partOf(value, 'expect', i)), message: failure })
    }
  } catch (cause) {
    if (options.signal?.aborted) throw cause
    found.error = asPipelineError(cause)
  }
  for (const [i, expectation] of expectations.entries())
    failures.push(...failuresWithRows(expectation, i, partOf(value, 'expect', i), found, dirname(suite.file)))
  if (found.error && expectations.every(({ error }) => error === undefined))
    failures.push(errorFailure(found.error, whereOf(value), found))
  return { failures, stages }
}

/** Compares, with the rows of a file if the expectation names one. They are in another file, so nothing updates them. */
function failuresWithRows(expectation: Expectation, i: number, part: Value, found: Found, folder: string): Failure[] {
  const { rows } = expectation
  if (typeof rows !== 'string' || found.error) return failuresOf(expectation, i, part, found)
  try {
    const failures = failuresOf({ ...expectation, rows: readRows(rows, folder) }, i, part, found)
    return failures.map(({ update, ...failure }) =>
      update?.values.some(([path]) => path[0] === 'rows') ? failure : { ...failure, update },
    )
  } catch (error) {
    return [{ where: whereOf(locate(part, ['rows'])), message: asPipelineError(error).message }]
  }
}

function locatedSet({ value, test }: WrittenTest) {
  return test.set ? locate(value, ['set']) : undefined
}

/** Runs the stages on the way to what is looked at. Adds what comes out to `found`. Returns the ids of the stages. */
async function observe(
  pipeline: Pipeline,
  { test, value }: WrittenTest,
  inserted: Inserted,
  found: Found,
  { kernel, threads = 1, signal }: TestRunOptions,
): Promise<string[]> {
  const expectations = expectationsOf(test)
  const ends: Node[] = []
  const observers: AddedStage[] = []
  for (const [i, expectation] of expectations.entries()) {
    const place = observedPlace(pipeline, test, expectation) as Place | undefined
    if (!place) continue
    ends.push(place.node)
    if (place.port === undefined) continue
    const observed = new Observed(lookingFor(expectation))
    const output = `${place.node.id}.${place.port}`
    found.observed.set(i, { place: output, observed })
    const { origin } = partOf(value, 'expect', i)
    observers.push({ id: `observed-${i}`, stage: observed.stage(), from: inserted.wires.get(output) ?? output, origin })
  }
  const isWhole = ends.length === 0
  const { ids, sources } = wayTo(pipeline, isWhole ? pipeline.graph.nodes : ends, inserted)
  checkInserted(inserted, new Set(sources.values()), observers)
  const part = pipeline.part({ ids, sources, more: [...inserted.added, ...observers] })
  const failing = ({ stage, problems }: PipelineError): string | undefined =>
    part.graph.nodes.find(
      ({ title }) => title === stage || problems.some(({ message }) => message.startsWith(`${title}: `)),
    )?.id
  const isWriting =
    part.graph.nodes.some(({ stage, options }) => outputFilesOf(stage, options).length > 0) ||
    isWhole ||
    wantsFiles(expectations)
  const folder = isWriting ? mkdtempSync(join(tmpdir(), 'millrace-test-')) : undefined
  const place = folder === undefined ? { directory: false as const } : { out: join(folder, 'run'), checkpoint: 'none' }
  try {
    const run = start(part, { ...place, kernel, threads, signal })
    run.events.subscribe((event) => {
      if (event.type === 'note') found.notes.push(`${event.stage}: ${event.message}`)
    })
    const { directory } = await run.result
    for (const name of expectations.flatMap(({ files }) => Object.keys(files ?? {})))
      found.files.set(name, fileIn(directory, name))
  } catch (error) {
    if (signal?.aborted) throw error
    found.error = asPipelineError(error)
    found.failedStage = failing(found.error)
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }
  return pipeline.graph.nodes.flatMap(({ id }) => (ids.has(id) ? [id] : []))
}

function wantsFiles(expectations: readonly Expectation[]): boolean {
  return expectations.some(({ files }) => files !== undefined)
}

/** The text of a file of the run directory; undefined if there is no such file in it. */
function fileIn(directory: string, name: string): string | undefined {
  const file = resolve(directory, name)
  if (relative(directory, file).startsWith('..')) return undefined
  try {
    return String(readRegularFile(file, MAX_FILE))
  } catch {
    return undefined
  }
}

/** What is kept of an output for an expectation. */
function lookingFor({ rows, match, where = {}, metrics }: Expectation) {
  const columns = Array.isArray(rows) ? [...new Set(rows.flatMap((row) => Object.keys(row)))] : undefined
  if (metrics) return { columns: undefined, where, keep: 'last' as const, most: MOST_ROWS }
  const most = rows === undefined ? 0 : match === 'last' && Array.isArray(rows) ? rows.length : MOST_ROWS
  return { columns, where, keep: match === 'last' ? ('last' as const) : ('first' as const), most }
}

/** Throws a PipelineError `DEFINITION` if rows go where nothing that is looked at reads them. */
function checkInserted({ inputs, wires }: Inserted, used: ReadonlySet<string>, observers: readonly AddedStage[]): void {
  const read = new Set([...used, ...observers.map(({ from }) => from)])
  for (const [place, output] of [...inputs, ...wires])
    if (!read.has(output))
      throw new PipelineError('DEFINITION', `insert: nothing that the test looks at reads ${place}`)
}

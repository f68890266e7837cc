import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
// Gives the built-in stages to the registry.
import '../index.js'
import { inFileOrder, PipelineError, type Problem } from '../pipeline/base/errors.js'
import { shortPath } from '../pipeline/base/words.js'
import { findDefinition } from '../pipeline/definition/find.js'
import { checkPart } from '../pipeline/definition/issues.js'
import type { Override } from '../pipeline/definition/overrides.js'
import { openDefinition, type ReadOptions } from '../pipeline/definition/read.js'
import { readSource } from '../pipeline/definition/source.js'
import { type TestCase, testFile, tests as testsSchema } from '../pipeline/definition/tests.js'
import { entriesOf, formatOrigin, isList, type Origin, type Value } from '../pipeline/definition/value.js'
import { MAX_DEFINITION } from '../pipeline/files/limits.js'
import { readRegularFile } from '../pipeline/files/regular-file.js'
import { Pipeline } from '../pipeline/graph/pipeline.js'
import { checkTest } from './places.js'

/** A test as a file has it. */
export interface WrittenTest {
  /** What it says. */
  readonly test: TestCase
  /** The same with the position of every value. */
  readonly value: Value
  /** Its number in the file, from 0. */
  readonly index: number
}

/** The tests of one file. */
export interface TestSuite {
  /** The file with the tests. */
  readonly file: string
  /** The file of the pipeline. */
  readonly pipelineFile: string
  /** The pipeline, with the settings for all tests. */
  readonly pipeline: Pipeline
  /** Loads the pipeline with further settings of a test. */
  readonly load: (set: readonly Override[], seed: number | undefined) => Promise<Pipeline>
  /** The tests, in their order. */
  readonly tests: readonly WrittenTest[]
}

/** The ending of a file of tests. */
const TEST_FILE = /\.test\.ya?ml$/

/** Below more folders than this, no search is meant. */
const MOST_FOLDERS = 2000

/** Folders that hold no tests of a user. */
const PASSED_OVER = new Set(['node_modules', 'runs', 'sweeps'])

/**
 * Finds the files with tests: `name.test.yaml`, and pipelines with `tests:`. A pipeline brings the tests of the file beside it,
 * a folder all below it. Throws a PipelineError `DEFINITION` if a file does not exist.
 */
export function findTests(names: readonly string[]): string[] {
  const found = names.flatMap((name) => {
    const path = resolve(name)
    if (existsSync(path) && statSync(path).isDirectory()) return testsBelow(path)
    const file = findDefinition(name)
    return TEST_FILE.test(file) ? [file] : testsOf(file)
  })
  return [...new Set(found)]
}

/** The files with tests of a pipeline: its own, if it has any, and the one beside it. */
function testsOf(file: string): string[] {
  const beside = testFileOf(file)
  // Reading it then says that there is none.
  if (!existsSync(file) && !existsSync(beside)) return [file]
  return [...(hasTests(file) ? [file] : []), ...(existsSync(beside) ? [beside] : [])]
}

/** The name of the file of tests beside a pipeline. */
export function testFileOf(file: string): string {
  return join(dirname(file), `${basename(file).replace(/\.ya?ml$/, '')}.test.yaml`)
}

function testsBelow(folder: string, seen = { folders: 0 }): string[] {
  if (++seen.folders > MOST_FOLDERS)
    throw new PipelineError(
      'ARGUMENTS',
      `there are more than ${MOST_FOLDERS} folders to look for tests in; name pipelines, or a folder`,
    )
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  // The folder of a run has a pipeline of its own.
  if (entries.some(({ name }) => name === 'run.json')) return []
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory())
      return PASSED_OVER.has(entry.name) || entry.name.startsWith('.') ? [] : testsBelow(path, seen)
    if (!entry.isFile()) return []
    return TEST_FILE.test(entry.name) || (/\.ya?ml$/.test(entry.name) && hasTests(path)) ? [path] : []
  })
}

function hasTests(file: string): boolean {
  try {
    return /^tests:/m.test(String(readRegularFile(file, MAX_DEFINITION)))
  } catch {
    return false
  }
}

/**
 * Reads files with tests and their pipelines. Throws a PipelineError `DEFINITION` with every mistake in all of them that can
 * be known before data is read.
 */
export async function readTests(files: readonly string[], options: ReadOptions = {}): Promise<TestSuite[]> {
  const problems: Problem[] = []
  const suites: TestSuite[] = []
  for (const file of files) {
    try {
      const suite = await readSuite(file, options)
      const found = suite.tests.flatMap(({ test, value }) => checkTest(suite.pipeline, test, value))
      problems.push(...found)
      suites.push(suite)
    } catch (error) {
      if (!(error instanceof PipelineError)) throw error
      problems.push(...error.problems.map((problem) => ({ where: shortPath(file), ...problem })))
    }
  }
  if (problems.length > 0) throw new PipelineError('DEFINITION', inFileOrder(problems))
  return suites
}

async function readSuite(file: string, options: ReadOptions): Promise<TestSuite> {
  const isOwn = TEST_FILE.test(file)
  const problems: Problem[] = []
  const source = isOwn ? ownKeys(readSource(file)) : undefined
  const definition = source ? undefined : openDefinition(file)
  if (source) checkPart(testFile, source, '', problems, 'key')
  problems.push(...(definition?.problems ?? []))
  if (problems.length > 0) throw new PipelineError('DEFINITION', inFileOrder(problems))
  const entries = entriesOf(source)
  const named = entries.get('pipeline')?.value
  const pipelineFile = named ? pipelineOf(named, file) : file
  const shared = overridesOf(entries.get('set')?.value)
  const load: TestSuite['load'] = (set, seed) =>
    Pipeline.load(pipelineFile, {
      ...options,
      set: [...shared, ...set, ...(options.set ?? [])],
      seed: options.seed ?? seed,
    })
  const list = source ? entries.get('tests')?.value : definition!.values.get('tests')
  const written = isList(list) ? list.data : []
  const parsed = (list && checkPart(testsSchema, list, '', [], 'key')) ?? []
  const tests = parsed.map((test, index) => ({ test, value: written[index]!, index }))
  return { file, pipelineFile, pipeline: await load([], undefined), load, tests }
}

/** The values without keys for the user alone, such as anchors. */
function ownKeys(value: Value): Value {
  return { ...value, data: new Map([...entriesOf(value)].filter(([key]) => !key.startsWith('x-'))) }
}

function pipelineOf(named: Value, file: string): string {
  try {
    return findDefinition(String(named.data), dirname(resolve(file)))
  } catch (error) {
    const { message } = error as PipelineError
    throw new PipelineError('DEFINITION', [{ where: formatOrigin(named.origin), message: `pipeline: ${message}` }])
  }
}

/** The settings of `set:`: each is a var, or `stage.option`. */
export function overridesOf(set: Value | undefined): Override[] {
  return [...entriesOf(set)].map(([key, { key: origin, value }]) => {
    const [name = '', ...path] = key.split('.')
    return { text: `${formatOrigin(origin)} (set ${key})`, name, path, value }
  })
}

/** The position of a test, or of a part of it. */
export function whereOf({ origin }: { readonly origin: Origin }): string {
  return formatOrigin(origin)
}

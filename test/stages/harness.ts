import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Table } from 'apache-arrow'
import type { ObservableInput } from 'rxjs'
import type { Test } from 'tap'
import { parse } from 'yaml'
import { Pipeline, PipelineError, type RunRecord, run } from '../../dist/index.js'
import { builtInLearners as learners } from '../../dist/learners/index.js'
import { builtInStages } from '../../dist/pipeline/graph/registry.js'
import {
  type OpenStage,
  openStage as openAnyStage,
  runStage as runAnyStage,
  type StageResult,
  type StageUse,
  type TestRun,
} from '../../dist/testing.js'

const stages = await builtInStages()

/** A built-in stage and its options, from its entry in a pipeline. Random streams go by the whole name. */
function entryOf(text: string): StageUse {
  const [{ use, id = use, with: options = {} }] = parse(text)
  return { use: stages.get(use)!, id, with: options }
}

type Inputs = Readonly<Record<string, ObservableInput<Table>>>

/** Opens a built-in stage. Its run directory is removed when the test ends. */
export function openStage(t: Test, entry: string, inputs: Inputs = {}, run: TestRun = {}): OpenStage {
  return openAnyStage(entryOf(entry), inputs, { directory: join(temporary(t), 'run'), learners, ...run })
}

/** Runs a built-in stage to its end; rejects with its error. */
export function runStage(t: Test, entry: string, inputs: Inputs = {}, run: TestRun = {}): Promise<StageResult> {
  return runAnyStage(entryOf(entry), inputs, { directory: join(temporary(t), 'run'), learners, ...run })
}

/** Code and message of the error a run ends with. */
export async function errorOf(running: Promise<unknown>): Promise<[code: string, message: string]> {
  try {
    await running
  } catch (error) {
    return error instanceof PipelineError ? [error.code, error.message] : ['', (error as Error).message]
  }
  return ['', 'no error']
}

/** Writes a pipeline of these stages to a file, loads it and returns what is wrong with it. */
export async function problemsOf(t: Test, entries: string): Promise<string> {
  try {
    await Pipeline.load(pipelineFile(t, entries))
  } catch (error) {
    t.match(error, { name: 'PipelineError', code: 'DEFINITION' })
    return (error as Error).message.replaceAll(/\S*(?=pipeline\.yaml)/g, '')
  }
  return ''
}

/**
 * Runs a pipeline of these stages that must fail, and returns code and message without place and stage. The run
 * directory must tell the same. There is none if a file cannot be opened: such a run does not start.
 */
export async function failureOf(t: Test, entries: string): Promise<[code: string, message: string]> {
  const file = pipelineFile(t, entries)
  const out = join(file, '../run')
  const [code, message] = await errorOf(run(await Pipeline.load(file), { out, kernel: 'reference' }))
  if (existsSync(out)) {
    const { status, error } = JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')) as RunRecord
    t.strictSame([status, error], ['failed', message], 'run.json has the error')
  }
  return [code, message.replace(/^.*pipeline\.yaml:[\d:]+ {2}stages\[\d+\] [\w/-]+: /, '')]
}

function pipelineFile(t: Test, entries: string): string {
  const file = join(temporary(t), 'pipeline.yaml')
  writeFileSync(file, `stages:\n${entries.replaceAll(/^/gm, '  ')}\n`)
  return file
}

/** A directory that goes when the test ends. */
export function temporary(t: Test, files: Readonly<Record<string, string | Uint8Array>> = {}): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-test-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content)
  return directory
}

const home = process.cwd()

/** Makes a folder the current one until the test ends. Returns its path. */
export function inside(t: Test, folder: string): string {
  process.chdir(folder)
  t.teardown(() => process.chdir(home))
  return folder
}

/** The files under a directory that this process has open; undefined where the system does not tell. */
export function openFilesIn(directory: string): string[] | undefined {
  if (process.platform !== 'linux') return undefined
  return readdirSync('/proc/self/fd').flatMap((descriptor) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${descriptor}`)
      return path.startsWith(directory) ? [path.slice(directory.length + 1)] : []
    } catch {
      return []
    }
  })
}

import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Table } from 'apache-arrow'
import { from, lastValueFrom, type Observable, type ObservableInput, toArray } from 'rxjs'
import type { Test } from 'tap'
import { parse } from 'yaml'
import { Pipeline, PipelineError, type RunRecord, run } from '../../dist/index.js'
import type { Kernels } from '../../dist/kernels/index.js'
import { referenceKernels } from '../../dist/kernels/reference.js'
import { randomStream } from '../../dist/pipeline/base/random.js'
import { makeRunDirectory } from '../../dist/pipeline/directory/run-directory.js'
import { StageFlow } from '../../dist/pipeline/flow/flow.js'
import { FlowControl } from '../../dist/pipeline/flow/flow-control.js'
import { builtInStages } from '../../dist/pipeline/graph/registry.js'
import type { AnyLearner, DataSource } from '../../dist/pipeline/stage-kit.js'

/** One stage with tables on its inputs, alone: nothing flows until `tables` is subscribed. */
export interface Opened {
  /** What comes out of its one output, or the end of a sink. */
  readonly tables: Observable<Table>
  readonly directory: string
  readonly notes: string[]
  readonly sources: DataSource[]
  /** What was written to the terminal. */
  readonly printed: string[]
}

export interface HarnessOptions {
  readonly seed?: number
  readonly kernels?: Kernels
  readonly interactive?: boolean
}

const stages = await builtInStages()

/** The learner of that name, of those that built-in stages train. */
function learnerNamed(name: string): AnyLearner {
  return [...stages.values()].flatMap(({ learner }) => learner ?? []).find((learner) => learner.name === name)!
}

/** Builds a stage from its entry in a pipeline, as users write it, with everything around it real. */
export function openStage(
  t: Test,
  entry: string,
  inputs: Readonly<Record<string, ObservableInput<Table>>> = {},
  { seed = 1, kernels = referenceKernels(), interactive = false }: HarnessOptions = {},
): Opened {
  const [{ use, id = use, with: given = {} }] = parse(entry)
  const stage = stages.get(use)!
  const run = makeRunDirectory('', { out: join(temporary(t), 'run') })
  const [notes, sources, printed]: [string[], DataSource[], string[]] = [[], [], []]
  const { signal } = new AbortController()
  const runner: unknown = stage.run(stage.options.parse(given), {
    id,
    inputs: {},
    kernels,
    learner: learnerNamed,
    flow: new StageFlow(new FlowControl(signal)),
    signal,
    random: (purpose, epoch) => randomStream(seed, id, purpose, epoch),
    file: run.file,
    source: (source) => sources.push(source),
    note: (message) => notes.push(message),
    stop: (reason) => notes.push(`stopped: ${reason}`),
    state: () => {},
    terminal: { interactive, write: (text) => printed.push(text) },
  })
  const wires = Object.keys(stage.inputs).map((port) => [port, from(inputs[port]!)])
  const fed = wires.length === 1 ? wires[0]![1] : Object.fromEntries(wires)
  const tables = wires.length === 0 ? runner : (runner as (inputs: unknown) => unknown)(fed)
  return { tables: tables as Observable<Table>, directory: run.path, notes, sources, printed }
}

/** Runs a stage to its end; rejects with its error. */
export async function runStage(...given: Parameters<typeof openStage>) {
  const { tables, ...opened } = openStage(...given)
  return { ...opened, tables: await lastValueFrom(tables.pipe(toArray())) }
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
 * directory must tell the same.
 */
export async function failureOf(t: Test, entries: string): Promise<[code: string, message: string]> {
  const file = pipelineFile(t, entries)
  const out = join(file, '../run')
  const [code, message] = await errorOf(run(await Pipeline.load(file), { out, kernel: 'reference' }))
  const { status, error } = JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')) as RunRecord
  t.strictSame([status, error], ['failed', message], 'run.json has the error')
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

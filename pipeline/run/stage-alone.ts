import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Table } from 'apache-arrow'
import { from, ignoreElements, map, merge, Observable } from 'rxjs'
import type { z } from 'zod'
import { referenceKernels } from '../../kernels/reference.js'
import type { DataSource } from '../base/data-source.js'
import { PipelineError } from '../base/errors.js'
import { randomStreams, splitStreams } from '../base/random.js'
import { listed } from '../base/words.js'
import { defaultId } from '../definition/entries.js'
import { formatIssues } from '../definition/issues.js'
import { valueFrom } from '../definition/value.js'
import { copyCheckpoint, decodeCheckpoint, encodeCheckpoint } from '../directory/checkpoint.js'
import { openRunDirectory } from '../directory/run-directory.js'
import { attempt, makeFolder } from '../files/files.js'
import { StageFlow } from '../flow/flow.js'
import { FlowControl } from '../flow/flow-control.js'
import { localParallel } from '../parallel/local.js'
import type { StageContext, StateHooks } from '../stage/context.js'
import { learnerNamed } from '../stage/learner.js'
import { runMemory } from '../stage/memory.js'
import type { AnyStage } from '../stage/stage.js'
import { ownTable } from '../wires/foreign-table.js'
import type { OpenStage, StageInputs, StageUse, TestRun } from './test-run.js'

/**
 * Wires a stage to its inputs, to look at it while it works or to take its state. Throws a PipelineError `DEFINITION` if
 * the options are wrong, and a TypeError if the inputs are.
 *
 * @example
 * const batches = new Subject()
 * const killed = openStage({ use: tally }, { batches })
 * const subscription = killed.tables.subscribe()
 * batches.next(first)
 * const state = await killed.snapshot()
 * subscription.unsubscribe()
 * const { tables } = await runStage({ use: tally }, { batches: [first, second] }, { state })
 */
export function openStage<S extends AnyStage>(
  entry: StageUse<S>,
  inputs: StageInputs<S> = {} as StageInputs<S>,
  run: TestRun = {},
): OpenStage {
  const stage: AnyStage = entry.use
  const { id = defaultId(stage.name) } = entry
  const checked = checkedOptions(stage, entry.with ?? {})
  const options = stage.complete ? stage.complete(checked, {}) : checked
  checkInputs(stage, inputs)
  const directory = openRunDirectory(run.directory === undefined ? temporaryFolder() : madeFolder(run.directory))
  const { signal } = new AbortController()
  const control = new FlowControl(signal)
  const flow = new StageFlow(control)
  const [notes, stops, sources, printed]: [string[], string[], DataSource[], string[]] = [[], [], [], []]
  let hooks: StateHooks<unknown> | undefined
  const context: StageContext = {
    id,
    inputs: Object.fromEntries(Object.keys(stage.inputs).map((port) => [port, run.facts?.[port] ?? {}])),
    asked: [run.asked ?? {}],
    watched: run.watched,
    kernels: run.kernels ?? referenceKernels(),
    learner: (name, given = {}) => learnerNamed(name, given, run.learners ?? (stage.learner ? [stage.learner] : [])),
    flow,
    memory: runMemory(run.memory),
    above: run.above ?? { digest: '', sources: [], read: () => [] },
    enough: () => {},
    signal,
    random: randomStreams(run.seed ?? 1, id),
    splitRandom: splitStreams(run.seed ?? 1, id),
    directory: directory.path,
    file: directory.file,
    unlistedFile: directory.unlisted,
    isOwn: true,
    source: (source) => sources.push(source),
    note: (message) => notes.push(message),
    stop: (reason) => stops.push(reason),
    state: (schema, given) => {
      if (hooks) throw new PipelineError('STAGE', 'registers its state twice; expected one call of state()')
      hooks = given as StateHooks<unknown>
      if (run.state !== undefined) given.restore(checkedState(schema, run.state))
      given.begin?.()
    },
    parallel: localParallel,
    terminal: { interactive: run.interactive ?? false, write: (text) => printed.push(text) },
  }

  async function takeState(): Promise<unknown> {
    await hooks?.prepare?.()
    const state = hooks?.snapshot()
    const copy = state === undefined ? undefined : copyOf(state)
    await hooks?.sync?.()
    return copy
  }

  async function takeStateWhenIdle(): Promise<unknown> {
    while (flow.isBusy()) await control.changed()
    return takeState()
  }

  function snapshot(): Promise<unknown> {
    // `isQuiet` is false if the stage pulls no tables itself.
    return new Promise((resolve) =>
      control.settle((isQuiet) => {
        const state = isQuiet ? takeState() : takeStateWhenIdle()
        resolve(state)
        return isQuiet ? state.then(nothing, nothing) : undefined
      }),
    )
  }

  let subscribers = 0
  /** Unlocks the run directory when the last subscriber leaves. */
  function unlocking(tables: Observable<Table>): Observable<Table> {
    return new Observable((subscriber) => {
      subscribers++
      subscriber.add(() => --subscribers === 0 && directory.release())
      subscriber.add(tables.subscribe(subscriber))
    })
  }

  try {
    const made = outputsOf(stage, stage.run(options, context), inputs)
    const all = made.map(([port, tables]) => [port, unlocking(tables)] as const)
    const tables = merge(...all.map(([, tables]) => tables))
    const outputs = Object.fromEntries(all.filter(([port]) => port !== SINK))
    return { directory: directory.path, notes, stops, sources, printed, tables, outputs, snapshot }
  } catch (error) {
    directory.release()
    throw error
  }
}

function nothing(): void {}

/** The port name that stands for the output of a sink. */
const SINK = ''

/** Connects a stage to its inputs, and returns its outputs by port. A sink gets the output `SINK`, without tables. */
function outputsOf(stage: AnyStage, runner: unknown, inputs: StageInputs): [string, Observable<Table>][] {
  const wires = Object.keys(stage.inputs).map((port) => [port, from(inputs[port]!).pipe(map(ownTable))] as const)
  const fed = wires.length === 1 ? wires[0]![1] : Object.fromEntries(wires)
  const made = wires.length === 0 ? runner : (runner as (inputs: unknown) => unknown)(fed)
  const ports = Object.keys(stage.outputs)
  if (ports.length === 0) return [[SINK, from(made as Observable<never>).pipe(ignoreElements())]]
  if (ports.length === 1) return [[ports[0]!, made as Observable<Table>]]
  return ports.map((port) => [port, (made as Record<string, Observable<Table>>)[port]!])
}

function checkedOptions({ name, options }: AnyStage, given: unknown): unknown {
  const checked = options.safeParse(given)
  if (checked.success) return checked.data
  const problems = formatIssues(checked.error, options, valueFrom(given, { kind: 'code' }), `${name}: `)
  throw new PipelineError('DEFINITION', problems)
}

function checkInputs({ name, inputs }: AnyStage, given: StageInputs): void {
  const ports = Object.keys(inputs)
  const unknown = Object.keys(given).find((port) => !ports.includes(port))
  if (unknown !== undefined)
    throw new TypeError(`${name} has no input "${unknown}"; it has ${listed(ports, 'and') || 'none'}`)
  const missing = ports.find((port) => !given[port])
  if (missing !== undefined) throw new TypeError(`${name}: expected tables for the input "${missing}"`)
}

function checkedState<S extends z.ZodType>(schema: S, state: unknown): z.output<S> {
  const checked = schema.safeParse(state)
  if (checked.success) return checked.data
  throw new PipelineError('DATA', `the state is not this stage's: ${checked.error.issues[0]?.message}`)
}

/** The state, written to a checkpoint and read from it. */
function copyOf(state: unknown): unknown {
  const checkpoint = { epoch: 0, step: 1, isLast: false, definition: '', data: [], states: { state } }
  return decodeCheckpoint(encodeCheckpoint(copyCheckpoint(checkpoint))).states.state
}

function madeFolder(path: string): string {
  attempt('make the directory', path, () => makeFolder(resolve(path)))
  return resolve(path)
}

let temporary: string | undefined

function temporaryFolder(): string {
  if (temporary === undefined) {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-testing-'))
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
    temporary = folder
  }
  return mkdtempSync(join(temporary, 'run-'))
}

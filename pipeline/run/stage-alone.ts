import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Table } from 'apache-arrow'
import { from, ignoreElements, merge, Observable, type ObservableInput } from 'rxjs'
import type { z } from 'zod'
import type { Kernels } from '../../kernels/contract.js'
import { referenceKernels } from '../../kernels/reference.js'
import { PipelineError } from '../base/errors.js'
import { randomStreams } from '../base/random.js'
import { listed } from '../base/words.js'
import { defaultId } from '../definition/entries.js'
import { formatIssues } from '../definition/option-schema.js'
import { valueFrom } from '../definition/value.js'
import { copyCheckpoint, decodeCheckpoint, encodeCheckpoint } from '../directory/checkpoint.js'
import { openRunDirectory } from '../directory/run-directory.js'
import { StageFlow } from '../flow/flow.js'
import { FlowControl } from '../flow/flow-control.js'
import type { AnyStage, DataSource, Facts, StageContext, StateHooks } from '../stage/stage.js'

/** A stage and its options, as `Pipeline.define` takes them. */
export interface StageUse<S extends AnyStage = AnyStage> {
  /** The stage: what `defineStage` returned. */
  readonly use: S
  /** The id in the pipeline. Random streams depend on it. Default: the last part of the stage's name. */
  readonly id?: string
  /** The options, as a user writes them. */
  readonly with?: z.input<S['options']>
}

/** The tables of each input port. The tables of an array arrive at once; an Observable, say a Subject, sets its own pace. */
export type StageInputs<S extends AnyStage = AnyStage> = { readonly [P in keyof S['inputs']]: ObservableInput<Table> }

/** The run around the stage. */
export interface TestRun {
  /** The seed of the random streams; default 1. */
  readonly seed?: number
  /** From `openKernels` of `millrace/kernels`, and closed by the caller; default: the reference kernels, in float64. */
  readonly kernels?: Kernels
  /** The run directory, made if it is missing. Default: a temporary folder, removed when the process ends. */
  readonly directory?: string
  /** What is known about each input before data is read; default: nothing. */
  readonly facts?: Readonly<Record<string, Facts>>
  /** Whether the terminal redraws lines; default false. */
  readonly interactive?: boolean
  /** The state to resume from: what `snapshot` returned. */
  readonly state?: unknown
}

/** What the stage told its run. */
export interface TestRecord {
  /** The absolute path of the run directory, which has the stage's output files. */
  readonly directory: string
  /** The messages given to `context.note`. */
  readonly notes: readonly string[]
  /** The reasons given to `context.stop`. The inputs go on all the same. */
  readonly stops: readonly string[]
  /** The files given to `context.source`. */
  readonly sources: readonly DataSource[]
  /** The texts written to the terminal. */
  readonly printed: readonly string[]
}

/** A stage that is wired to its inputs. Nothing flows until `tables` or every one of the `outputs` is subscribed. */
export interface OpenStage extends TestRecord {
  /** The tables of all outputs. A sink has no output: it only completes. */
  readonly tables: Observable<Table>
  /** The tables of each output port. */
  readonly outputs: Readonly<Record<string, Observable<Table>>>
  /**
   * Waits until the stage is between two tables, and resolves with its state as a checkpoint would give it back, or with
   * undefined if the stage has none. Another `openStage` or `runStage` takes it as `state`.
   */
  snapshot(): Promise<unknown>
}

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
  const options = checkedOptions(stage, entry.with ?? {})
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
    kernels: run.kernels ?? referenceKernels(),
    flow,
    signal,
    random: randomStreams(run.seed ?? 1, id),
    file: directory.file,
    source: (source) => sources.push(source),
    note: (message) => notes.push(message),
    stop: (reason) => stops.push(reason),
    state: (schema, given) => {
      if (hooks) throw new PipelineError('STAGE', 'registers its state twice; expected one call of state()')
      hooks = given as StateHooks<unknown>
      if (run.state !== undefined) given.restore(checkedState(schema, run.state))
    },
    terminal: { interactive: run.interactive ?? false, write: (text) => printed.push(text) },
  }

  async function takeState(): Promise<unknown> {
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
    return new Promise((resolve) => control.settle((isQuiet) => resolve(isQuiet ? takeState() : takeStateWhenIdle())))
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

/** The port name that stands for the output of a sink. */
const SINK = ''

/** Connects a stage to its inputs, and returns its outputs by port. A sink gets the output `SINK`, without tables. */
function outputsOf(stage: AnyStage, runner: unknown, inputs: StageInputs): [string, Observable<Table>][] {
  const wires = Object.keys(stage.inputs).map((port) => [port, from(inputs[port]!)] as const)
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
  mkdirSync(path, { recursive: true })
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

import type { Table } from 'apache-arrow'
import type { Observable } from 'rxjs'
import type { z } from 'zod'
import { PipelineError } from '../base/errors.js'
import { isDueAt } from '../base/every.js'
import type { CheckpointRule } from '../definition/checkpoint.js'
import { type Checkpoint, type CheckpointCopy, copyCheckpoint } from '../directory/checkpoint.js'
import type { Configuration } from '../directory/configuration.js'
import type { RunDirectory } from '../directory/run-directory.js'
import type { Graph } from '../graph/node.js'
import type { StateHooks } from '../stage/context.js'
import type { Ports } from '../stage/port.js'
import { type Position, positionOf } from '../wires/position.js'
import { CheckpointWriter } from './checkpoint-writer.js'
import type { Recorder } from './record.js'
import type { RunningGraph } from './run-graph.js'

/** The longest delay of a timer of Node, in milliseconds. Node replaces a longer one by 1. */
const MAX_DELAY = 2 ** 31 - 1

/** What a checkpointer works with. */
export interface CheckpointerParts {
  /** The directory of the run. */
  readonly directory: RunDirectory
  /** The record of the run. */
  readonly recorder: Recorder
  /** What the states are made with. */
  readonly configuration: Configuration
  /** The checkpoint that a resumed run goes on from. */
  readonly saved: Checkpoint | undefined
}

/**
 * Decides when a run makes checkpoints, and takes the states of its stages. States are copied at a moment when no table
 * is under way between the stages; encoding, writing and syncing go on beside the training.
 */
export class Checkpointer {
  private rule: CheckpointRule
  private readonly parts: CheckpointerParts
  private readonly writer: CheckpointWriter
  private readonly hooks = new Map<string, StateHooks<unknown>>()
  private running: RunningGraph | undefined
  private timer: NodeJS.Timeout | undefined
  private position: Position | undefined
  private isDue = false
  /** Wires of parameters that have more than one step to go. */
  private open = 0
  /** The states at the end of training. They are written last. */
  private last: CheckpointCopy | undefined

  constructor(rule: CheckpointRule, parts: CheckpointerParts) {
    const { directory, recorder } = parts
    this.rule = rule
    this.parts = parts
    this.writer = new CheckpointWriter(directory, rule.keep, {
      // A process that resumes the run cannot find out the earlier notes and files by itself.
      onWrite: () => recorder.saveNews(),
      syncOutputs: () => Promise.all([...this.hooks.values()].map((hooks) => hooks.sync?.())),
      onWritten: () => recorder.checkpoints++,
    })
  }

  /** Registers the state of a stage. Restores it from the saved checkpoint, if that holds a state of this stage. */
  keep<S extends z.ZodType>(stage: string, schema: S, hooks: StateHooks<z.output<S>>): void {
    if (this.hooks.has(stage))
      throw new PipelineError('STAGE', 'registers its state twice; expected one call of state()')
    this.hooks.set(stage, hooks as StateHooks<unknown>)
    const { saved } = this.parts
    const states = saved?.states ?? {}
    // A stage may have the id `constructor`.
    if (!Object.hasOwn(states, stage)) return
    const checked = schema.safeParse(states[stage])
    if (!checked.success)
      throw new PipelineError(
        'DATA',
        `the state in the checkpoint of step ${saved!.step} is not this stage's: ${checked.error.issues[0]?.message}`,
      )
    hooks.restore(checked.data)
  }

  /** Lets every stage open its files and put them back to its state. */
  beginStages(): void {
    for (const hooks of this.hooks.values()) hooks.begin?.()
  }

  /**
   * Begins to make checkpoints, once every stage has registered its state. Throws a PipelineError `DEFINITION` if the
   * pipeline asks for checkpoints and a stage that trains keeps no state.
   */
  begin(running: RunningGraph, graph: Graph): void {
    this.running = running
    const trainers = graph.nodes.filter((node) =>
      Object.values(node.stage.outputs as Ports).some(({ type }) => type === 'parameters'),
    )
    const stateless = trainers.find((node) => !this.hooks.has(node.id))
    if (stateless && this.rule.isAsked)
      throw new PipelineError('DEFINITION', [
        {
          where: stateless.where,
          message: `${stateless.title}: keeps parameters, but does not give them to checkpoints (context.state); remove "checkpoint" or use another stage`,
        },
      ])
    if (stateless) this.rule = { ...this.rule, keep: 0 }
    const { every } = this.rule
    if (this.rule.keep > 0 && 'seconds' in every)
      this.timer = setInterval(() => this.request(), Math.min(every.seconds * 1000, MAX_DELAY)).unref()
  }

  /** Follows the steps on a wire of parameters, and makes checkpoints when the rule says so. */
  watchSteps(parameters: Observable<Table>): void {
    this.open++
    let isOpen = true
    parameters.subscribe({
      next: (table) => {
        const position = positionOf(table)
        if (isOpen && (isLastButOne(position) || isLast(position))) {
          isOpen = false
          this.open--
        }
        this.onStep(position)
      },
      error: () => {},
    })
  }

  /** Makes a last checkpoint of a run that ends early, because of an abort or because a stage stopped it. */
  onEnding(reason: 'abort' | 'stop'): Promise<void> | undefined {
    return reason === 'stop' ? this.takeLast() : this.take()
  }

  /**
   * Waits for the checkpoints under way. If the run is done, writes the states at the end of training, too. Throws a
   * PipelineError `WRITE` if a checkpoint could not be written.
   */
  async close(isDone: boolean): Promise<void> {
    clearInterval(this.timer)
    await this.writer.close(isDone ? this.last : undefined)
  }

  private onStep(position: Position): void {
    this.parts.recorder.step = position.step
    // Several models count their steps each on its own.
    if (position.step > (this.position?.step ?? 0)) this.position = position
    if (this.rule.keep === 0) return
    if (isLast(position)) this.whenQuiet(() => this.takeLast())
    else if (isLastButOne(position)) this.whenQuiet(() => this.takeBeforeEnd(position))
    else if (isDueAt(this.rule.every, position)) this.request()
  }

  /** Makes a checkpoint as soon as no table is under way between the stages. */
  private request(): void {
    if (this.isDue || !this.position) return
    this.isDue = true
    this.whenQuiet(
      () => this.take(),
      () => {
        this.isDue = false
      },
    )
  }

  /** Calls `take` when no table is under way between the stages, unless every source has ended; `first` in any case. */
  private whenQuiet(take: () => Promise<void> | undefined, first = (): void => {}): void {
    this.running!.settle((isQuiet) => {
      first()
      return isQuiet ? take()?.catch((error) => this.running!.fail(error)) : undefined
    })
  }

  private take(): Promise<void> | undefined {
    const { position } = this
    if (this.rule.keep === 0 || !position || this.isEnding() || isLast(position)) return undefined
    return this.prepared(() => this.write(position))
  }

  /** Calls `take` once every stage has its state in this process: at once, unless a state lies on a device. */
  private prepared(take: () => void): Promise<void> | undefined {
    const waits = [...this.hooks.values()].flatMap((hooks) => hooks.prepare?.() ?? [])
    if (waits.length > 0) return Promise.all(waits).then(take)
    take()
    return undefined
  }

  private write(position: Position): void {
    this.writer.write(this.copyStates(position, false), (error) => this.running!.fail(error))
  }

  /** Whether every model has made its last step but one. No checkpoint but that at the end is made then. */
  private isEnding(): boolean {
    return this.open === 0
  }

  /**
   * Makes a checkpoint before the last step, of the longest model if there are several. Stages may treat the last step
   * in their own way, as an evaluation does. A run that is made longer goes on from here, so that they see this step
   * again as one among others. So does a run that failed behind the training.
   */
  private takeBeforeEnd(position: Position): Promise<void> | undefined {
    return position === this.position ? this.prepared(() => this.write(position)) : undefined
  }

  /**
   * Copies the states at the end of training. They are written when the run is done: a run that is killed before that
   * resumes from an earlier checkpoint, so that the stages behind the training see its end again.
   */
  private takeLast(): Promise<void> | undefined {
    const { position } = this
    if (this.rule.keep === 0 || !position) return undefined
    return this.prepared(() => {
      this.last = this.copyStates(position, true)
    })
  }

  private copyStates({ epoch, step }: Position, isLast: boolean): CheckpointCopy {
    const states = [...this.hooks].map(([stage, hooks]) => [stage, hooks.snapshot()] as const)
    const known = states.filter(([, state]) => state !== undefined)
    const { directory, recorder, configuration } = this.parts
    const { definition, data, isAllRead, changes } = recorder
    const files = [...directory.files]
    const made = { definition, data, isAllRead, configuration, changes: [...changes], files }
    return copyCheckpoint({ epoch, step, isLast, ...made, states: Object.fromEntries(known) })
  }
}

function isLastButOne({ step, epochs, steps }: Position): boolean {
  return step > 0 && step === epochs * steps - 1
}

function isLast({ step, epochs, steps }: Position): boolean {
  return step > 0 && step === epochs * steps
}

import { basename, dirname, join } from 'node:path'
import type { z } from 'zod'
import { fileProblem, PipelineError } from '../base/errors.js'
import { isDueAt } from '../base/every.js'
import type { CheckpointRule } from '../definition/checkpoint.js'
import {
  type Checkpoint,
  type CheckpointCopy,
  checkpointFile,
  copyCheckpoint,
  encodeCheckpoint,
  pruneCheckpoints,
} from '../directory/checkpoint.js'
import type { RunDirectory } from '../directory/run-directory.js'
import { removeFile, syncPath, writeDurably } from '../files/files.js'
import type { Graph } from '../graph/graph.js'
import type { Ports, StateHooks } from '../stage/stage.js'
import type { Position } from '../wires/position.js'
import type { RunningGraph } from './run-graph.js'

/** What a run knows of itself, and how many checkpoints it has. */
interface About extends Pick<Checkpoint, 'definition' | 'data'> {
  checkpoints: number
  /** Writes down the files and notes so far, which whoever resumes does not find out again. */
  saveNews(): void
}

/** The longest time that Node counts, in milliseconds; of what is longer it makes 1. */
const LONGEST = 2 ** 31 - 1

/**
 * Makes the checkpoints of a run. States are taken at a moment when nothing is under way between the stages, which costs
 * a copy; encoding, writing and syncing go on beside the training. While one is being written, only the newest waits.
 */
export class Checkpointer {
  private rule: CheckpointRule
  private readonly directory: RunDirectory
  private readonly about: About
  private readonly saved: Checkpoint | undefined
  private readonly keepers = new Map<string, StateHooks<unknown>>()
  private flowing: RunningGraph | undefined
  private timer: NodeJS.Timeout | undefined
  private position: Position | undefined
  private isDue = false
  private last: CheckpointCopy | undefined
  private waiting: CheckpointCopy | undefined
  private writing: Promise<void> | undefined
  private failure: PipelineError | undefined
  private folder: string | undefined
  /** The checkpoints of this process that are kept, the newest first. */
  private readonly written: string[] = []

  /** `about` is what the run knows of itself when a checkpoint is made; `saved` is where a resumed run goes on. */
  constructor(rule: CheckpointRule, directory: RunDirectory, about: About, saved: Checkpoint | undefined) {
    this.rule = rule
    this.directory = directory
    this.about = about
    this.saved = saved
  }

  /** Registers the state of a stage, and gives it what was saved. */
  keep<S extends z.ZodType>(stage: string, schema: S, keeper: StateHooks<z.output<S>>): void {
    if (this.keepers.has(stage))
      throw new PipelineError('STAGE', 'registers its state twice; expected one call of state()')
    this.keepers.set(stage, keeper as StateHooks<unknown>)
    const states = this.saved?.states ?? {}
    // A stage may be called `constructor`.
    if (!Object.hasOwn(states, stage)) return
    const checked = schema.safeParse(states[stage])
    if (!checked.success)
      throw new PipelineError(
        'DATA',
        `the state in the checkpoint of step ${this.saved!.step} is not this stage's: ${checked.error.issues[0]?.message}`,
      )
    keeper.restore(checked.data)
  }

  /** Every stage is there: from here on checkpoints are made. Throws where they cannot be, though they were asked for. */
  begin(flowing: RunningGraph, graph: Graph): void {
    this.flowing = flowing
    const trainers = graph.nodes.filter((node) =>
      Object.values(node.stage.outputs as Ports).some(({ type }) => type === 'parameters'),
    )
    const stateless = trainers.find((node) => !this.keepers.has(node.id))
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
      this.timer = setInterval(() => this.request(), Math.min(every.seconds * 1000, LONGEST)).unref()
  }

  /** Tells that a step has been made. */
  onStep(position: Position): void {
    this.position = position
    if (this.rule.keep === 0) return
    if (isLast(position)) this.flowing?.settle((isQuiet) => isQuiet && this.takeLast())
    else if (isDueAt(this.rule.every, position)) this.request()
  }

  /** The run ends before its time: what it has reached is kept. */
  onEnding(reason: 'abort' | 'stop'): void {
    if (reason === 'stop') this.takeLast()
    else this.take()
  }

  /**
   * Waits for what is being written; after a run that is done, its last state is written, too. Throws a PipelineError
   * `WRITE` where that failed.
   */
  async close(isDone: boolean): Promise<void> {
    clearInterval(this.timer)
    await this.writing
    if (this.failure) throw this.failure
    if (isDone && this.last) await this.writeOne(this.last)
    if (this.folder !== undefined) await this.syncFolder(this.folder)
  }

  private request(): void {
    if (this.isDue || !this.position) return
    this.isDue = true
    this.flowing!.settle((isQuiet) => {
      this.isDue = false
      if (isQuiet) this.take()
    })
  }

  private take(): void {
    if (this.rule.keep === 0 || !this.position || this.last || isLast(this.position)) return
    this.write(this.snapshot(false))
  }

  /** What training ended with is written when everything that follows it is: a run that is cut off before goes back. */
  private takeLast(): void {
    if (this.rule.keep > 0 && this.position) this.last = this.snapshot(true)
  }

  private snapshot(isLast: boolean): CheckpointCopy {
    const { epoch, step } = this.position!
    const states = [...this.keepers].map(([stage, keeper]) => [stage, keeper.snapshot()] as const)
    const kept = states.filter(([, state]) => state !== undefined)
    const { definition, data } = this.about
    return copyCheckpoint({ epoch, step, isLast, definition, data, states: Object.fromEntries(kept) })
  }

  private write(checkpoint: CheckpointCopy): void {
    this.waiting = checkpoint
    this.writing ??= this.writeAll()
  }

  private async writeAll(): Promise<void> {
    try {
      for (let next = this.waiting; next; next = this.waiting) {
        this.waiting = undefined
        await this.writeOne(next)
      }
    } catch (error) {
      this.failure = error as PipelineError
      this.flowing!.fail(this.failure)
    }
    this.writing = undefined
  }

  private async writeOne(checkpoint: CheckpointCopy): Promise<void> {
    const name = checkpointFile(checkpoint)
    this.about.saveNews()
    try {
      // What it speaks of must be there when it is.
      const outputs = Promise.all([...this.keepers.values()].map((keeper) => keeper.sync?.()))
      // Where writing fails first, nobody waits for it any more.
      outputs.catch(() => {})
      await writeDurably(this.target(name), encodeCheckpoint(checkpoint), outputs)
    } catch (error) {
      throw new PipelineError('WRITE', fileProblem('write the checkpoint', name, error), { cause: error })
    }
    this.prune(name, checkpoint)
    this.about.checkpoints++
  }

  private async syncFolder(folder: string): Promise<void> {
    try {
      await syncPath(folder)
    } catch (error) {
      throw new PipelineError('WRITE', fileProblem('sync', folder, error), { cause: error })
    }
  }

  /** Where a checkpoint is written; the folder is looked at once. */
  private target(name: string): string {
    this.folder ??= dirname(this.directory.unlisted(name))
    return join(this.folder, basename(name))
  }

  /** Leaves the newest. Those from before this process go first; after that it knows what lies there, for it alone writes. */
  private prune(name: string, checkpoint: CheckpointCopy): void {
    if (this.written[0] === name) return
    this.written.unshift(name)
    if (this.written.length <= this.rule.keep) pruneCheckpoints(this.directory.path, this.rule.keep, checkpoint)
    else removeFile(this.target(this.written.pop()!))
  }
}

function isLast({ step, epochs, steps }: Position): boolean {
  return step > 0 && step === epochs * steps
}

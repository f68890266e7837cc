import type { Table } from 'apache-arrow'
import type { Observable } from 'rxjs'
import { PipelineError, type Problem } from '../base/errors.js'
import { counted } from '../base/words.js'
import type { Checkpoint } from '../directory/checkpoint.js'
import type { Graph, Node } from '../graph/node.js'
import type { Ports } from '../stage/port.js'
import { type Position, positionOf } from '../wires/position.js'
import type { RunningGraph } from './run-graph.js'

/** A resumed run that ended before its first new step. Nothing was written. */
export class Refusal extends PipelineError {}

/** A resumed run that has no further step to make. Nothing was written. */
export class NothingToDo extends Refusal {
  constructor(problems: string | readonly Problem[]) {
    super('ARGUMENTS', problems)
  }
}

/** Returns the error of a run that was refused before its first new step. */
export function refusalOf(error: PipelineError): Refusal {
  if (error instanceof Refusal) return error
  const { stage } = error
  return new Refusal(error.code, error.problems, { cause: error, ...(stage !== undefined && { stage }) })
}

/** What a `FirstStep` is made from. */
export interface FirstStepOptions {
  /** The checkpoint that the run goes on from; undefined if it begins anew. */
  readonly checkpoint: Checkpoint | undefined
  /** The last step that the run has made, if it is done: a longer run must go beyond it. */
  readonly lastStep: number | undefined
  /** Writes what the run has held back until now. */
  readonly begin: () => void
}

/**
 * Finds the first new step of a resumed run. Until then data, options and states are checked, and the run may be
 * refused; so everything that would be written waits. A run without a new step ends with `NothingToDo`.
 */
export class FirstStep {
  /** Whether the first new step has been made. */
  isMade = false
  private readonly options: FirstStepOptions
  private readonly trainers: ReadonlySet<Node>
  private readonly fed: ReadonlySet<string>
  private running: RunningGraph | undefined
  /** Training stages that may still make a step. */
  private open: number

  constructor(graph: Graph, options: FirstStepOptions) {
    this.options = options
    this.trainers = new Set(graph.nodes.filter(isTraining))
    this.open = this.trainers.size
    const sinks = graph.nodes.filter(({ stage }) => Object.keys(stage.outputs).length === 0)
    this.fed = new Set(sinks.flatMap(({ inputs }) => [...inputs.values()].map(({ id, port }) => `${id}.${port}`)))
  }

  /** Watches a wire. Call it before any other subscriber of the wire. */
  watch(node: Node, port: string, wire: Observable<Table>): void {
    const { type } = node.stage.outputs[port]!
    let isEmpty = true
    const subscription = wire.subscribe({
      next: (table) => {
        isEmpty = false
        if (this.isMade) return subscription.unsubscribe()
        const position = positionOf(table)
        if (this.isPast(position, `${node.id}.${port}`)) this.fail(nothingToDo(this.options, position))
        else if (this.isNew(node, type, `${node.id}.${port}`, position)) this.begin()
      },
      error: () => {},
      complete: () => {
        if (this.isMade) return
        if (type === 'batch' && isEmpty && this.options.checkpoint) this.fail(tooShort(this.options))
        else if (type === 'parameters' && this.trainers.has(node)) {
          if (--this.open === 0) this.fail(nothingToDo(this.options, undefined))
        } else if (this.trainers.size === 0) this.begin()
      },
    })
  }

  /** Tells that the stages are wired. */
  start(running: RunningGraph): void {
    this.running = running
  }

  /** Writes what was held back, if that has not happened yet. */
  begin(): void {
    if (this.isMade) return
    this.isMade = true
    try {
      this.options.begin()
    } catch (error) {
      this.fail(error as PipelineError)
    }
  }

  /** No error can leave a subscriber of a wire. The run ends here, before any stage sees the table. */
  private fail(error: PipelineError): void {
    this.running!.fail(error)
  }

  /** Whether the run ends at a step that it has already made. Several models count their steps each on its own. */
  private isPast({ epochs, steps }: Position, wire: string): boolean {
    if (steps === 0) return false
    const { checkpoint, lastStep = checkpoint?.step ?? 0 } = this.options
    if (this.trainers.size === 1) return epochs * steps <= lastStep
    return [...this.trainers].some(
      (node) =>
        [...node.inputs.values()].some(({ id, port }) => `${id}.${port}` === wire) &&
        epochs * steps < stepsOf(checkpoint?.states[node.id]),
    )
  }

  /** Whether a table shows that the run goes on, or may make a sink write. */
  private isNew(node: Node, type: string, wire: string, { step }: Position): boolean {
    if (type === 'metrics' || (type === 'parameters' && this.trainers.has(node))) return true
    return this.fed.has(wire) && step > (this.options.checkpoint?.step ?? -1)
  }
}

/** The steps that a model has made, if its state tells. */
function stepsOf(state: unknown): number {
  const { step } = (state ?? {}) as { readonly step?: unknown }
  return typeof step === 'number' ? step : 0
}

/** Whether a stage makes parameters by training on batches, and does not only pass on those of another stage. */
export function isTraining({ stage }: Node): boolean {
  const [inputs, outputs] = [stage.inputs, stage.outputs].map((ports) =>
    Object.values(ports as Ports).map(({ type }) => type),
  )
  return outputs!.includes('parameters') && (inputs!.includes('batch') || !inputs!.includes('parameters'))
}

function nothingToDo({ checkpoint, lastStep }: FirstStepOptions, position: Position | undefined): PipelineError {
  if (lastStep === undefined)
    return new Refusal(
      'ARGUMENTS',
      `no step is left: the run has made ${counted(checkpoint?.step ?? 0, 'step')} before it was stopped, and the definition asks for no more; give it more epochs`,
    )
  if (position && position.epochs * position.steps < lastStep) return tooShort({ checkpoint, lastStep })
  return new NothingToDo(`nothing to do: the run has made its ${counted(lastStep, 'step')}; nothing was changed`)
}

function tooShort({ checkpoint, lastStep = checkpoint?.step ?? 0 }: Omit<FirstStepOptions, 'begin'>): PipelineError {
  const epochs = checkpoint ? `is in epoch ${checkpoint.epoch} and ` : ''
  return new Refusal(
    'ARGUMENTS',
    `the run ${epochs}has made ${counted(lastStep, 'step')}, and the definition now ends before that; give it more epochs, or begin a new run`,
  )
}

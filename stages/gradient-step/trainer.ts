import type { Table } from 'apache-arrow'
import { EMPTY, from, ignoreElements, type Observable } from 'rxjs'
import { etaAt, mostInStep } from '../../learners/index.js'
import {
  counted,
  isDueAt,
  kernelRows,
  type Numbers,
  type OpenModel,
  type Parallel,
  PipelineError,
  type Position,
  positionOf,
  type Rows,
  type StageContext,
  slices,
} from '../../pipeline/stage-kit.js'
import { dividedStep } from './divided-step.js'
import { firstParameters } from './initial-arrays.js'
import {
  identityOf,
  type OpenTraining,
  openTraining,
  type Training,
  type TrainingState,
  trainingState,
} from './open-training.js'
import { makePlateau } from './plateau.js'

/**
 * Returns `train`, which makes one step per batch and returns the parameters after it; `finish`, which the last batch is
 * followed by; and `free`.
 */
export function makeTrainer(training: Training, context: StageContext) {
  const { learner, options, rule } = training
  let model: OpenModel | undefined
  let isFreed = false
  let open: OpenTraining | undefined
  let last: Position | undefined
  let saved: TrainingState | undefined
  let stepTogether: ReturnType<typeof dividedStep> | undefined

  context.state(trainingState, {
    prepare: () => open?.ahead?.mirror.refresh(),
    snapshot: () =>
      open && last
        ? ({
            step: last.step,
            steps: last.steps,
            learner: identityOf(training),
            rule: rule.name,
            ...open.arrays,
            ...open.stepper.state(),
            ...plateauState(),
          } as TrainingState)
        : saved,
    restore: (restored) => {
      saved = restored
    },
  })

  // A file of first parameters is read before any data.
  const begin = saved ? undefined : firstParameters(options.init, context)

  const lastStep = (): number => last?.step ?? saved?.step ?? 0
  const plateau = makePlateau(options.eta, context.watched, saved?.plateau as Numbers | undefined, lastStep)

  function plateauState(): { readonly plateau?: Float64Array } {
    const state = plateau.state()
    return state ? { plateau: state } : {}
  }

  function etaOf(position: Position): number {
    return etaAt(options.eta, position, options.warmUp, plateau.reductions())
  }

  const isStartAsked = context.asked.some(({ start }) => start)
  const measured = context.asked.flatMap(({ gradientNorm }) => gradientNorm ?? [])

  const reads = context.asked.map(({ arrays }) => arrays ?? { steps: 1 })

  /** Whether a stage below reads the parameters of this step. Those of the last one are always there. */
  function isRead(position: Position): boolean {
    return isLast(position) || reads.some((every) => every !== 'last' && isDueAt(every, position))
  }

  /** Whether a stage below has asked for the norm of the gradient of this step. */
  function isMeasured(position: Position): boolean {
    return measured.some((every) => isDueAt(every, position))
  }

  function train(batch: Table): Table[] | Promise<Table> | AsyncIterable<Table> | Observable<Table> {
    if (open) return trainOn(open, batch)
    // `pull` holds the first step back until the stages below are done with the parameters before it.
    return isStartAsked && !saved ? context.flow.pull(trainFirst(batch)) : trainFirst(batch)
  }

  async function* trainFirst(batch: Table): AsyncGenerator<Table> {
    const onOpen = (opened: OpenModel): void => {
      model = opened
    }
    open = await openTraining(training, context, batch, { saved, first: begin, checkLoss, onOpen })
    // The stage may have been unsubscribed while the parameters were read.
    if (isFreed) return
    if (isStartAsked && !saved) yield open.emit({ ...positionOf(batch), epoch: 0, step: 0 }, 0)
    const tables = trainOn(open, batch)
    if (tables instanceof Promise) yield await tables
    else yield* tables
  }

  function trainOn(open: OpenTraining, batch: Table): Table[] | Promise<Table> {
    if (saved && isSeen(batch, saved)) return []
    open.ahead?.check()
    if (context.parallel.isDivided) return trainTogether(open, batch, context.parallel)
    const position = positionOf(batch)
    const draw = drawOf(open, position)
    const rows = open.stepRows.prepared(kernelRows(batch), draw)
    return isMeasured(position) ? stepMeasured(open, position, rows, draw) : stepOnRows(open, position, rows, draw)
  }

  /** Makes a step, and measures its gradient. */
  async function stepMeasured(open: OpenTraining, position: Position, rows: Rows, draw: number): Promise<Table> {
    await open.stepper.measure(rows)
    const stepped = stepOnRows(open, position, rows, draw)
    return stepped instanceof Promise ? stepped : stepped[0]!
  }

  function stepOnRows(open: OpenTraining, position: Position, rows: Rows, draw: number): Table[] | Promise<Table> {
    const most = mostInStep(rows, open.model)
    return rows.labels.length <= most
      ? stepOn(open, position, rows, draw)
      : stepInSlices(open, position, rows, draw, most)
  }

  /** The random number of a step, the same on every rank and in a resumed run; 0 if nothing is drawn from it. */
  function drawOf({ stepRows: { isRandom } }: OpenTraining, { step }: Position): number {
    return isRandom ? Math.floor(context.random('dropout', step).uniform() * 2 ** 53) : 0
  }

  /** Makes a step on a batch that is too large for one kernel call: accumulates all slices but the last, then steps. */
  async function stepInSlices(
    open: OpenTraining,
    position: Position,
    rows: Rows,
    draw: number,
    most: number,
  ): Promise<Table> {
    const pieces = [...slices(rows, most)]
    const last = pieces.pop()!
    for (const piece of pieces) {
      open.model.accumulate(piece)
      await context.flow.yieldToEventLoop()
    }
    const stepped = stepOn(open, position, last, draw)
    return stepped instanceof Promise ? stepped : stepped[0]!
  }

  function stepOn(open: OpenTraining, position: Position, rows: Rows, draw: number): Table[] | Promise<Table> {
    const eta = etaOf(position)
    const loss = open.stepper.step(rows, eta, position.step)
    // A promise would cost more than everything else here, so none is made if the loss is already known.
    if (typeof loss === 'number') return [checked(open, loss, position, eta, draw)]
    if (!open.ahead) return loss.then((found) => checked(open, found, position, eta, draw))
    const wait = open.ahead.add(loss, position, eta, isRead(position))
    return wait ? wait.then(() => stepped(open, position, eta, draw)) : [stepped(open, position, eta, draw)]
  }

  function checked(open: OpenTraining, loss: number, position: Position, eta: number, draw: number): Table {
    checkLoss(loss, position, eta)
    return stepped(open, position, eta, draw)
  }

  function checkLoss(loss: number, position: Position, eta: number): void {
    if (!Number.isFinite(loss) && options.onDivergence === 'stop') throw diverged(position, eta, loss)
  }

  /** The parameters after a step. */
  function stepped(
    { emit, stepper, stepRows: { isRandom } }: OpenTraining,
    position: Position,
    eta: number,
    draw: number,
  ): Table {
    last = position
    const gradientNorm = stepper.takeNorm()
    return emit(position, eta, { ...(isRandom && { draw }), ...(gradientNorm !== undefined && { gradientNorm }) })
  }

  /** The same step on every rank, each with the rows of its shards. */
  async function trainTogether(open: OpenTraining, batch: Table, parallel: Parallel): Promise<Table> {
    const position = positionOf(batch)
    if (!stepTogether) {
      if (open.model.needsWholeBatch)
        throw new PipelineError(
          'DATA',
          `the learner "${learner.name}" needs the whole batch in one process, for the statistics of the batch: a divided ` +
            'run cannot train it; turn batchNorm off, or leave parallel out',
        )
      const { epochs, steps } = position
      const parameters = Object.values(open.arrays).reduce((sum, { length }) => sum + length, 0)
      await parallel.agree({ ...options, epochs, steps, parameters })
      stepTogether = dividedStep(open, parallel, context)
    }
    const eta = etaOf(position)
    const draw = drawOf(open, position)
    if (isMeasured(position)) await open.stepper.measure(undefined)
    return checked(open, await stepTogether(batch, position, eta, draw), position, eta, draw)
  }

  /** Waits until the losses of all steps are known and the last parameters are here, if they are on a device. */
  function finish(): Observable<never> {
    return open?.ahead ? from(open.ahead.mirror.refresh()).pipe(ignoreElements()) : EMPTY
  }

  function free(): void {
    isFreed = true
    plateau.end()
    model?.free()
  }

  return { train, finish, free }
}

function isLast({ step, epochs, steps }: Position): boolean {
  return step === epochs * steps
}

/** Whether the checkpoint of a resumed run already includes the step on this batch. */
function isSeen(batch: Table, saved: TrainingState): boolean {
  const { step, steps } = positionOf(batch)
  if (steps !== saved.steps)
    throw new PipelineError(
      'DATA',
      `the checkpoint was made with ${counted(saved.steps, 'step')} an epoch, now there are ${steps}`,
    )
  return step <= saved.step
}

function diverged({ epoch, step }: Position, eta: number, loss: number): PipelineError {
  return new PipelineError(
    'DIVERGED',
    `the loss is ${loss} in epoch ${epoch}, step ${step}, with eta ${eta}; a smaller eta may help ` +
      '(onDivergence: continue goes on)',
  )
}

import type { Table } from 'apache-arrow'
import { EMPTY, from, ignoreElements, type Observable } from 'rxjs'
import { etaAt, mostInStep, type StepRows, stepRows, type UpdateRule, weightsOfClasses } from '../../learners/index.js'
import {
  type AnyLearner,
  type ArraySpec,
  type Arrays,
  inputMapOf,
  isDueAt,
  kernelRows,
  layoutOf,
  type Numbers,
  type OpenModel,
  openModel,
  type Parallel,
  PipelineError,
  type Position,
  parametersTables,
  positionOf,
  type Rows,
  type StageContext,
  slices,
  widthOf,
  z,
} from '../../pipeline/stage-kit.js'
import { dividedStep } from './divided-step.js'
import { firstParameters } from './initial-arrays.js'
import type { TrainingOptions } from './options.js'
import { makePlateau } from './plateau.js'
import { makeStepper, type Stepper } from './step.js'
import { type StepsAhead, stepsAhead } from './steps-ahead.js'

const numbers = z.custom<Numbers>((value) => value instanceof Float32Array || value instanceof Float64Array)

/**
 * The last step that was made, the learner with its options and the update rule (version 0.1.0 kept neither, and had no
 * rule but sgd), and by name the parameters that the step led to and the state of the update rule.
 */
const state = z
  .object({ step: z.int(), steps: z.int(), learner: z.string().optional(), rule: z.string().default('sgd') })
  .catchall(numbers)

type State = z.output<typeof state>

/** The parts that a trainer combines. */
export interface Training {
  /** The learner to train. */
  readonly learner: AnyLearner
  /** The learner's own options. */
  readonly own: Readonly<Record<string, unknown>>
  /** The options of the stage. */
  readonly options: TrainingOptions
  /** The update rule. */
  readonly rule: UpdateRule
}

/** A model in training. */
interface OpenTraining {
  readonly model: OpenModel
  /** The live parameters. */
  readonly arrays: Arrays
  readonly specs: readonly ArraySpec[]
  readonly stepper: Stepper
  readonly stepRows: StepRows
  /** The steps of a model on a device. */
  readonly ahead: StepsAhead | undefined
  readonly emit: ReturnType<typeof parametersTables>
}

/**
 * Returns `train`, which makes one step per batch and returns the parameters after it; `finish`, which the last batch is
 * followed by; and `free`.
 */
export function makeTrainer({ learner, own, options, rule }: Training, context: StageContext) {
  let model: OpenModel | undefined
  let isFreed = false
  const identity = JSON.stringify([learner.name, own])
  let open: OpenTraining | undefined
  let last: Position | undefined
  let saved: State | undefined
  let stepTogether: ReturnType<typeof dividedStep> | undefined

  context.state(state, {
    prepare: () => open?.ahead?.mirror.refresh(),
    snapshot: () =>
      open && last
        ? ({
            step: last.step,
            steps: last.steps,
            learner: identity,
            rule: rule.name,
            ...open.arrays,
            ...open.stepper.state(),
            ...plateauState(),
          } as State)
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

  /** Opens the model for the features and classes of the first batch. */
  async function openFor(batch: Table): Promise<OpenTraining> {
    const layout = layoutOf(batch)
    const { shape, classes, names } = layout
    if (classes.length < 2) throw new PipelineError('DATA', `expected at least 2 classes, found ${classes.length}`)
    const classWeights = options.classWeights && weightsOfClasses(options.classWeights, layout)
    if (layout.weighted && !learner.weighsRows)
      throw new PipelineError(
        'DATA',
        `the rows have weights, and the learner "${learner.name}" does not weigh rows; load them without weights`,
      )
    const weighted = classWeights !== undefined || layout.weighted === true
    const data = { features: widthOf(shape), classes: classes.length, weighted }
    const specs = learner.arrays(data, own)
    checkNames(learner.name, specs)
    if (saved?.learner !== undefined && saved.learner !== identity)
      throw new PipelineError(
        'DATA',
        `the checkpoint is of the learner ${saved.learner}, this stage trains ${identity}; put the definition back, or begin a new run`,
      )
    if (saved && saved.rule !== rule.name)
      throw new PipelineError(
        'DATA',
        `the checkpoint is of the update rule ${saved.rule}, this stage has ${rule.name}; put the definition back, or ` +
          'begin a new run with init: { from: … }',
      )
    model = openModel(learner, context.kernels, data, own)
    model.load(saved ? fitting(saved, specs) : begin!(specs))
    const arrays = await model.read()
    if ((await model.read())[specs[0]!.name] !== arrays[specs[0]!.name])
      throw new PipelineError(
        'STAGE',
        `the learner "${learner.name}" reads copies of its parameters, expected the live arrays`,
      )
    const { lambda, l1, clip } = options
    const parts = { model, specs, rule, lambda, l1, clip, kernels: context.kernels }
    const stepper = makeStepper(parts, saved ?? {}, context.flow)
    const most = model.stepsAhead ?? 0
    const ahead = most > 0 ? stepsAhead(model, stepper.isWhole ? most : 1, lastStep(), checkLoss) : undefined
    const described: Parameters<typeof parametersTables>[0] = {
      learner: learner.name,
      options: own,
      shape,
      names,
      columns: layout.columns,
      label: layout.label,
      type: kernelRows(batch).values instanceof Uint8Array ? 'uint8' : 'float32',
      classes,
      affine: inputMapOf(layout),
      lambda: options.lambda,
      ...(options.l1 > 0 && { l1: options.l1 }),
      ...(classWeights && { classWeights }),
      ...((rule.name !== 'sgd' || options.clip !== undefined) && { update: nameOf(rule, options) }),
      arrays: specs.map((spec) => ({ name: spec.name, shape: spec.shape, values: arrays[spec.name]! })),
    }
    const emit = parametersTables(described, ahead?.mirror)
    return { model, arrays, specs, stepper, stepRows: stepRows(learner, data, own, classWeights), ahead, emit }
  }

  function train(batch: Table): Table[] | Promise<Table> | AsyncIterable<Table> | Observable<Table> {
    if (open) return trainOn(open, batch)
    // `pull` holds the first step back until the stages below are done with the parameters before it.
    return isStartAsked && !saved ? context.flow.pull(trainFirst(batch)) : trainFirst(batch)
  }

  async function* trainFirst(batch: Table): AsyncGenerator<Table> {
    open = await openFor(batch)
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

function nameOf({ name }: UpdateRule, { clip }: TrainingOptions): string {
  return clip === undefined ? name : `${name} with clip: ${clip}`
}

/** The restored parameters. Throws a PipelineError `DATA` if the data has changed its width or classes since. */
function fitting(saved: Readonly<Record<string, unknown>>, specs: readonly ArraySpec[]): Arrays {
  const entries = specs.map(({ name, shape }) => {
    const values = saved[name] as Numbers | undefined
    const size = widthOf(shape)
    if (values?.length !== size)
      throw new PipelineError(
        'DATA',
        `the checkpoint has ${values?.length ?? 'no'} numbers for the array ${name}, the data needs ${shape.join('×')}`,
      )
    return [name, values] as const
  })
  return Object.fromEntries(entries)
}

/** Throws if an array has a name that a checkpoint or an export uses for something else. */
function checkNames(learner: string, specs: readonly ArraySpec[]): void {
  for (const { name } of specs)
    if (/^(step|steps|learner|mean|plateau|scale|rule(\..*)?)$/.test(name))
      throw new PipelineError(
        'STAGE',
        `the learner "${learner}" has an array "${name}"; that name is reserved, rename it`,
      )
}

/** Whether the checkpoint of a resumed run already includes the step on this batch. */
function isSeen(batch: Table, saved: State): boolean {
  const { step, steps } = positionOf(batch)
  if (steps !== saved.steps)
    throw new PipelineError(
      'DATA',
      `the checkpoint was made with ${saved.steps} steps an epoch, now there are ${steps}`,
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

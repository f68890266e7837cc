import type { Table } from 'apache-arrow'
import { type StepRows, stepRows, type UpdateRule, weightsOfClasses } from '../../learners/index.js'
import {
  type AnyLearner,
  type ArraySpec,
  type Arrays,
  inputMapOf,
  kernelRows,
  layoutOf,
  type Numbers,
  type OpenModel,
  openModel,
  PipelineError,
  type Position,
  parametersTables,
  type StageContext,
  widthOf,
  z,
} from '../../pipeline/stage-kit.js'
import type { TrainingOptions } from './options.js'
import { makeStepper, type Stepper } from './step.js'
import { type StepsAhead, stepsAhead } from './steps-ahead.js'

const numbers = z.custom<Numbers>((value) => value instanceof Float32Array || value instanceof Float64Array)

/**
 * The last step that was made, the learner with its options and the update rule (version 0.1.0 kept neither, and had no
 * rule but sgd), and by name the parameters that the step led to and the state of the update rule.
 */
export const trainingState = z
  .object({ step: z.int(), steps: z.int(), learner: z.string().optional(), rule: z.string().default('sgd') })
  .catchall(numbers)

/** The state of a training stage in a checkpoint. */
export type TrainingState = z.output<typeof trainingState>

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

/** Learner and options as a checkpoint names them. */
export function identityOf({ learner, own }: Training): string {
  return JSON.stringify([learner.name, own])
}

/** A model in training. */
export interface OpenTraining {
  /** The model. */
  readonly model: OpenModel
  /** The live parameters, or the copy of those that a device trains. */
  readonly arrays: Arrays
  /** Its arrays. */
  readonly specs: readonly ArraySpec[]
  /** Makes its steps. */
  readonly stepper: Stepper
  /** Prepares the rows of a step. */
  readonly stepRows: StepRows
  /** The steps of a model on a device. */
  readonly ahead: StepsAhead | undefined
  /** Makes the tables of its parameters. */
  readonly emit: ReturnType<typeof parametersTables>
}

/** What a model in training begins with, and who is told of it. */
export interface Beginning {
  /** The state to go on from, if the run is resumed. */
  readonly saved: TrainingState | undefined
  /** Makes the first parameters of a new run. */
  readonly first: ((specs: readonly ArraySpec[]) => Arrays) | undefined
  /** Throws if the run must not go on after this loss. */
  readonly checkLoss: (loss: number, position: Position, eta: number) => void
  /** Gets the model once it is there: it must be freed, also if this fails. */
  readonly onOpen: (model: OpenModel) => void
}

/**
 * Opens the model for the features and classes of the first batch. Rejects with a PipelineError `DATA` if the data or the
 * checkpoint do not fit it, `STAGE` if the learner has a fault.
 */
export async function openTraining(
  training: Training,
  context: StageContext,
  batch: Table,
  { saved, first, checkLoss, onOpen }: Beginning,
): Promise<OpenTraining> {
  const { learner, own, options, rule } = training
  const identity = identityOf(training)
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
  const model = openModel(learner, context.kernels, data, own)
  onOpen(model)
  model.load(saved ? fitting(saved, specs) : first!(specs))
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
  const ahead = most > 0 ? stepsAhead(model, stepper.isWhole ? most : 1, saved?.step ?? 0, checkLoss) : undefined
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

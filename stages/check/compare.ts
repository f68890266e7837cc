import type { Table } from 'apache-arrow'
import { type KernelName, openKernels } from '../../kernels/index.js'
import { addPenalty, stepRows } from '../../learners/index.js'
import {
  arraysOf,
  counted,
  kernelRows,
  layoutOf,
  modelOf,
  openModel,
  PipelineError,
  type Position,
  positionOf,
  type StageContext,
  trainedOf,
  widthOf,
} from '../../pipeline/stage-kit.js'
import { agreement, gradientOf, type Subject } from './analytic.js'
import { costAround } from './cost.js'
import { type Analytic, differences } from './differences.js'
import { observedStep } from './observed.js'
import { type GradientCheck, uncheckedStep } from './table.js'

/** One step of a run: its batch, and the parameters before and after it. */
export interface ObservedStep {
  /** The batch of the step. */
  readonly batch: Table
  /** The parameters before the step. */
  readonly before: Table
  /** The parameters after the step. */
  readonly after: Table
}

/** See the options of `check/gradient`. */
export interface CompareOptions {
  /** Number of features whose weights are checked. */
  readonly features: number | 'all'
  /** Step sizes of the differences. */
  readonly h: readonly number[]
  /** Weights of the penalty. Default: 0 and that of the model (0.1 if that is 0). */
  readonly lambdas?: readonly number[] | undefined
  /** Largest absolute error that is accepted against differences. */
  readonly threshold: number
  /** The fast kernels to compare with the reference. */
  readonly kernels: readonly KernelName[]
  /** Largest relative error of a fast kernel that is accepted. */
  readonly kernelThreshold: number
}

/** Makes all comparisons of `check/gradient`. Returns the position of the step and the rows of the table. */
export async function compareGradients(
  observed: ObservedStep,
  options: CompareOptions,
  context: StageContext,
): Promise<[Position, GradientCheck[]]> {
  const [before, after] = [modelOf(observed.before), modelOf(observed.after)]
  const parameters = arraysOf(before)
  const isWeighted = layoutOf(observed.batch).weighted === true
  const subject = subjectOf(before, isWeighted, context)
  const { learner, own, data, specs } = subject
  const { features: width } = data
  // With the masks that the step itself had.
  const rows = stepRows(learner, data, own, before.classWeights).prepared(kernelRows(observed.batch), after.draw ?? 0)
  const count = rows.labels.length
  if (rows.values.length !== count * width)
    throw new PipelineError(
      'DATA',
      `the parameters are for ${counted(width, 'feature')}, the batch has ${rows.values.length / count}`,
    )
  const lambdas = [...new Set(options.lambdas ?? [0, before.lambda || 0.1])]
  const reference = await openKernels({ kernel: 'reference' })
  const gradients: Analytic[] = []
  const { l1 = 0 } = before
  const step = observedStep(parameters, after, options.threshold)
  if (typeof step === 'string') context.note(step)
  else gradients.push({ gradient: 'step', ...step })
  for (const lambda of lambdas) {
    const arrays = await gradientOf(subject, reference, rows, parameters, lambda, context)
    if (l1 > 0) addPenalty(arrays, parameters, specs, { lambda: 0, l1 })
    gradients.push({ gradient: 'reference', lambda, arrays })
  }
  const { h, threshold, kernels, kernelThreshold } = options
  const sampled = options.features === 'all' ? width : Math.min(width, options.features)
  const features = context.random('features').permutation(width).subarray(0, sampled).sort()
  const pause = (): Promise<void> | undefined => {
    context.signal.throwIfAborted()
    return context.flow.yieldToEventLoop()
  }
  const model = openModel(learner, reference, data, own)
  model.load(parameters)
  const cost = await costAround(subject, model, rows, parameters, pause)
  const compared = await differences({ cost, specs, parameters, gradients, l1, width, features, h, threshold, pause })
  model.free()
  const fast = { reference, kernels, lambdas, rows, parameters, threshold: kernelThreshold }
  compared.push(...(await agreement(subject, fast, context)))
  const unchecked =
    typeof step === 'string' ? specs.map(({ name }) => uncheckedStep(name, before.lambda, threshold)) : []
  const checks = [...unchecked, ...compared].map((row) => ({
    ...row,
    examples: count,
    size: parameters[row.array]!.length,
  }))
  return [positionOf(observed.after), checks]
}

/** Returns the learner of the parameters. Throws a PipelineError `DATA` if their arrays do not fit the learner. */
function subjectOf(
  { learner: name, options: own, shape, classes, classWeights, arrays }: ReturnType<typeof modelOf>,
  isWeighted: boolean,
  context: StageContext,
): Subject {
  const learner = context.learner(name, own)
  const data = { features: widthOf(shape), classes: classes.length, weighted: isWeighted || classWeights !== undefined }
  const specs = learner.arrays(data, own)
  const extra = arrays.find((array) => !specs.some((spec) => spec.name === array.name))
  if (extra)
    throw new PipelineError(
      'DATA',
      `the parameters have an array ${extra.name}, which the learner "${name}" does not know`,
    )
  for (const spec of specs) {
    const array = arrays.find((array) => array.name === spec.name)
    if (String(array?.shape) !== String(spec.shape))
      throw new PipelineError(
        'DATA',
        `the learner "${name}" has an array ${spec.name} of ${spec.shape.join('×')}, ` +
          `the parameters have ${array ? array.shape.join('×') : 'none of that name'}`,
      )
  }
  // Steps change averages, but not along a gradient, and no arrays of frozen layers.
  return { learner, own, data, specs: trainedOf(specs) }
}

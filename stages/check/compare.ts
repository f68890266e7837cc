import type { Table } from 'apache-arrow'
import { type KernelName, openKernels, rowsPerCall } from '../../kernels/index.js'
import {
  modelOf,
  PipelineError,
  type Position,
  positionOf,
  rowsOf,
  type StageContext,
  softmaxParameters,
} from '../../pipeline/stage-kit.js'
import { agreement, gradientOf } from './analytic.js'
import { lossAround } from './cost.js'
import { type Analytic, differences } from './differences.js'
import { observedStep } from './observed.js'
import type { GradientCheck } from './table.js'

/** One step of a run: its batch, and the parameters before and after it. */
export interface Seen {
  readonly batch: Table
  readonly before: Table
  readonly after: Table
}

/** See the options of `check/gradient`. */
export interface Comparing {
  readonly features: number | 'all'
  readonly h: readonly number[]
  readonly lambdas?: readonly number[] | undefined
  readonly threshold: number
  readonly kernels: readonly KernelName[]
  readonly kernelThreshold: number
}

/** Makes every comparison of `check/gradient`, and says at which position. */
export async function compareGradients(
  seen: Seen,
  options: Comparing,
  context: StageContext,
): Promise<[Position, GradientCheck[]]> {
  const rows = rowsOf(seen.batch)
  const model = modelOf(seen.before)
  const parameters = softmaxParameters(model)
  const [count, classes] = [rows.labels.length, parameters.b.length]
  const width = parameters.W.length / classes
  if (rows.values.length !== count * width)
    throw new PipelineError(
      'DATA',
      `the parameters are for ${width} features, the batch has ${rows.values.length / count}`,
    )
  const lambdas = [...new Set(options.lambdas ?? [0, model.lambda || 0.1])]
  const reference = await openKernels({ kernel: 'reference' })
  const gradients: Analytic[] = []
  const step = observedStep(parameters, modelOf(seen.after), options.threshold)
  if (typeof step === 'string') context.note(step)
  else gradients.push({ gradient: 'step', ...step })
  for (const lambda of lambdas)
    gradients.push({
      gradient: 'reference',
      lambda,
      ...(await gradientOf(reference, rows, parameters, lambda, context)),
    })
  const classifier = reference.softmax(width, classes)
  classifier.load(parameters)
  const { h, threshold, kernels, kernelThreshold } = options
  const sampled = options.features === 'all' ? width : Math.min(width, options.features)
  const features = context.random('features').permutation(width).subarray(0, sampled).sort()
  const loss = await lossAround(classifier, rows, rowsPerCall(reference, classifier), context)
  const yieldToEventLoop = (): Promise<void> | undefined => {
    context.signal.throwIfAborted()
    return context.flow.yieldToEventLoop()
  }
  const compared = await differences({ loss, parameters, gradients, features, h, threshold, yieldToEventLoop })
  const fast = { reference, kernels, lambdas, rows, parameters, threshold: kernelThreshold }
  compared.push(...(await agreement(fast, context)))
  const checks = compared.map((row) => ({ ...row, examples: count, size: parameters[row.array].length }))
  return [positionOf(seen.after), checks]
}

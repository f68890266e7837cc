import { type KernelName, openKernels } from '../../kernels/index.js'
import { accumulate } from '../../learners/index.js'
import {
  type AnyLearner,
  type ArraySpec,
  type Arrays,
  type Kernels,
  type LearnerData,
  messageOf,
  openModel,
  type Rows,
  type StageContext,
} from '../../pipeline/stage-kit.js'
import { type Comparison, indexOf, Tally } from './tally.js'

/** The learner whose gradients are checked, with its options and the size of the data. */
export interface Subject {
  /** The learner. */
  readonly learner: AnyLearner
  /** The learner's own options. */
  readonly own: Readonly<Record<string, unknown>>
  /** The number of features and classes. */
  readonly data: LearnerData
  /** The arrays that are trained. */
  readonly specs: readonly ArraySpec[]
}

/** Returns the gradient of the mean cost over all rows that a learner computes with a kernel, slice by slice. */
export async function gradientOf(
  { learner, own, data }: Subject,
  kernels: Kernels,
  rows: Rows,
  parameters: Arrays,
  lambda: number,
  { flow }: Pick<StageContext, 'flow'>,
): Promise<Arrays> {
  const model = openModel(learner, kernels, data, own)
  try {
    model.load(parameters)
    await accumulate(rows, model, flow)
    const { arrays } = await model.gradient(lambda)
    return Object.fromEntries(Object.entries(arrays).map(([name, values]) => [name, values.slice()]))
  } finally {
    model.free()
  }
}

/** The kernels that are compared, and the data they are compared on. */
export interface Agreement {
  /** The opened reference kernels. */
  readonly reference: Kernels
  /** The kernels to compare with the reference. */
  readonly kernels: readonly KernelName[]
  /** Weights of the penalty. */
  readonly lambdas: readonly number[]
  /** The rows of the batch. */
  readonly rows: Rows
  /** The parameters at which the gradients are taken. */
  readonly parameters: Arrays
  /** Largest relative error that is accepted. */
  readonly threshold: number
}

/** The share of the largest magnitude of all arrays that errors are at least relative to. */
const LEAST_SCALE = 0.1

/**
 * Compares the gradients of the fast kernels with the gradients of the reference kernel, element by element. Errors are
 * relative to the largest magnitude in the array, or to a tenth of the largest
 * in any array: the gradient by a bias that a normalisation takes away is zero but for rounding. All kernels start from the same float32 parameters. If this machine
 * does not have a kernel, it is left out with a note.
 */
export async function agreement(subject: Subject, task: Agreement, context: StageContext): Promise<Comparison[]> {
  const { reference, rows, lambdas, threshold } = task
  const parameters = Object.fromEntries(
    Object.entries(task.parameters).map(([name, values]) => [name, Float32Array.from(values)]),
  )
  const checks: Comparison[] = []
  for (const kernel of task.kernels) {
    let kernels: Kernels
    try {
      kernels = await openKernels({ kernel, threads: 1 })
    } catch (error) {
      context.note(`the ${kernel} kernel was not compared: ${messageOf(error)}`)
      continue
    }
    try {
      for (const lambda of lambdas) {
        const expected = await gradientOf(subject, reference, rows, parameters, lambda, context)
        const actual = await gradientOf(subject, kernels, rows, parameters, lambda, context)
        const least = LEAST_SCALE * Math.max(...subject.specs.map(({ name }) => largestOf(expected[name]!)))
        for (const { name, shape } of subject.specs) {
          const compared = compare(actual[name]!, expected[name]!, shape, least)
          const verdict = compared.max_relative_error <= threshold ? 'pass' : 'fail'
          const method = 'reference'
          checks.push({ gradient: kernel, lambda, array: name, method, h: null, ...compared, threshold, verdict })
        }
      }
    } finally {
      kernels.close()
    }
  }
  return checks
}

function largestOf(values: Arrays[string]): number {
  let largest = 0
  for (const value of values) largest = Math.max(largest, Math.abs(value))
  return largest
}

function compare(actual: Arrays[string], expected: Arrays[string], shape: readonly number[], least: number) {
  const tally = new Tally()
  const largest = Math.max(least, largestOf(expected))
  for (let i = 0; i < expected.length; i++) tally.add(indexOf(i, shape), actual[i]!, expected[i]!, largest || 1)
  return tally.result()
}

import {
  type KernelName,
  type Kernels,
  openKernels,
  type Parameters,
  type Rows,
  rowsPerCall,
  slices,
} from '../../kernels/index.js'
import { messageOf, type StageContext } from '../../pipeline/stage-kit.js'
import { type Comparison, Tally } from './tally.js'

/** The gradient of the mean cost over all rows, as a kernel computes it: in slices where the rows are many. */
export async function gradientOf(
  kernels: Kernels,
  rows: Rows,
  parameters: Parameters,
  lambda: number,
  { flow }: Pick<StageContext, 'flow'>,
): Promise<Parameters> {
  const classes = parameters.b.length
  const classifier = kernels.softmax(parameters.W.length / classes, classes)
  try {
    classifier.load(parameters)
    for (const part of slices(rows, rowsPerCall(kernels, classifier))) {
      classifier.accumulate(part)
      await flow.yieldToEventLoop()
    }
    const { W, b } = classifier.gradient(lambda)
    return { W: W.slice(), b: b.slice() }
  } finally {
    classifier.free()
  }
}

export interface Agreement {
  readonly reference: Kernels
  readonly kernels: readonly KernelName[]
  readonly lambdas: readonly number[]
  readonly rows: Rows
  readonly parameters: Parameters
  readonly threshold: number
}

/**
 * Compares the gradients of the fast kernels with the reference's, element by element, relative to the largest magnitude
 * in the array. All start from the same float32 parameters. A kernel that this machine does not have is noted and left out.
 */
export async function agreement(task: Agreement, context: StageContext): Promise<Comparison[]> {
  const { reference, rows, lambdas, threshold } = task
  const parameters = { W: Float32Array.from(task.parameters.W), b: Float32Array.from(task.parameters.b) }
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
        const expected = await gradientOf(reference, rows, parameters, lambda, context)
        const actual = await gradientOf(kernels, rows, parameters, lambda, context)
        for (const array of ['W', 'b'] as const) {
          const compared = compare(array, actual[array], expected[array], actual.W.length / actual.b.length)
          const verdict = compared.max_relative_error <= threshold ? 'pass' : 'fail'
          const method = 'reference'
          checks.push({ gradient: kernel, lambda, array, method, h: null, ...compared, threshold, verdict })
        }
      }
    } finally {
      kernels.close()
    }
  }
  return checks
}

function compare(array: 'W' | 'b', actual: Parameters['W'], expected: Parameters['W'], features: number) {
  const tally = new Tally()
  let largest = 0
  for (const value of expected) largest = Math.max(largest, Math.abs(value))
  for (let i = 0; i < expected.length; i++) {
    const index = array === 'W' ? [Math.floor(i / features), i % features] : [i]
    tally.add(index, actual[i]!, expected[i]!, largest || 1)
  }
  return tally.result()
}

import { type ArraySpec, type Arrays, widthOf } from '../../pipeline/stage-kit.js'
import type { SlowCostAround } from './cost.js'
import { type Comparison, indexOf, Tally } from './tally.js'

/** Smaller gradients count as zero in relative errors, because only rounding would be compared. */
const EPSILON = 1e-6

/** A gradient of the mean cost that is to be checked. */
export interface Analytic {
  /** Its origin: `step`, or the name of a kernel. */
  readonly gradient: string
  /** Weight of the penalty in the cost. */
  readonly lambda: number
  /** By the names of the parameters. */
  readonly arrays: Arrays
}

/** The gradients to check, and the cost whose differences they are compared with. */
export interface DifferenceTask {
  /** The cost near the parameters. */
  readonly cost: SlowCostAround
  /** The arrays of the model. */
  readonly specs: readonly ArraySpec[]
  /** The parameters at which the gradients were taken. */
  readonly parameters: Arrays
  /** The gradients to check. */
  readonly gradients: readonly Analytic[]
  /** Weight of the penalty of magnitudes in the cost. */
  readonly l1: number
  /** Number of features. If the last extent of an array is this width, only the columns in `features` are checked. */
  readonly width: number
  /** The columns to check. */
  readonly features: Iterable<number>
  /** Step sizes of the differences. */
  readonly h: readonly number[]
  /** Largest absolute error that is accepted. */
  readonly threshold: number
  /** Awaited between two parameters. */
  pause(): Promise<void> | undefined
}

const methods = ['forward', 'centred'] as const

/**
 * Compares gradients with differences of the cost `J = loss + lambda · penalty + l1 · Σ |W|`: forward `(J(w+h) - J(w)) / h` and
 * centred `(J(w+h) - J(w-h)) / 2h`, in float64. Rows are in the order of gradient, array, method and `h`.
 *
 * Plotted over `h`, the error of a difference looks like a V: the truncation error falls with `h` (or `h²`), the
 * rounding error grows with `1/h`. The lowest point depends on the data, so each method is judged at the `h` at which
 * most elements agree, and among equals the one with the smallest mean error. A wrong gradient is wrong at every `h`,
 * also at this one.
 *
 * Where `w ± h` are on two sides of a kink of a ReLU, a hinge or `|w|`, there is no derivative to compare with. These elements are
 * counted apart; a method fails if they are more than 1 %.
 */
export async function differences(task: DifferenceTask): Promise<Comparison[]> {
  const { cost, specs, parameters, gradients, l1, h, threshold } = task
  const tallies = gradients.map(() => new Map(specs.map(({ name }) => [name, curves(h, threshold)])))

  /** Compares element `at` of an array at every `h`. */
  async function difference({ name, shape, kind }: ArraySpec, at: number): Promise<void> {
    const index = indexOf(at, shape)
    const w = parameters[name]![at]!
    // At 0 the derivative of |w| is taken as 0, and so is the difference.
    const share = kind === 'weights' && w !== 0 ? l1 : 0
    for (const [n, step] of h.entries()) {
      const up = cost.moved(name, at, w + step)
      const above = up instanceof Promise ? await up : up
      const down = cost.moved(name, at, w - step)
      const below = down instanceof Promise ? await down : down
      const isSmooth = above.kinks === cost.kinks && below.kinks === cost.kinks && (share === 0 || step < Math.abs(w))
      // Relative to the cost at the parameters themselves.
      const [more, less] = [w + step, w - step].map((to) => share * (Math.abs(to) - Math.abs(w))) as [number, number]
      for (const [g, { lambda, arrays }] of gradients.entries()) {
        const own = tallies[g]!.get(name)!
        if (!isSmooth) {
          for (const method of methods) own[method][n]!.kinks++
          continue
        }
        const costUp = above.loss + lambda * above.penalty + more
        const costDown = below.loss + lambda * below.penalty + less
        const numerical = {
          forward: (costUp - (cost.loss + lambda * cost.penalty)) / step,
          centred: (costUp - costDown) / (2 * step),
        }
        const given = arrays[name]![at]!
        for (const method of methods) {
          const expected = numerical[method]
          const scale = Math.max(EPSILON, Math.abs(given) + Math.abs(expected))
          own[method][n]!.add(index, given, expected, scale)
        }
      }
    }
  }

  for (const spec of specs)
    for (const at of elementsOf(spec, task)) {
      await difference(spec, at)
      await task.pause()
    }
  return gradients.flatMap(({ gradient, lambda }, g) =>
    specs.flatMap(({ name: array }) =>
      methods.flatMap((method) => {
        const curve = tallies[g]!.get(array)![method]
        const judged = best(curve)
        return curve.map((tally, n): Comparison => {
          const verdict = tally.holds ? 'pass' : 'fail'
          const shared = { gradient, lambda, array, method, h: h[n]!, ...tally.result(), threshold }
          return { ...shared, verdict: n === judged ? verdict : null }
        })
      }),
    ),
  )
}

/** The elements of an array to check: the columns of the chosen features in every row, or all. */
function* elementsOf({ shape }: ArraySpec, { width, features }: DifferenceTask): Generator<number> {
  const size = widthOf(shape)
  if (shape.length > 1 && shape.at(-1) === width) {
    for (const j of features) for (let at = j; at < size; at += width) yield at
  } else for (let at = 0; at < size; at++) yield at
}

/** One tally per `h`, for each method. */
function curves(h: readonly number[], threshold: number): Record<(typeof methods)[number], Tally[]> {
  return { forward: h.map(() => new Tally(threshold)), centred: h.map(() => new Tally(threshold)) }
}

/** Index of the tally with the most errors within the threshold, and of those with the smallest mean. */
function best(curve: readonly Tally[]): number {
  let at = 0
  for (const [n, { within, mean }] of curve.entries()) {
    const other = curve[at]!
    if (within > other.within || (within === other.within && mean < other.mean)) at = n
  }
  return at
}

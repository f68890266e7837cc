import type { Parameters } from '../../kernels/index.js'
import type { Loss } from './cost.js'
import { type Comparison, Tally } from './tally.js'

/** Below this, gradients count as zero in relative errors: they would compare rounding with rounding. */
const EPSILON = 1e-6

/** A gradient of the mean cost, and of which cost: lambda is part of it. */
export interface Analytic {
  readonly gradient: string
  readonly lambda: number
  readonly W: ArrayLike<number>
  readonly b: ArrayLike<number>
}

export interface Differencing {
  readonly loss: Loss
  /** Where the gradients were taken. */
  readonly parameters: Parameters
  readonly gradients: readonly Analytic[]
  /** The features whose weights are checked, in every class. */
  readonly features: Iterable<number>
  readonly h: readonly number[]
  readonly threshold: number
  /** Called between two parameters. */
  yieldToEventLoop(): Promise<void> | undefined
}

const methods = ['forward', 'centred'] as const

/**
 * Compares gradients with differences of the cost `J = loss + lambda · Σ W²`: forward `(J(w+h) - J(w)) / h` and centred
 * `(J(w+h) - J(w-h)) / 2h`, in float64. Rows come by gradient, array, method and `h`.
 *
 * The error of a difference has the shape of a V over `h`: what is cut off falls with `h` (or `h²`), what is rounded
 * grows with `1/h`. Where the lowest point lies depends on the data, so each method is judged at the `h` at which most
 * elements agree (then: the smallest mean error). A wrong gradient is wrong at every `h`; this one shows where.
 */
export async function differences(task: Differencing): Promise<Comparison[]> {
  const { loss, parameters, gradients, h, threshold } = task
  const { W, b } = parameters
  const [classes, width] = [b.length, W.length / b.length]
  let squares = 0
  for (const w of W) squares += w * w
  const tallies = gradients.map(() => ({ W: curves(h, threshold), b: curves(h, threshold) }))

  /** Differences by one parameter `w`; `penalty(w)` is Σ W² as a function of it. */
  function difference(array: 'W' | 'b', k: number, j: number | undefined): void {
    const at = j === undefined ? k : k * width + j
    const index = j === undefined ? [k] : [k, j]
    const w = parameters[array][at]!
    const penalty = (moved: number): number => (j === undefined ? squares : squares - w * w + moved * moved)
    for (const [n, step] of h.entries()) {
      // As in a program that writes w + h into W: what reaches the cost is the rounded sum.
      const [up, down] = [w + step, w - step]
      const [lossUp, lossDown] = [loss.moved(k, j, up - w), loss.moved(k, j, down - w)]
      for (const [g, analytic] of gradients.entries()) {
        const { lambda } = analytic
        const costUp = lossUp + lambda * penalty(up)
        const costDown = lossDown + lambda * penalty(down)
        const numerical = {
          forward: (costUp - (loss.base + lambda * squares)) / step,
          centred: (costUp - costDown) / (2 * step),
        }
        const given = analytic[array][at]!
        for (const method of methods) {
          const expected = numerical[method]
          const scale = Math.max(EPSILON, Math.abs(given) + Math.abs(expected))
          tallies[g]![array][method][n]!.add(index, given, expected, scale)
        }
      }
    }
  }

  for (let k = 0; k < classes; k++) difference('b', k, undefined)
  for (const j of task.features)
    for (let k = 0; k < classes; k++) {
      difference('W', k, j)
      await task.yieldToEventLoop()
    }
  return gradients.flatMap(({ gradient, lambda }, g) =>
    (['W', 'b'] as const).flatMap((array) =>
      methods.flatMap((method) => {
        const curve = tallies[g]![array][method]
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

import { formatProblem, inFileOrder, PipelineError, type Problem } from '../pipeline/base/errors.js'
import { formatPoint, type Point } from './point.js'

type Which = Pick<Point, 'settings' | 'seed'>

/** The problems of all points: each once, with the points that have it. */
export class PointProblems {
  private readonly found = new Map<string, { problem: Problem; points: Which[] }>()
  private total = 0

  /** What `load` gives; nothing where it throws problems, which are kept. */
  async during<T>(point: Which, load: () => Promise<T>): Promise<T | undefined> {
    this.total++
    try {
      return await load()
    } catch (error) {
      if (!(error instanceof PipelineError)) throw error
      for (const problem of error.problems) {
        const word = formatProblem(problem)
        const { points } = this.found.get(word) ?? { points: [] }
        this.found.set(word, { problem, points: [...points, point] })
      }
      return undefined
    }
  }

  /** Throws a PipelineError `DEFINITION` where there are any. */
  check(): void {
    if (this.found.size === 0) return
    const problems = [...this.found.values()].map(({ problem: { where, message }, points }) => {
      const others = points.length - 1
      if (points.length === this.total) return { where, message }
      return {
        where,
        message: `${message} (point ${formatPoint(points[0]!)}${others > 0 ? `, and ${others} more` : ''})`,
      }
    })
    throw new PipelineError('DEFINITION', inFileOrder(problems))
  }
}

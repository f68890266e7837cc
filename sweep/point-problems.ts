import { formatProblem, inFileOrder, PipelineError, type Problem } from '../pipeline/base/errors.js'
import { formatPoint, type Point } from './point.js'

type PointName = Pick<Point, 'settings' | 'seed' | 'fold'>

/** Collects the problems of all points: each problem once, with the points that have it. */
export class PointProblems {
  private readonly found = new Map<string, { problem: Problem; points: PointName[] }>()
  private total = 0

  /** Returns the result of `load`. If it throws a PipelineError, keeps its problems and returns undefined. */
  async collect<T>(point: PointName, load: () => Promise<T>): Promise<T | undefined> {
    this.total++
    try {
      return await load()
    } catch (error) {
      if (!(error instanceof PipelineError)) throw error
      for (const problem of error.problems) {
        const text = formatProblem(problem)
        const known = this.found.get(text)
        if (known) known.points.push(point)
        else this.found.set(text, { problem, points: [point] })
      }
      return undefined
    }
  }

  /** Throws a PipelineError `DEFINITION` if there are problems. */
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

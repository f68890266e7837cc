import { counted, show } from '../pipeline/base/words.js'
import { formatPoint } from '../sweep/index.js'
import type { Server, WorkEvent } from '../sweep/queue/index.js'
import type { Output } from './terminal.js'

/** Prints what a worker of a queue does, and counts the points. */
export class WorkLog {
  private readonly output: Output
  private readonly isQuiet: boolean
  private readonly counts = { done: 0, failed: 0, lost: 0, back: 0 }
  /** The last note about the server, until the worker goes on. */
  private trouble = ''

  constructor(output: Output, isQuiet: boolean) {
    this.output = output
    this.isQuiet = isQuiet
  }

  /** Prints that the worker is connected. */
  ready({ name }: Server, jobs: number): void {
    this.print(`working at ${name} with ${counted(jobs, 'job')}\n`)
  }

  /** Prints one event: a point that has ended, or trouble with the server. */
  event(event: WorkEvent): void {
    if (event.type === 'trouble') {
      this.warnOnce(event.message)
      return
    }
    this.trouble = ''
    if (event.type === 'refused') {
      this.counts.failed++
      this.tell(`${show(event.job)}  refused: ${event.message}\n`, true)
      return
    }
    const isFailure = event.type === 'lost' || (event.type === 'outcome' && event.outcome.status === 'failed')
    this.tell(`${formatPoint(event.task)}  ${this.count(event)}\n`, isFailure)
  }

  /** Counts the outcome of a point, and returns it as text. */
  private count(event: Extract<WorkEvent, { task: unknown }>): string {
    const { counts } = this
    if (event.type === 'lost') {
      counts.lost++
      return 'lost: this worker did not answer for too long, the point is run again'
    }
    if (event.type === 'handed-back') {
      counts.back++
      return 'handed back'
    }
    const { status, error, seconds } = event.outcome
    counts[status === 'done' ? 'done' : 'failed']++
    return `${status === 'done' ? status : `failed: ${error?.split('\n', 1)[0]}`}  (${seconds.toFixed(2)} s)`
  }

  /** While a server does not answer, the same message comes again and again: it is printed once. */
  private warnOnce(message: string): void {
    if (message === this.trouble) return
    this.trouble = message
    this.output.warn(`note: ${message}\n`)
  }

  /** Prints the totals. */
  end(): void {
    const { done, failed, lost, back } = this.counts
    const others = [failed > 0 && `${failed} failed`, lost > 0 && `${lost} lost`, back > 0 && `${back} handed back`]
    this.print(`${[`${counted(done, 'point')} done`, ...others.filter(Boolean)].join(', ')}\n`)
  }

  /** Prints an event. Failures are errors, which are printed even if the user wants nothing else. */
  private tell(text: string, isFailure: boolean): void {
    if (this.isQuiet && isFailure) this.output.warn(text)
    else this.print(text)
  }

  private print(text: string): void {
    if (!this.isQuiet) this.output.progress(text)
  }
}

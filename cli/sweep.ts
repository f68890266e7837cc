import { join } from 'node:path'
import { slugOf } from '../pipeline/base/slug.js'
import { counted, shortPath } from '../pipeline/base/words.js'
import {
  formatPoint,
  type Outcome,
  type Plan,
  type Point,
  planSweep,
  pointDirectory,
  runSweep,
  type SweepPart,
  type SweepResult,
  threadPool,
} from '../sweep/index.js'
import { SweepMetrics } from '../sweep/metrics.js'
import { formatMonitored, monitorProblem } from '../sweep/monitor.js'
import type { ReadingFlags } from './options.js'
import type { RunningFlags } from './run.js'
import { interruption, type Output } from './terminal.js'

/** The flags of `millrace sweep`. */
export interface SweepCommandFlags extends RunningFlags, ReadingFlags {
  /** Values of vars and options, for example `eta=0.01,0.1`. */
  readonly grid: readonly string[]
  /** How many settings are drawn at random. */
  readonly random?: number
  /** Distributions to draw from, for example `eta={ logUniform: [1e-4, 1] }`. */
  readonly over: readonly string[]
  /** Seeds (`400,401`), or how many. */
  readonly seeds?: string
  /** Folds of a cross-validation. */
  readonly folds?: number
  /** Points that run at the same time. */
  readonly jobs: number
  /** The metric that says which setting is best. */
  readonly monitor?: string
  /** The directory of the sweep. */
  readonly out?: string
  /** What happens to the other points if one fails. */
  readonly onFail: 'continue' | 'stop'
  /** True if failed points run again. */
  readonly retry?: boolean
}

/** `millrace sweep`: runs what is missing, a line for each point that ends. */
export async function sweepCommand(name: string, flags: SweepCommandFlags, output: Output): Promise<void> {
  const { jobs, threads, checkpoint, onFail, retry, plugins, allowAbsolutePaths } = flags
  const stop = interruption(output)
  let directory = flags.out ?? ''
  const directoryOf = (point: Point): string => pointDirectory(directory, point)
  // The threads start while the points are being planned.
  const executor = threadPool({ jobs, threads, checkpoint, trust: { plugins, allowAbsolutePaths }, directoryOf })
  try {
    const plan = await planSweep(name, { ...flags, signal: stop.signal })
    directory ||= join('sweeps', slugOf(plan.name))
    const progress = flags.quiet || flags.json ? undefined : new Progress(plan, output, new SweepMetrics(directory))
    const result = await runSweep(plan, {
      directory,
      executor,
      onFail,
      retry,
      signal: stop.signal,
      onStart: (part) => progress?.start(part, shortPath(directory)),
      onOutcome: (outcome, point) => {
        if (progress) progress.tell(outcome, point)
        else if (outcome.status === 'failed') output.warn(`${formatPoint(point)}  failed: ${outcome.error}\n`)
      },
    })
    if (flags.json) output.write(`${JSON.stringify(result)}\n`)
    else progress?.end(result, shortPath(directory))
    if (result.failed > 0) {
      // Points that failed earlier are not run again, and nothing above has named them.
      if (!progress) output.warn(`${formatFailed(result)}; millrace table ${shortPath(directory)} shows them\n`)
      process.exitCode = 1
    }
  } finally {
    await executor.close()
    stop.release()
  }
}

/** Says how a sweep goes on: how far, with what result, how long it will take. */
class Progress {
  private readonly plan: Plan
  private readonly output: Output
  private readonly metrics: SweepMetrics
  private began = performance.now()
  private missing = 0
  private ended = 0
  private isMonitorTold = false

  constructor(plan: Plan, output: Output, metrics: SweepMetrics) {
    this.plan = plan
    this.output = output
    this.metrics = metrics
  }

  start({ missing, total, epochs }: SweepPart, directory: string): void {
    this.missing = missing
    this.ended = 0
    this.began = performance.now()
    const { halving } = this.plan
    const until = !halving ? '' : epochs === undefined ? ' to the end' : ` for ${counted(epochs, 'epoch')}`
    const before = total - missing
    this.output.progress(
      `${this.plan.name}: ${counted(total, 'point')}${until}, ${before > 0 ? `${before} there already, ` : ''}${missing} to run; writing ${directory}\n`,
    )
  }

  tell(outcome: Outcome, point: Point): void {
    const { status, error, seconds } = outcome
    this.ended++
    const left = ((performance.now() - this.began) / 1000 / this.ended) * (this.missing - this.ended)
    const result = status === 'done' ? this.formatResult(outcome) : `failed: ${error?.split('\n', 1)[0]}`
    this.output.progress(
      `${this.ended}/${this.missing}  ${formatPoint(point)}  ${result}  (${seconds.toFixed(2)} s${this.ended < this.missing ? `, ${wordTime(left)} left` : ''})\n`,
    )
  }

  end({ done, total, halved, failed }: SweepResult, directory: string): void {
    const others = [...(halved > 0 ? [`${halved} ended early`] : []), ...(failed > 0 ? [`${failed} failed`] : [])]
    this.output.progress(
      `${[`${done} of ${counted(total, 'point')} done`, ...others].join(', ')}; millrace table ${directory} shows them\n`,
    )
  }

  private formatResult(outcome: Outcome): string {
    const { monitor } = this.plan
    const infos = this.metrics.of(outcome)
    const problem = this.isMonitorTold ? undefined : monitorProblem(monitor, infos)
    if (problem !== undefined) this.output.warn(`note: ${problem}\n`)
    this.isMonitorTold ||= infos.size > 0
    return formatMonitored(monitor, outcome, infos) ?? 'done'
  }
}

function formatFailed({ failed, total }: SweepResult): string {
  return `${failed} of ${counted(total, 'point')} failed`
}

function wordTime(seconds: number): string {
  const whole = Math.ceil(seconds)
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60]
  const two = (part: number): string => String(part).padStart(2, '0')
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}

import { join } from 'node:path'
import {
  defaultMonitor,
  type Outcome,
  type Plan,
  type Point,
  planSweep,
  pointDirectory,
  runSweep,
  threadPool,
  wordPoint,
} from '../../sweep/index.js'
import { shortPath } from '../definition/value.js'
import type { MetricsRow } from '../wires/metrics.js'
import { interruption } from './interruption.js'
import type { Output } from './output.js'
import type { ReadingFlags } from './reading.js'
import type { RunningFlags } from './run.js'

export interface SweepCommandFlags extends RunningFlags, ReadingFlags {
  readonly grid: readonly string[]
  readonly random?: number
  readonly over: readonly string[]
  readonly seeds?: string
  readonly monitor?: string
  readonly jobs: number
  readonly out?: string
  readonly onFail: 'continue' | 'stop'
  readonly retry?: boolean
}

/** `millrace sweep`: runs what is missing, a line for each point that ends. */
export async function sweepCommand(name: string, flags: SweepCommandFlags, output: Output): Promise<void> {
  const { jobs, threads, onFail, retry } = flags
  const stop = interruption()
  const { plugins, allowAbsolutePaths } = flags
  const plan = await planSweep(name, flags)
  const directory = flags.out ?? join('sweeps', plan.name)
  const directoryOf = (point: Point): string => pointDirectory(directory, point)
  const executor = threadPool({
    jobs,
    kernel: plan.kernel,
    threads,
    trust: { plugins, allowAbsolutePaths },
    directoryOf,
  })
  const progress = flags.quiet || flags.json ? undefined : new Progress(plan, output)
  try {
    const result = await runSweep(plan, {
      directory,
      executor,
      onFail,
      retry,
      signal: stop.signal,
      onStart: ({ missing, total }) => progress?.start(missing, total, shortPath(directory)),
      onOutcome: (outcome, point) => progress?.tell(outcome, point),
    })
    if (flags.json) output.write(`${JSON.stringify(result)}\n`)
    else if (!flags.quiet)
      output.write(
        `${result.done} of ${result.total} points done${result.failed > 0 ? `, ${result.failed} failed` : ''}; millrace table ${shortPath(directory)} shows them\n`,
      )
    if (result.failed > 0) process.exitCode = 1
  } finally {
    await executor.close()
    stop.release()
  }
}

/** Says how a sweep goes on: how far, with what result, how long it will take. */
class Progress {
  private readonly plan: Plan
  private readonly output: Output
  private readonly began = performance.now()
  private missing = 0
  private ended = 0

  constructor(plan: Plan, output: Output) {
    this.plan = plan
    this.output = output
  }

  start(missing: number, total: number, directory: string): void {
    this.missing = missing
    const before = total - missing
    this.output.write(
      `${this.plan.name}: ${total} points, ${before > 0 ? `${before} there already, ` : ''}${missing} to run; writing ${directory}\n`,
    )
  }

  tell({ status, error, final, seconds }: Outcome, point: Point): void {
    this.ended++
    const left = ((performance.now() - this.began) / 1000 / this.ended) * (this.missing - this.ended)
    const result = status === 'done' ? this.word(final) : `failed: ${error?.split('\n', 1)[0]}`
    this.output.write(
      `${this.ended}/${this.missing}  ${wordPoint(point)}  ${result}  (${seconds.toFixed(2)} s${this.ended < this.missing ? `, ${wordTime(left)} left` : ''})\n`,
    )
  }

  private word(final: MetricsRow | undefined): string {
    const name = this.plan.monitor ?? defaultMonitor(Object.keys(final ?? {}))
    const value = name === undefined ? undefined : final?.[name]
    if (value === undefined) return 'done'
    return `${name} ${name!.endsWith('accuracy') ? `${(100 * value).toFixed(2)} %` : value.toPrecision(5)}`
  }
}

function wordTime(seconds: number): string {
  const whole = Math.ceil(seconds)
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60]
  const two = (part: number): string => String(part).padStart(2, '0')
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}

import { Pipeline } from '../index.js'
import type { KernelChoice } from '../kernels/index.js'
import { PipelineError } from '../pipeline/base/errors.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import { slugOf } from '../pipeline/base/slug.js'
import { counted, shortPath } from '../pipeline/base/words.js'
import { standingOf, startOrResume } from '../pipeline/run/begun.js'
import type { Result, Run, RunSettings } from '../pipeline/run/contract.js'
import { formatSummary } from '../pipeline/run/data-summary.js'
import { NothingToDo, Refusal } from '../pipeline/run/first-step.js'
import { start } from '../pipeline/run/run.js'
import { changeNotes, checkNotes } from '../report/run-notes.js'
import { type ReadingFlags, readOptions } from './options.js'
import { showProgress } from './screen/run-progress.js'
import { shareLines } from './share-lines.js'
import { interruption, type Output } from './terminal.js'

/** The options of every command that runs a pipeline. */
export interface RunningFlags {
  /** The kernel to use. */
  readonly kernel?: KernelChoice
  /** Number of threads of the kernel. */
  readonly threads?: number
  /** The interval of checkpoints, which replaces that of the pipeline. */
  readonly checkpoint?: string
  /** Prints nothing but errors. */
  readonly quiet?: boolean
  /** Prints JSON at the end, and no progress. */
  readonly json?: boolean
}

/** The options of `millrace run`. */
export interface RunFlags extends RunningFlags, ReadingFlags {
  /** The run directory. */
  readonly out?: string
  /** Replaces the files of an earlier run in `out`. */
  readonly force?: boolean
  /** Goes on with the run in `out` if it has begun already. */
  readonly resume?: boolean
  /** Tags for the run. */
  readonly tag?: readonly string[]
  /** A note on the run. */
  readonly note?: string
  /** Runs every stage with a few rows, in a temporary directory. */
  readonly smoke?: boolean
  /** Trains on this number of rows alone, in a temporary directory. */
  readonly overfit?: number
  /** Runs again whenever a file of the pipeline changes. */
  readonly watch?: boolean
  /** Runs again when its data changes, too. */
  readonly watchData?: boolean
}

/** `millrace run`: shows progress during the run, and at the end the location of the files. */
export async function runCommand(name: string, flags: RunFlags, output: Output): Promise<void> {
  if (flags.watch) return (await import('./watch.js')).watchRun(name, flags, output)
  const pipeline = await Pipeline.load(name, readOptions(flags))
  const { out, force, resume } = flags
  if (flags.smoke) return (await import('./run-trial.js')).smokeCommand(pipeline, flags, output)
  if (flags.overfit !== undefined)
    return (await import('./run-trial.js')).overfitCommand(pipeline, flags.overfit, flags, output)
  checkNotes({ add: flags.tag ?? [], note: flags.note })
  if (resume) return runOrResume(pipeline, flags, output)
  if (pipeline.definition.sweep && !flags.quiet && !flags.json)
    output.progress(`note: this is one run; millrace sweep ${name} runs what its block "sweep" says\n`)
  await follow(pipeline.name, (conditions) => start(pipeline, { ...conditions, out, force }), flags, output)
}

/** `millrace run --resume`: starts the run, goes on with it, or says that it is done. */
async function runOrResume(pipeline: Pipeline, flags: RunFlags, output: Output): Promise<void> {
  const { out, json, quiet } = flags
  if (out === undefined)
    throw new PipelineError(
      'ARGUMENTS',
      `--resume needs the directory of the run: --out runs/${slugOf(pipeline.name)}, so that the next call finds it`,
    )
  const tell = (message: string): void => {
    if (json) output.write(`${JSON.stringify({ directory: shortPath(out), changed: false, message })}\n`)
    else if (!quiet) output.write(`${message}\n`)
  }
  const standing = await standingOf(pipeline, out)
  if (standing === 'done') return tell(`${shortPath(out)} is done; nothing was changed`)
  const title = standing === 'begun' ? `${pipeline.name}, resumed` : pipeline.name
  try {
    await follow(title, (conditions) => startOrResume(pipeline, { ...conditions, out }), flags, output)
  } catch (error) {
    if (!(error instanceof NothingToDo)) throw error
    tell(`${shortPath(out)}: ${error.message}`)
  }
}

/** Shows a run on the terminal until it ends. Ctrl-C and SIGTERM stop it. Throws the error of the run. */
export async function follow(
  title: string,
  launch: (conditions: RunSettings) => Run,
  flags: RunningFlags & Pick<RunFlags, 'tag' | 'note'>,
  output: Output,
): Promise<void> {
  const { kernel, threads, checkpoint, tag = [], note } = flags
  let isSilent = flags.quiet === true || flags.json === true
  const stop = interruption(output)
  let directory = ''
  let rank = 0
  let started: Run | undefined
  let noted: Promise<unknown> | undefined
  const progress = isSilent ? undefined : showProgress(output, () => started?.state())
  try {
    const run = launch({
      kernel,
      threads,
      checkpoint,
      signal: stop.signal,
      ...(progress && { terminal: progress.terminal }),
    })
    started = run
    run.events.subscribe((event) => {
      if (event.type === 'start') {
        // In a divided run, only rank 0 prints and writes files.
        rank = event.rank
        if (rank > 0) {
          isSilent = true
          progress?.end()
        } else {
          directory = shortPath(event.directory)
          if (tag.length > 0 || note !== undefined) noted = changeNotes(event.directory, { add: tag, note })
          // It is awaited after the run; until then a failure is nobody's.
          noted?.catch(() => {})
        }
        if (!isSilent) {
          const threads = counted(event.threads, 'thread')
          progress?.print(
            `${oneLine(title)}: ${event.kernel} kernel (${event.detail}), ${threads}; writing ${directory}\n`,
          )
        }
      } else if (event.type === 'data' && !isSilent)
        progress?.print(`${event.stage}: ${oneLine(formatSummary(event))}\n`)
      else if (event.type === 'note' && !isSilent) progress?.print(`note: ${event.stage}: ${oneLine(event.message)}\n`)
    })
    const result = await run.result
    progress?.end()
    if (flags.json && rank === 0)
      output.write(
        `${JSON.stringify({ directory: result.directory, last: result.history.at(-1), ...result.record })}\n`,
      )
    else if (!isSilent) output.progress(summary(result, directory))
    for (const stage of (rank === 0 && result.record.undrawn) || [])
      output.warn(
        `warning: ${stage} failed, its files are missing (see the notes in ${directory}/run.json); millrace resume ${directory} tries again\n`,
      )
  } catch (error) {
    progress?.end()
    if (error instanceof NothingToDo) throw error
    if (error instanceof Refusal)
      throw new Refusal(error.code, [...error.problems, { message: 'nothing was written; the run is as it was' }], {
        cause: error,
      })
    if (error instanceof PipelineError && directory) {
      const word = error.code === 'ABORTED' ? 'interrupted' : 'failed'
      const next = error.code === 'ABORTED' ? `; millrace resume ${directory} goes on` : ''
      throw new PipelineError(
        error.code,
        [...error.problems, { message: `${word}; what was written so far is in ${directory}${next}` }],
        { cause: error },
      )
    }
    // The errors of the other ranks of a divided run name their rank.
    if (error instanceof PipelineError && rank > 0)
      throw new PipelineError(error.code, `rank ${rank}: ${error.message}`, { cause: error })
    throw error
  } finally {
    stop.release()
  }
  // Here, so that its error is not told as one of the run, which is done.
  await noted
}

function summary({ history, record }: Result, directory: string): string {
  const timings = record.timings!
  const lines = [
    `done in ${timings.total.toFixed(2)} s: ${counted(timings.steps, 'step')}`,
    ...shareLines(history.at(-1) ?? {}, record.metrics ?? {}),
    `files in ${directory}: ${[...record.files].join(', ')}`,
  ]
  return `${lines.join('\n')}\n`
}

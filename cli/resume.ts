import { shortPath } from '../pipeline/base/words.js'
import { NothingToDo } from '../pipeline/run/first-step.js'
import { isComplete } from '../pipeline/run/past-record.js'
import { resume } from '../pipeline/run/resume.js'
import { assignmentsOf, type ReadingFlags } from './options.js'
import { follow, type RunningFlags } from './run.js'
import type { Output } from './terminal.js'

/** The flags of `millrace resume`. */
export interface ResumeFlags extends RunningFlags, Omit<ReadingFlags, 'seed'> {
  /** True if the definition and the data may have changed. */
  readonly force?: boolean
}

/**
 * `millrace resume`: continues a run from its last checkpoint. If the run has nothing left to do, says so and changes
 * nothing.
 */
export async function resumeCommand(directory: string, flags: ResumeFlags, output: Output): Promise<void> {
  const { force, plugins, allowAbsolutePaths, quiet, json } = flags
  const tell = (message: string): void => {
    if (json) output.write(`${JSON.stringify({ directory: shortPath(directory), changed: false, message })}\n`)
    else if (!quiet) output.write(`${message}\n`)
  }
  if (flags.set.length === 0 && isComplete(directory))
    return tell(`${shortPath(directory)} is done; --set epochs=… makes it longer`)
  const given = {
    set: assignmentsOf(flags),
    force,
    allowAbsolutePaths,
    plugins: plugins === true ? undefined : plugins,
  }
  try {
    await follow('resumed', (conditions) => resume(directory, { ...conditions, ...given }), flags, output)
  } catch (error) {
    if (!(error instanceof NothingToDo)) throw error
    tell(`${shortPath(directory)}: ${error.message}`)
  }
}

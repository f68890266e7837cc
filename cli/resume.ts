import { shortPath } from '../pipeline/base/words.js'
import { isDone, resume } from '../pipeline/run/resume.js'
import type { ReadingFlags } from './options.js'
import { follow, type RunningFlags } from './run.js'
import type { Output } from './terminal.js'

/** The flags of `millrace resume`. */
export interface ResumeFlags extends RunningFlags, Omit<ReadingFlags, 'seed'> {
  /** True if the definition and the data may have changed. */
  readonly force?: boolean
}

/** `millrace resume`: continues a run from its last checkpoint. For a run that is done, only says so. */
export async function resumeCommand(directory: string, flags: ResumeFlags, output: Output): Promise<void> {
  if (flags.set.length === 0 && isDone(directory)) {
    if (!flags.quiet) output.write(`${shortPath(directory)} is done; --set epochs=… makes it longer\n`)
    return
  }
  const { set, force, plugins, allowAbsolutePaths } = flags
  const given = { set, force, allowAbsolutePaths, plugins: plugins === true ? undefined : plugins }
  await follow('resumed', (conditions) => resume(directory, { ...conditions, ...given }), flags, output)
}

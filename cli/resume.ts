import { shortPath } from '../pipeline/base/words.js'
import { isDone, resume } from '../pipeline/run/resume.js'
import type { Output } from './output.js'
import type { ReadingFlags } from './reading.js'
import { follow, type RunningFlags } from './run.js'

export interface ResumeFlags extends RunningFlags, Omit<ReadingFlags, 'seed'> {
  readonly force?: boolean
}

/** `millrace resume`: as `run`, from where the run was. One that is done already is no mistake, but nothing to do. */
export async function resumeCommand(directory: string, flags: ResumeFlags, output: Output): Promise<void> {
  if (flags.set.length === 0 && isDone(directory)) {
    output.write(`${shortPath(directory)} is done; --set epochs=… makes it longer\n`)
    return
  }
  const { set, force, plugins, allowAbsolutePaths } = flags
  const given = { set, force, allowAbsolutePaths, plugins: plugins === true ? undefined : plugins }
  await follow('resumed', (conditions) => resume(directory, { ...conditions, ...given }), flags, output)
}

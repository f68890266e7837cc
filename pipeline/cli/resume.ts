import { shortPath } from '../definition/value.js'
import { isDone, resume } from '../resume.js'
import type { Output } from './output.js'
import { follow, type RunningFlags } from './run.js'

export interface ResumeFlags extends RunningFlags {
  readonly set: readonly string[]
  readonly force?: boolean
}

/** `millrace resume`: as `run`, from where the run was. One that is done already is no mistake, but nothing to do. */
export async function resumeCommand(directory: string, flags: ResumeFlags, output: Output): Promise<void> {
  if (flags.set.length === 0 && isDone(directory)) {
    output.write(`${shortPath(directory)} is done; --set epochs=… makes it longer\n`)
    return
  }
  const { set, force } = flags
  await follow('resumed', (conditions) => resume(directory, { ...conditions, set, force }), flags, output)
}

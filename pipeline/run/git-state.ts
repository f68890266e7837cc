import { execFile } from 'node:child_process'
import { dirname } from 'node:path'
import { z } from 'zod'
import { isInPackage } from '../base/package.js'
import type { Pipeline } from '../graph/pipeline.js'

/** Schema of the commit of the folder of a definition. */
export const gitState = z.object({
  /** The full id of the commit. */
  commit: z.string(),
  /** Whether files that git follows have changes that are not committed. */
  isDirty: z.boolean(),
})

/** The commit of the folder of a definition. */
export type GitState = Readonly<z.output<typeof gitState>>

/** Milliseconds after which a run no longer waits for git. */
const TIMEOUT = 2000

/**
 * Asks git for the commit of the folder of a pipeline's definition. Undefined if git is not there, answers late, or
 * knows no commit, and for pipelines of a program, of a package, of a run directory and from elsewhere.
 */
export function gitStateOf({ definition: { file, trust } }: Pipeline): Promise<GitState | undefined> {
  if (file === undefined || trust.isDetached || trust.runDirectory !== undefined || isInPackage(file))
    return Promise.resolve(undefined)
  // A monitor of the file system that the folder's settings name would be run as a program.
  const args = ['-c', 'core.fsmonitor=false', '--no-optional-locks', 'status', '--porcelain=v2', '--branch', '-uno']
  return new Promise((resolve) => {
    execFile('git', args, { cwd: dirname(file), timeout: TIMEOUT, windowsHide: true }, (error, text) => {
      const commit = /^# branch\.oid ([0-9a-f]{40,64})$/m.exec(text)?.[1]
      resolve(error || commit === undefined ? undefined : { commit, isDirty: /^[^#]/m.test(text) })
    })
  })
}

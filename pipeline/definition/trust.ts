import { existsSync, realpathSync } from 'node:fs'
import { resolve, sep } from 'node:path'
import { PipelineError } from '../base/errors.js'
import { shortPath } from '../base/words.js'

/** What a definition may do beyond reading the files it names and writing into the run directory. */
export interface Trust {
  /**
   * Whether it may bring code along: stage files from its own folder and below, and packages installed there. A folder:
   * stage files from there, too. Default: true, unless the environment has `MILLRACE_NO_PLUGINS`.
   */
  readonly plugins?: boolean | string | undefined
  /** Whether sinks may write to absolute paths. Default: false. */
  readonly allowAbsolutePaths?: boolean | undefined
}

/** The same, decided. */
export type DecidedTrust = { readonly [K in keyof Trust]-?: NonNullable<Trust[K]> }

/** What forbids plugins forbids them whatever else is said: whoever sets a machine up has the last word. */
export function decideTrust(
  { plugins = true, allowAbsolutePaths = false }: Trust,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): DecidedTrust {
  const isForbidden = !['', '0', 'false', undefined].includes(environment.MILLRACE_NO_PLUGINS)
  return { plugins: isForbidden ? false : plugins, allowAbsolutePaths }
}

/** Throws a PipelineError `DEFINITION` where stage files lie neither below `folder` nor where plugins are allowed besides. */
export function checkPluginFile(
  file: string,
  use: string,
  folder: string,
  { plugins }: Pick<DecidedTrust, 'plugins'>,
): void {
  const folders = [folder, ...(typeof plugins === 'string' ? [resolve(plugins)] : [])]
  if (folders.some((each) => isBelow(file, each))) return
  throw new PipelineError(
    'DEFINITION',
    `${use} leads out of ${shortPath(folder)}, the folder of the definition; stage files come from there or below, and from the folder that --plugins names`,
  )
}

/** Whether a file lies in a folder or below it, symbolic links followed. */
function isBelow(file: string, folder: string): boolean {
  if (!existsSync(folder)) return false
  const root = realpathSync(folder)
  return realpathSync(file).startsWith(root.endsWith(sep) ? root : root + sep)
}

import { existsSync, lstatSync, realpathSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { PipelineError } from '../base/errors.js'
import { shortPath } from '../base/words.js'
import { isInside } from '../files/below.js'

/**
 * Permissions of a definition. Without any, it may read the files and the environment variables that it names, and write
 * files inside the run directory.
 */
export interface Trust {
  /**
   * Whether the definition may load code. Default: true.
   *
   * - `true`: it may load stage files in or below the folder of the definition file, and npm packages that Node finds
   *   from that folder. With `extends`, each file of the definition counts for the stages that it names. A symbolic link
   *   counts as the file that it points to.
   * - A folder: as `true`, and also stage files in or below this folder.
   * - `false`: it may load neither files nor packages.
   *
   * No stage file is loaded that lies in the directory of a run or of a sweep, unless this is a folder that holds it:
   * Millrace writes no code there.
   *
   * A stage that the user names with `--set` or in a program may lie anywhere, unless this is `false`. If the
   * environment variable `MILLRACE_NO_PLUGINS` has another value than an empty text, `0` or `false`, this is always
   * `false`.
   */
  readonly plugins?: boolean | string | undefined
  /**
   * Whether options may name output files by absolute paths. Such a file may lie anywhere. A relative path always stays
   * inside the run directory. Default: false.
   */
  readonly allowAbsolutePaths?: boolean | undefined
  /**
   * Whether the definition comes from elsewhere, for example from a queue, so that the folder in which it happens to lie
   * means nothing. It then extends no file, `${NAME}` names its own vars and no environment variable, and code is loaded
   * from the folder that `plugins` names and from nowhere else. Default: false.
   */
  readonly isDetached?: boolean | undefined
}

/** `Trust` with the defaults and the environment applied. */
export type DecidedTrust = { readonly [K in keyof Trust]-?: NonNullable<Trust[K]> } & {
  /** See `ReadOptions`. */
  readonly runDirectory?: string | undefined
}

/**
 * Applies the defaults and `MILLRACE_NO_PLUGINS`. The environment wins over the options, so that the administrator of a
 * machine can forbid plugins for all its users.
 *
 * @param runDirectory see `ReadOptions`
 */
export function decideTrust(
  { plugins = true, allowAbsolutePaths = false, isDetached = false }: Trust,
  environment: Readonly<Record<string, string | undefined>> = process.env,
  runDirectory?: string,
): DecidedTrust {
  const isForbidden = !['', '0', 'false', undefined].includes(environment.MILLRACE_NO_PLUGINS)
  return {
    plugins: isForbidden ? false : plugins,
    allowAbsolutePaths,
    isDetached,
    ...(runDirectory !== undefined && { runDirectory }),
  }
}

/**
 * The directory of a run or of a sweep that a file or folder lies in, the outermost if there are several; undefined if
 * there is none. Counts the path as it is written and as it is with symbolic links followed.
 */
export function runDirectoryOf(path: string): string | undefined {
  const written = resolve(path)
  return outermostRun(written) ?? outermostRun(existsSync(written) ? realpathSync(written) : written)
}

function outermostRun(path: string): string | undefined {
  const above = dirname(path)
  return (above === path ? undefined : outermostRun(above)) ?? (isRunOrSweep(path) ? path : undefined)
}

function isRunOrSweep(folder: string): boolean {
  const has = (name: string): boolean => {
    try {
      return lstatSync(join(folder, name), { throwIfNoEntry: false }) !== undefined
    } catch {
      return false
    }
  }
  return has('sweep.json') || (has('pipeline.yaml') && (has('run.json') || has('checkpoint')))
}

/**
 * Whether a definition counts as the user's own: it may load code, and it comes from no queue and from no directory of a run
 * or sweep. Any other writes nowhere but into the run directory.
 *
 * @param file the path of the definition; undefined if a program made it
 */
export function isOwnDefinition(
  { plugins, isDetached, runDirectory }: DecidedTrust,
  file: string | undefined,
): boolean {
  const isOfRun = runDirectory !== undefined || (file !== undefined && runDirectoryOf(file) !== undefined)
  return plugins !== false && !isDetached && !isOfRun
}

/** The part of the trust that says which code may be loaded. */
export type CodeTrust = Pick<DecidedTrust, 'plugins' | 'runDirectory'> & Pick<Trust, 'isDetached'>

/**
 * Checks that a stage file may be loaded: it must lie in or below `folder`, the folder of the definition file, and not in
 * the directory of a run or sweep; or else in or below the folder that `plugins` names. The stage files of a run that
 * goes on may lie anywhere outside of such directories. For a detached definition, only the folder of `plugins` counts.
 * Throws a PipelineError `DEFINITION` otherwise. Symbolic links are followed first. `use` is the name of the stage, for
 * the message.
 */
export function checkPluginFile(
  file: string,
  use: string,
  folder: string,
  { plugins, runDirectory, isDetached }: CodeTrust,
): void {
  if (typeof plugins === 'string' && isInside(file, resolve(plugins))) return
  if (isDetached)
    throw new PipelineError(
      'DEFINITION',
      `${use} is code; for a definition from elsewhere, it is loaded only from the folder that --plugins names`,
    )
  const isOwn = runDirectory !== undefined && isInside(file, runDirectory)
  const place = runDirectoryOf(file) ?? (isOwn ? runDirectory : undefined)
  if (place !== undefined)
    throw new PipelineError(
      'DEFINITION',
      `${use} is code in the run directory ${shortPath(place)}, where Millrace writes none: it is not loaded ` +
        'unless --plugins names its folder',
    )
  if (runDirectory !== undefined ? plugins === true : isInside(file, folder)) return
  throw new PipelineError(
    'DEFINITION',
    `${use} leads out of ${shortPath(folder)}, the folder of the definition; ` +
      'stage files come from there or below, and from the folder that --plugins names',
  )
}

/**
 * The folder from which Node searches for packages of a definition in `folder`. For a definition in the directory of a
 * run or sweep, it is the folder that `plugins` names, or else the current one: the folders around the run may be a
 * stranger's, too. Undefined if no package may be loaded.
 */
export function packageBase(folder: string, trust: CodeTrust | undefined): string | undefined {
  if (!trust) return folder
  const { plugins, isDetached, runDirectory } = trust
  if (plugins === false) return undefined
  const named = typeof plugins === 'string' ? resolve(plugins) : undefined
  if (isDetached) return named
  if (runDirectory === undefined && runDirectoryOf(folder) === undefined) return folder
  const current = process.cwd()
  const isInRun =
    runDirectoryOf(current) !== undefined || (runDirectory !== undefined && isInside(current, runDirectory))
  return named ?? (isInRun ? undefined : current)
}

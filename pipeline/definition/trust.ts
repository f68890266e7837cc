import { lstatSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
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
   * The definition in a run directory may load no code from that directory, unless this is a folder: Millrace writes no
   * code there.
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
  /** The run directory that the definition lies in, from which no code is loaded; undefined if there is none. */
  readonly runDirectory?: string | undefined
}

/**
 * Applies the defaults and `MILLRACE_NO_PLUGINS`. The environment wins over the options, so that the administrator of a
 * machine can forbid plugins for all its users.
 *
 * @param runDirectory the run directory that the definition lies in, if it lies in one
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

/** The run directory that a definition file lies in: the file is called `pipeline.yaml`, and a record lies beside it. */
export function runDirectoryOf(file: string): string | undefined {
  const folder = dirname(resolve(file))
  const hasEntry = (name: string): boolean => lstatSync(join(folder, name), { throwIfNoEntry: false }) !== undefined
  return basename(file) === 'pipeline.yaml' && (hasEntry('run.json') || hasEntry('checkpoint')) ? folder : undefined
}

/** The part of the trust that says which code may be loaded. */
export type CodeTrust = Pick<DecidedTrust, 'plugins' | 'runDirectory'> & Pick<Trust, 'isDetached'>

/**
 * Checks that a stage file may be loaded: it must lie in or below `folder`, the folder of the definition file, or in or
 * below the folder that `plugins` names, and not in a run directory; for a detached definition, only the folder of
 * `plugins` counts. Throws a PipelineError `DEFINITION` otherwise. Symbolic links are followed first. `use` is the name
 * of the stage, for the message.
 */
export function checkPluginFile(
  file: string,
  use: string,
  folder: string,
  { plugins, runDirectory, isDetached }: CodeTrust,
): void {
  if (runDirectory !== undefined && isInside(file, runDirectory))
    throw new PipelineError(
      'DEFINITION',
      `${use} is code in the run directory ${shortPath(runDirectory)}, where Millrace writes none: it is not loaded ` +
        'unless --plugins names its folder',
    )
  const named = typeof plugins === 'string' ? [resolve(plugins)] : []
  if ((isDetached ? named : [folder, ...named]).some((each) => isInside(file, each))) return
  throw new PipelineError(
    'DEFINITION',
    isDetached
      ? `${use} is code; for a definition from elsewhere, it is loaded only from the folder that --plugins names`
      : `${use} leads out of ${shortPath(folder)}, the folder of the definition; ` +
          'stage files come from there or below, and from the folder that --plugins names',
  )
}

/**
 * The folder from which Node searches for packages of a definition in `folder`. It is never a run directory, where a
 * stranger may have put a package. Undefined if none may be loaded.
 */
export function packageBase(folder: string, trust: CodeTrust | undefined): string | undefined {
  if (!trust) return folder
  const { plugins, isDetached, runDirectory } = trust
  if (plugins === false) return undefined
  if (isDetached) return typeof plugins === 'string' ? resolve(plugins) : undefined
  return runDirectory !== undefined && isInside(folder, runDirectory) ? dirname(runDirectory) : folder
}

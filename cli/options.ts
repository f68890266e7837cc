import { type Command, InvalidArgumentError, Option } from 'commander'
import { kernelChoices } from '../kernels/index.js'
import type { ReadOptions } from '../pipeline/definition/read.js'

/** The flags of every command that reads a pipeline. */
export interface ReadingFlags {
  /** Assignments from `--set`, for example `eta=0.01`. */
  readonly set: readonly string[]
  /** The seed, if it is not that of the pipeline. */
  readonly seed?: number
  /** The most memory for rows, if it is not that of the pipeline. */
  readonly memory?: string
  /** False after `--no-plugins`, a folder after `--plugins DIR`. */
  readonly plugins?: boolean | string
  /** True if sinks may write outside the run directory. */
  readonly allowAbsolutePaths?: boolean
}

/** Picks the options of `Pipeline.load` from the flags of a command. */
export function readOptions(flags: ReadingFlags): ReadOptions {
  const { seed, plugins, allowAbsolutePaths } = flags
  return { set: assignmentsOf(flags), seed, plugins, allowAbsolutePaths }
}

/** The assignments of `--set`, and that of `--memory`. */
export function assignmentsOf({ set, memory }: Pick<ReadingFlags, 'set' | 'memory'>): readonly string[] {
  return memory === undefined ? set : [...(set ?? []), `memory=${memory}`]
}

/** The formats of `millrace graph`. */
export const graphFormats = ['text', 'mermaid', 'svg', 'dot', 'json'] as const

/** `--no-plugins`: its flag and its description. */
export const noPlugins = [
  '--no-plugins',
  'load built-in stages only, no stage files and no packages (also: MILLRACE_NO_PLUGINS=1)',
] as const

/** Adds the options of every command that reads a pipeline. */
export function addReadOptions(command: Command): Command {
  return addTrustOptions(
    command
      .addOption(repeatable('--set <name=value>', 'set a var (eta=0.01) or an option of a stage (model.eta=0.01)'))
      .addOption(memoryOption('as the pipeline says'))
      .option('--seed <n>', 'seed of the random numbers (default: that of the pipeline)', parseWholeNumber),
  )
}

/** Adds the options that say what a pipeline is allowed to do. */
export function addTrustOptions(command: Command): Command {
  return command
    .option('--plugins <dir>', 'load stage files from this folder, too, not only from the folder of the pipeline')
    .option(...noPlugins)
    .option('--allow-absolute-paths', 'allow sinks to write outside the run directory')
}

/** Adds the options of every command that runs a pipeline. */
export function addRunOptions(command: Command): Command {
  return command
    .addOption(kernelOption().env('MILLRACE_KERNEL'))
    .addOption(threadsOption())
    .option('--quiet', 'print nothing but errors')
    .option('--json', 'print the result as JSON, and no progress')
    .option(
      '--checkpoint <when>',
      'when to write checkpoints: epoch, "500 steps", 30s, …, or none (default: as the pipeline says)',
    )
}

/** Returns the option `--kernel`. Its help names `byDefault` as the default. */
export function kernelOption(byDefault = 'the fastest on this machine'): Option {
  const what = 'implementation of the arithmetic; auto: webgpu, if steps on a GPU are measured to be faster'
  return new Option('--kernel <name>', `${what} (default: ${byDefault})`).choices(kernelChoices)
}

/** Returns the option `--memory`. Its help names `byDefault` as the default. */
export function memoryOption(byDefault: string): Option {
  return new Option('--memory <size>', `the most memory for rows, such as 1GB (default: ${byDefault})`)
}

/** Returns the option `--threads`. */
export function threadsOption(): Option {
  return new Option('--threads <n>', 'number of kernel threads (default and maximum: one per core)')
    .argParser(parseThreadCount)
    .env('MILLRACE_THREADS')
}

/** Returns the option `--jobs`. */
export function jobsOption(): Option {
  return new Option(
    '--jobs <n>',
    'points to run at the same time; if there are several, each has one thread unless --threads is given',
  )
    .argParser(parseThreadCount)
    .default(1)
}

/** Returns an option that may be given several times. Its value is the list of all values, by default empty. */
export function repeatable(flags: string, description: string): Option {
  const collect = (value: string, before: readonly string[]): string[] => [...before, value]
  return new Option(flags, `${description}; repeatable`).argParser(collect).default([], 'none')
}

/** Parses a whole number from 0 to 2⁵³ - 1. */
export function parseWholeNumber(text: string): number {
  const number = Number(text)
  if (text.trim() !== '' && Number.isSafeInteger(number) && number >= 0) return number
  const isTooLarge = number > Number.MAX_SAFE_INTEGER
  throw new InvalidArgumentError(
    `expected a whole number from 0${isTooLarge ? ` to ${Number.MAX_SAFE_INTEGER} (2^53 - 1)` : ''}.`,
  )
}

/** Parses a whole number from 1 to 2⁵³ - 1. */
export function parseCount(text: string): number {
  const number = parseWholeNumber(text)
  if (number >= 1) return number
  throw new InvalidArgumentError('expected a whole number from 1.')
}

/** Parses the number of a port. */
export function parsePort(text: string): number {
  const port = parseWholeNumber(text)
  if (port <= 65_535) return port
  throw new InvalidArgumentError('expected a port from 0 to 65535.')
}

/** More threads than this are a mistake: each takes memory and a place in the scheduler. */
const MAX_THREADS = 256

/** Parses a number of threads, or of jobs that have a thread each: from 1 to 256. */
function parseThreadCount(text: string): number {
  const number = parseWholeNumber(text)
  if (number >= 1 && number <= MAX_THREADS) return number
  throw new InvalidArgumentError(`expected a whole number from 1 to ${MAX_THREADS}.`)
}

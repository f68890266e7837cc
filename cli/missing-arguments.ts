import { readdirSync } from 'node:fs'
import { oneLine } from '../pipeline/base/plain-text.js'
import { someOf } from '../pipeline/base/words.js'

/** What may stand for a missing argument, with what there is in the current folder. */
const hints: Readonly<Record<string, () => string>> = {
  pipeline: pipelineHint,
  pipelines: pipelineHint,
  run: runHint,
  runs: runHint,
}

/**
 * Adds to the message about a missing argument what may stand there, and to that about an unknown option how settings are
 * given. Other messages stay as they are.
 *
 * @param args those of the command line
 * @param hasSet whether the command takes `--set`
 */
export function withHint(message: string, args: readonly string[], hasSet: boolean): string {
  const name = /^error: missing required argument '(\w+)'/.exec(message)?.[1] ?? ''
  if (Object.hasOwn(hints, name)) return `${message}${hints[name]!()}\n`
  const option = /^error: unknown option '--([^'=]+)/.exec(message)?.[1]
  if (option === undefined || !hasSet || message.includes('Did you mean')) return message
  const at = args.findIndex((arg) => arg.startsWith(`--${option}`))
  const value = args[at]?.split('=')[1] ?? args[at + 1] ?? 'VALUE'
  return `${message}(vars and options of a pipeline are given with --set: --set ${option}=${oneLine(value)})\n`
}

function pipelineHint(): string {
  const files = namesIn('.').filter((name) => /(?<!\.test)\.ya?ml$/.test(name))
  const here = files.length > 0 ? `a YAML file (here: ${someOf(files)})` : 'a YAML file'
  return `expected ${here} or a built-in name such as digits; millrace run --help lists those, millrace create makes a file`
}

function runHint(): string {
  const runs = namesIn('runs').map((name) => `runs/${name}`)
  return runs.length > 0
    ? `expected a run directory (here: ${someOf(runs)})`
    : 'expected a run directory; millrace run makes one'
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort()
  } catch {
    return []
  }
}

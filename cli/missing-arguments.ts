import { readdirSync } from 'node:fs'
import { someOf } from '../pipeline/base/words.js'

/** What may stand for a missing argument, with what there is in the current folder. */
const hints: Readonly<Record<string, () => string>> = {
  pipeline: pipelineHint,
  pipelines: pipelineHint,
  run: runHint,
  runs: runHint,
}

/** Adds to the message about a missing argument what may stand there. Other messages stay as they are. */
export function withHint(message: string): string {
  const name = /^error: missing required argument '(\w+)'/.exec(message)?.[1] ?? ''
  return Object.hasOwn(hints, name) ? `${message}${hints[name]!()}\n` : message
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

import { messageOf, PipelineError, type Problem } from '../base/errors.js'
import { show } from '../base/words.js'
import type { StageEntry } from './entries.js'
import { settingValue } from './outside-text.js'
import { lowerFirst } from './syntax.js'
import { type Value, withValue } from './value.js'

/** A new value for a var or an option, from one `--set` or from a setting of a sweep. */
export interface Override {
  /** The position in messages: the flag with its text, or `file:line:column` of the setting. */
  readonly text: string
  /** The var, or the id of a stage. */
  readonly name: string
  /** The path of the option within the stage. Empty for a var. */
  readonly path: readonly string[]
  /** The new value. */
  readonly value: Value
}

/**
 * Parses each `name=value` or `stage.option=value`; `settingValue` says what values are. Overrides are returned as they are. Throws a
 * PipelineError `ARGUMENTS` that lists all malformed texts.
 */
export function parseOverrides(set: readonly (string | Override)[]): Override[] {
  const problems: Problem[] = []
  const overrides = set.flatMap((each) =>
    typeof each === 'string' ? (parseAssignment('--set', each, problems) ?? []) : each,
  )
  if (problems.length > 0) throw new PipelineError('ARGUMENTS', problems)
  return overrides
}

/**
 * Parses the argument of `flag`, an assignment. If it is malformed, adds a problem and returns undefined. `wrap` turns
 * the text of the value into YAML.
 */
export function parseAssignment(
  flag: string,
  assignment: string,
  problems: Problem[],
  wrap = (value: string): string => value,
): Override | undefined {
  const text = `${flag} ${assignment}`
  const match = /^([A-Za-z_][\w-]*(?:\.[\w-]+)*)=(.*)$/s.exec(assignment)
  if (!match) {
    problems.push({ where: text, message: 'expected name=value or stage.option=value' })
    return undefined
  }
  try {
    return overrideOf(match[1]!, settingValue(wrap(match[2]!), { kind: 'set', text }), text)
  } catch (error) {
    problems.push({
      where: text,
      message:
        `the value is malformed YAML: ${lowerFirst(messageOf(error))}; ` +
        `if it is meant as a text, put it in quotes: ${show(match[2])}`,
    })
    return undefined
  }
}

/** Makes an override of a var, or of an option if `name` is `stage.option`. */
export function overrideOf(name: string, value: Value, text: string): Override {
  const [first, ...path] = name.split('.')
  return { text, name: first!, path, value }
}

/**
 * Returns the entry with the option at `path` set to `value`. The path `use` sets another stage; a relative file name
 * then starts from the current folder. Adds a problem if the new `use` is not a text.
 */
export function applyOverride(
  entry: StageEntry,
  path: readonly string[],
  value: Value,
  text: string,
  problems: Problem[],
): StageEntry {
  if (path[0] !== 'use') return { ...entry, with: withValue(entry.with, path, value) }
  if (path.length === 1 && typeof value.data === 'string')
    return { ...entry, use: value.data, useOrigin: value.origin, folder: process.cwd() }
  problems.push({ where: text, message: 'expected the name of a stage' })
  return entry
}

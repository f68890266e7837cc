import { parseDocument } from 'yaml'
import { messageOf, PipelineError, type Problem } from '../base/errors.js'
import type { StageEntry } from './entries.js'
import { lowerFirst } from './syntax.js'
import { type Value, valueFrom, withValue } from './value.js'

/** One `--set`, or a setting of a sweep. */
export interface Override {
  /** How problems name it: itself, or the place it stands at. */
  readonly text: string
  readonly name: string
  readonly path: readonly string[]
  readonly value: Value
}

/**
 * Parses `name=value` and `stage.option=value`; values are YAML. What is parsed already passes through. Throws a
 * PipelineError `ARGUMENTS` with all that are wrong.
 */
export function parseOverrides(set: readonly (string | Override)[]): Override[] {
  const problems: Problem[] = []
  const overrides = set.flatMap((each) =>
    typeof each === 'string' ? (parseAssignment('--set', each, problems) ?? []) : each,
  )
  if (problems.length > 0) throw new PipelineError('ARGUMENTS', problems)
  return overrides
}

/** Parses what follows `flag`; adds a problem where it is no assignment. `wrap` makes YAML of the value's text. */
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
    return overrideOf(match[1]!, valueFrom(parsed(wrap(match[2]!)) ?? null, { kind: 'set', text }), text)
  } catch (error) {
    problems.push({ where: text, message: `the value is malformed YAML: ${lowerFirst(messageOf(error))}` })
    return undefined
  }
}

/** An override of a var or, where `name` is `stage.option`, of an option. */
export function overrideOf(name: string, value: Value, text: string): Override {
  const [first, ...path] = name.split('.')
  return { text, name: first!, path, value }
}

function parsed(text: string): unknown {
  const document = parseDocument(text, { prettyErrors: false })
  if (document.errors[0]) throw document.errors[0]
  return document.toJS({ maxAliasCount: 0 })
}

/** The entry with one option, or its `use`, set to another value. */
export function override(
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

import { parseDocument } from 'yaml'
import { messageOf, PipelineError, type Problem } from '../errors.js'
import type { StageEntry } from './entries.js'
import { lowerFirst } from './syntax.js'
import { type Value, valueFrom, withValue } from './value.js'

/** One `--set`. */
export interface Override {
  readonly text: string
  readonly name: string
  readonly path: readonly string[]
  readonly value: Value
}

/** Parses `name=value` and `stage.option=value`; values are YAML. Throws a PipelineError `ARGUMENTS` with all that are wrong. */
export function parseOverrides(set: readonly string[]): Override[] {
  const problems: Problem[] = []
  const overrides = set.flatMap((assignment): Override[] => {
    const text = `--set ${assignment}`
    const match = /^([A-Za-z_][\w-]*)((?:\.[\w-]+)*)=(.*)$/s.exec(assignment)
    if (!match) {
      problems.push({ where: text, message: 'expected name=value or stage.option=value' })
      return []
    }
    try {
      const value = valueFrom(parsed(match[3]!) ?? null, { kind: 'set', text })
      return [{ text, name: match[1]!, path: match[2]!.split('.').slice(1), value }]
    } catch (error) {
      problems.push({ where: text, message: `the value is malformed YAML: ${lowerFirst(messageOf(error))}` })
      return []
    }
  })
  if (problems.length > 0) throw new PipelineError('ARGUMENTS', problems)
  return overrides
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

import { parseDocument } from 'yaml'
import { PipelineError, type Problem } from '../errors.js'
import type { StageEntry } from './entries.js'
import { type Origin, type Value, valueFrom, withValue } from './value.js'

/** One `--set`. */
export interface Override {
  readonly text: string
  readonly name: string
  readonly path: readonly string[]
  readonly value: Value
}

/** Parses `name=value` and `stage.option=value`; values are YAML. Throws a PipelineError `ARGUMENTS`. */
export function parseOverrides(set: readonly string[]): Override[] {
  return set.map((assignment) => {
    const text = `--set ${assignment}`
    const match = /^([A-Za-z_][\w-]*)((?:\.[\w-]+)*)=(.*)$/s.exec(assignment)
    if (!match) throw new PipelineError('ARGUMENTS', `${text}: expected name=value or stage.option=value`)
    const document = parseDocument(match[3]!)
    if (document.errors.length > 0)
      throw new PipelineError(
        'ARGUMENTS',
        `${text}: the value is malformed YAML: ${document.errors[0]!.message.split('\n')[0]}`,
      )
    const origin: Origin = { kind: 'set', text }
    return {
      text,
      name: match[1]!,
      path: match[2]!.split('.').slice(1),
      value: valueFrom(document.toJS({ maxAliasCount: 0 }) ?? null, origin),
    }
  })
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

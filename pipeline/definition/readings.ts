import type { z } from 'zod'
import { type Entry, entriesOf, isList, isMapping, plain, type Value } from './value.js'

/** Issues about the kind of a value, not about its size or form. */
const KIND_ISSUES = new Set(['invalid_type', 'invalid_value', 'invalid_union'])

/**
 * Decides how text from outside is read. Where `schema` takes a value as it is, the value stays. Where it does not, the
 * value becomes its `otherwise`. If it takes neither, the one that is at least of the right kind stays, for the message.
 * The result has no `otherwise`.
 */
export function withReadings(schema: z.ZodType, value: Value): Value {
  if (!hasReadings(value)) return value
  const chosen = new Set<string>()
  const refused = new Set<string>()
  for (;;) {
    const result = decided(value, [], chosen)
    const checked = schema.safeParse(plain(result))
    if (checked.success) return result
    const issues = new Map<string, string[]>()
    collectIssues(checked.error.issues, [], issues)
    const open = readingsIn(value, [], chosen).filter((path) => issues.has(path) && !refused.has(path))
    if (open.length === 0) return result
    // Each value gets two tries, so this ends.
    for (const path of open) {
      const isTaken = chosen.has(path)
      if (isTaken) refused.add(path)
      if (isTaken && issues.get(path)!.every((code) => KIND_ISSUES.has(code))) chosen.delete(path)
      else chosen.add(path)
    }
  }
}

function hasReadings(value: Value): boolean {
  if (value.otherwise) return true
  if (isList(value)) return value.data.some(hasReadings)
  return [...entriesOf(value).values()].some((entry) => hasReadings(entry.value))
}

/**
 * The value with `otherwise` in the place of each part whose path is in `chosen`. The result has no `otherwise` itself.
 */
function decided(value: Value, path: readonly string[], chosen: ReadonlySet<string>): Value {
  const { otherwise, ...rest } = value
  if (otherwise && chosen.has(keyOf(path))) {
    const { reference } = value
    return { ...decided(otherwise, [], new Set()), ...(reference !== undefined && { reference }) }
  }
  if (isList(value)) return { ...rest, data: value.data.map((item, i) => decided(item, [...path, String(i)], chosen)) }
  if (!isMapping(value)) return rest
  const entries = [...value.data].map(([key, entry]): [string, Entry] => [
    key,
    { ...entry, value: decided(entry.value, [...path, key], chosen) },
  ])
  return { ...rest, data: new Map(entries) }
}

/** The paths of the parts with two readings. A part inside of one that is in `chosen` is not there. */
function readingsIn(value: Value, path: readonly string[], chosen: ReadonlySet<string>): string[] {
  const own = value.otherwise ? [keyOf(path)] : []
  if (chosen.has(keyOf(path))) return own
  const parts: [string, Value][] = isList(value)
    ? value.data.map((item, i) => [String(i), item])
    : [...entriesOf(value)].map(([key, entry]) => [key, entry.value])
  return [...own, ...parts.flatMap(([step, part]) => readingsIn(part, [...path, step], chosen))]
}

function keyOf(path: readonly string[]): string {
  return JSON.stringify(path)
}

/** Collects the codes of issues by their path as JSON. The branches of a union count, too. */
function collectIssues(
  issues: readonly z.core.$ZodIssue[],
  base: readonly string[],
  found: Map<string, string[]>,
): void {
  for (const issue of issues) {
    const path = [...base, ...issue.path.map(String)]
    const key = keyOf(path)
    found.set(key, [...(found.get(key) ?? []), issue.code])
    if (issue.code === 'invalid_union') for (const branch of issue.errors) collectIssues(branch, path, found)
  }
}

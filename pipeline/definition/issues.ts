import type { z } from 'zod'
import { laterProblem, type Problem } from '../base/errors.js'
import { suggestion } from '../base/nearest.js'
import { formatType, type OptionSchema, optionSchema, takesIntegers } from './option-schema.js'
import { withReadings } from './readings.js'
import { entriesOf, exactnessNote, formatOrigin, isResolved, locate, plain, showValue, type Value } from './value.js'

/**
 * Checks a part of a definition, with text from outside read as `withReadings` does. Returns what the schema makes of it;
 * if it does not fit, adds the mistakes to `problems`, as `formatIssues` writes them, and returns undefined.
 */
export function checkPart<S extends z.ZodType>(
  schema: S,
  value: Value,
  prefix: string,
  problems: Problem[],
  noun?: string,
): z.output<S> | undefined {
  const read = withReadings(schema, value)
  const checked = schema.safeParse(plain(read))
  if (checked.success) return checked.data
  problems.push(...formatIssues(checked.error, schema, read, prefix, noun))
  return undefined
}

/**
 * Turns the issues that zod found in `value` into problems with positions. Parts of the value that hold an error
 * already reported get no second one.
 *
 * Each message starts with `prefix` and the path of the option. Messages call an unknown key an unknown `noun`.
 */
export function formatIssues(
  error: z.ZodError,
  schema: z.ZodType,
  value: Value,
  prefix: string,
  noun = 'option',
): Problem[] {
  const accepted = optionSchema(schema)
  const data = plain(value)
  return error.issues
    .flatMap((issue) => innermost(issue, data))
    .flatMap((issue): Problem[] => {
      const path = formatPath(issue.path)
      const at = locate(value, issue.path)
      if (issue.code === 'unrecognized_keys') {
        const known = keysOf(schemaAt(accepted, issue.path))
        return issue.keys.map((key) =>
          laterProblem(
            formatOrigin(entriesOf(at).get(key)?.key ?? at.origin),
            () => `${prefix}${path && `${path}: `}unknown ${noun} "${key}"${suggestion(key, known, `${noun}s`)}`,
          ),
        )
      }
      const expected = schemaAt(accepted, issue.path)
      const found = dataAt(data, issue.path)
      if (found !== undefined && !isResolved(at)) return []
      const message =
        issue.code === 'custom'
          ? `${issue.message}${path && found !== undefined ? `, got ${showValue(at)}` : ''}`
          : found === undefined
            ? `is required: expected ${expected ? formatType(expected) : 'a value'}`
            : `expected ${expected ? formatType(expected) : issue.message}, got ${showValue(at)}` +
              (expected && takesIntegers(expected) ? exactnessNote(at) : '')
      const separator = !path ? '' : found === undefined && issue.code !== 'custom' ? ' ' : ': '
      return [{ where: formatOrigin(at.origin), message: `${prefix}${path}${separator}${message}` }]
    })
}

/** Formats the first issue that zod found, for data that no user wrote: its path and its message. */
export function firstIssue({ issues }: z.ZodError): string {
  const { path, message } = issues[0]!
  return [path.join('.'), message].filter(Boolean).join(': ')
}

/**
 * If a mapping fits no branch of a union, but fits the shape of some, returns the issues of the one that knows the most of
 * its keys. Returns the issue itself if there are none or several.
 */
function innermost(issue: z.core.$ZodIssue, data: unknown): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const found = dataAt(data, issue.path)
  if (found === null || typeof found !== 'object' || Array.isArray(found)) return [issue]
  const meant = issue.errors.filter((branch) =>
    branch.every(({ code, path }) => path.length > 0 || code === 'unrecognized_keys' || code === 'custom'),
  )
  const least = Math.min(...meant.map(unknownKeysIn))
  const [branch, another] = meant.filter((each) => unknownKeysIn(each) === least)
  if (!branch || another) return [issue]
  return branch.flatMap((inner) => innermost({ ...inner, path: [...issue.path, ...inner.path] }, data))
}

/** The number of keys that a branch of a union does not know, at its root. */
function unknownKeysIn(branch: readonly z.core.$ZodIssue[]): number {
  return branch.reduce(
    (sum, issue) => sum + (issue.code === 'unrecognized_keys' && issue.path.length === 0 ? issue.keys.length : 0),
    0,
  )
}

/** Formats a path as `splits[2].name`. */
function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, step) => (typeof step === 'number' ? `${text}[${step}]` : text ? `${text}.${String(step)}` : String(step)),
    '',
  )
}

/** The schema of the part at `path`, or undefined if the schema has no such part. */
function schemaAt(schema: OptionSchema, path: readonly PropertyKey[]): OptionSchema | undefined {
  const [step, ...rest] = path
  if (step === undefined) return schema
  for (const branch of schema.anyOf ?? schema.oneOf ?? [schema]) {
    const next =
      typeof step === 'number'
        ? branch.items
        : (branch.properties?.[String(step)] ??
          (typeof branch.additionalProperties === 'object' ? branch.additionalProperties : undefined))
    const found = next && schemaAt(next, rest)
    if (found) return found
  }
  return undefined
}

/** The keys that a mapping may have, in any branch of a union. */
export function keysOf(schema: OptionSchema | undefined): string[] {
  const branches = schema?.anyOf ?? schema?.oneOf ?? []
  return [...Object.keys(schema?.properties ?? {}), ...branches.flatMap(keysOf)]
}

/** The data at `path`, or undefined if there is none. */
function dataAt(data: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, step) => (at !== null && typeof at === 'object' ? (at as Record<PropertyKey, unknown>)[step] : undefined),
    data,
  )
}

import { z } from 'zod'
import type { Problem } from '../base/errors.js'
import { suggestion } from '../base/nearest.js'
import { listed, show } from '../base/words.js'
import { entriesOf, formatOrigin, isResolved, locate, plain, type Value } from './value.js'

/** The parts of JSON Schema that options use. */
export interface OptionSchema {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly format?: string
  readonly default?: unknown
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly OptionSchema[]
  readonly oneOf?: readonly OptionSchema[]
  readonly properties?: Readonly<Record<string, OptionSchema>>
  readonly additionalProperties?: OptionSchema | boolean
  readonly required?: readonly string[]
  readonly items?: OptionSchema
  readonly minItems?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
}

const known = new WeakMap<z.ZodType, OptionSchema>()

/** The JSON Schema of what a user may write for `schema`. */
export function optionSchema(schema: z.ZodType): OptionSchema {
  let found = known.get(schema)
  if (!found) {
    found = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as OptionSchema
    known.set(schema, found)
  }
  return found
}

/** Words what a schema accepts: `a positive integer`, `"zeros" or "normal"`, `a list of strings`. */
export function formatType(schema: OptionSchema): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum) return listed(schema.enum.map((value) => JSON.stringify(value)))
  const branches = schema.anyOf ?? schema.oneOf
  if (branches) return listed(branches.filter((branch) => branch.type !== 'null').flatMap(alternatives))
  switch (typeof schema.type === 'object' ? schema.type.find((type) => type !== 'null') : schema.type) {
    case 'integer':
      return formatNumberType(schema, 'integer', 'an')
    case 'number':
      return formatNumberType(schema, 'number', 'a')
    case 'string':
      return formatStringType(schema)
    case 'boolean':
      return 'true or false'
    case 'array': {
      const items = plural(schema.items ? formatType(schema.items) : 'a value')
      if ((schema.minItems ?? 0) > 1) return `a list of at least ${schema.minItems} ${items}`
      return schema.minItems ? `a non-empty list of ${items}` : `a list of ${items}`
    }
    case 'object': {
      if (schema.properties) return `a mapping with ${listed(Object.keys(schema.properties), 'and')}`
      return typeof schema.additionalProperties === 'object'
        ? `a mapping of names to ${plural(formatType(schema.additionalProperties))}`
        : 'a mapping'
    }
    default:
      return 'a value'
  }
}

/** The words of a branch; those of an enumeration one by one, so that `or` stands only before the last. */
function alternatives(branch: OptionSchema): string[] {
  return branch.enum ? branch.enum.map((value) => JSON.stringify(value)) : [formatType(branch)]
}

function formatStringType({ minLength = 0, maxLength }: OptionSchema): string {
  if (minLength === maxLength) return minLength === 1 ? 'a single character' : `a string of ${minLength} characters`
  if (maxLength !== undefined)
    return `a string of ${minLength || 'at most'}${minLength ? ' to' : ''} ${maxLength} characters`
  if (minLength > 1) return `a string of at least ${minLength} characters`
  return minLength === 1 ? 'a non-empty string' : 'a string'
}

function formatNumberType(schema: OptionSchema, noun: string, article: string): string {
  const min = schema.minimum === Number.MIN_SAFE_INTEGER ? undefined : schema.minimum
  const max = schema.maximum === Number.MAX_SAFE_INTEGER ? undefined : schema.maximum
  if (schema.exclusiveMinimum === 0 && max === undefined && schema.exclusiveMaximum === undefined)
    return `a positive ${noun}`
  if (min === 0 && max === undefined && schema.exclusiveMaximum === undefined) return `a non-negative ${noun}`
  const low =
    min !== undefined
      ? `at least ${min}`
      : schema.exclusiveMinimum !== undefined
        ? `above ${schema.exclusiveMinimum}`
        : ''
  const high =
    max !== undefined
      ? `at most ${max}`
      : schema.exclusiveMaximum !== undefined
        ? `below ${schema.exclusiveMaximum}`
        : ''
  if (min !== undefined && max !== undefined) return `${article} ${noun} from ${min} to ${max}`
  return [`${article} ${noun}`, [low, high].filter(Boolean).join(' and ')].filter(Boolean).join(' ')
}

function plural(noun: string): string {
  const [, , word, rest] =
    /^(an?) (\S+)(.*)$/.exec(noun.replace(/^an? (non-empty|positive|non-negative) (\S+)/, 'a $1-$2')) ?? []
  if (!word) return noun
  const spaced = word.replace(/^(non-empty|positive|non-negative)-/, '$1 ')
  return `${spaced}s${rest}`
}

/**
 * Words the issues zod found in `value`: one problem each, with the place of the offending part. Parts that could not
 * be made out are passed over.
 *
 * `prefix` stands before the option's path; `noun` is what an unknown key is called.
 */
export function formatIssues(
  error: z.ZodError,
  schema: z.ZodType,
  value: Value,
  prefix: string,
  noun = 'option',
): Problem[] {
  const accepted = optionSchema(schema)
  return error.issues
    .flatMap((issue) => innermost(issue, plain(value)))
    .flatMap((issue): Problem[] => {
      const path = formatPath(issue.path)
      const at = locate(value, issue.path)
      if (issue.code === 'unrecognized_keys') {
        const known = keysOf(schemaAt(accepted, issue.path))
        return issue.keys.map((key) => ({
          where: formatOrigin(entriesOf(at).get(key)?.key ?? at.origin),
          message: `${prefix}${path && `${path}: `}unknown ${noun} "${key}"${suggestion(key, known, `${noun}s`)}`,
        }))
      }
      const expected = schemaAt(accepted, issue.path)
      const found = dataAt(plain(value), issue.path)
      if (found !== undefined && !isResolved(at)) return []
      const message =
        issue.code === 'custom'
          ? `${issue.message}${path && found !== undefined ? `, got ${show(found)}` : ''}`
          : found === undefined
            ? `is required: expected ${expected ? formatType(expected) : 'a value'}`
            : `expected ${expected ? formatType(expected) : issue.message}, got ${show(found)}`
      const separator = !path ? '' : found === undefined && issue.code !== 'custom' ? ' ' : ': '
      return [{ where: formatOrigin(at.origin), message: `${prefix}${path}${separator}${message}` }]
    })
}

/** The issues of the one branch of a union that a mapping was meant for; else the issue itself. */
function innermost(issue: z.core.$ZodIssue, data: unknown): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const found = dataAt(data, issue.path)
  if (found === null || typeof found !== 'object' || Array.isArray(found)) return [issue]
  const meant = issue.errors.filter((branch) =>
    branch.every(({ code, path }) => path.length > 0 || code === 'unrecognized_keys' || code === 'custom'),
  )
  if (meant.length !== 1) return [issue]
  return meant[0]!.flatMap((inner) => innermost({ ...inner, path: [...issue.path, ...inner.path] }, data))
}

function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, step) => (typeof step === 'number' ? `${text}[${step}]` : text ? `${text}.${String(step)}` : String(step)),
    '',
  )
}

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

function keysOf(schema: OptionSchema | undefined): string[] {
  const branches = schema?.anyOf ?? schema?.oneOf ?? []
  return [...Object.keys(schema?.properties ?? {}), ...branches.flatMap(keysOf)]
}

function dataAt(data: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, step) => (at !== null && typeof at === 'object' ? (at as Record<PropertyKey, unknown>)[step] : undefined),
    data,
  )
}

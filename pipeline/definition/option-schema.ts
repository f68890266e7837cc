import { z } from 'zod'
import { listed } from '../base/words.js'

/** The parts of JSON Schema that options of stages use. */
export interface OptionSchema {
  /** The JSON type, such as `string`, or a list of types. */
  readonly type?: string | readonly string[]
  /** What the option does, for users. */
  readonly description?: string
  /** What the text is, such as `output-path`. */
  readonly format?: string
  /** What a user can do if there is no such file, for a `format` of `input-path`. */
  readonly help?: string
  /** A regular expression that the text matches. */
  readonly pattern?: string
  /** Examples of values. They describe a text that has a `pattern`. */
  readonly examples?: readonly unknown[]
  /** The value if the user writes none. */
  readonly default?: unknown
  /** The only value accepted. */
  readonly const?: unknown
  /** The values accepted. */
  readonly enum?: readonly unknown[]
  /** Alternatives, of which at least one must fit. */
  readonly anyOf?: readonly OptionSchema[]
  /** Alternatives, of which exactly one must fit. */
  readonly oneOf?: readonly OptionSchema[]
  /** The known keys of a mapping. */
  readonly properties?: Readonly<Record<string, OptionSchema>>
  /** The values of all other keys; false if there may be none. */
  readonly additionalProperties?: OptionSchema | boolean
  /** The keys that must be there. */
  readonly required?: readonly string[]
  /** The items of a list. */
  readonly items?: OptionSchema
  /** The smallest length of a list. */
  readonly minItems?: number
  /** The smallest length of a text, in characters. */
  readonly minLength?: number
  /** The largest length of a text, in characters. */
  readonly maxLength?: number
  /** The smallest number accepted. */
  readonly minimum?: number
  /** The largest number accepted. */
  readonly maximum?: number
  /** A bound that the number must exceed. */
  readonly exclusiveMinimum?: number
  /** A bound that the number must not reach. */
  readonly exclusiveMaximum?: number
}

const schemas = new WeakMap<z.ZodType, OptionSchema>()

/** The JSON Schema of the values that a user may write for a zod schema. Each is computed once. */
export function optionSchema(schema: z.ZodType): OptionSchema {
  let found = schemas.get(schema)
  if (!found) {
    found = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as OptionSchema
    schemas.set(schema, found)
  }
  return found
}

/** Describes what a schema accepts: `a positive integer`, `"zeros" or "normal"`, `a list of strings`. */
export function formatType(schema: OptionSchema): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  const literals = literalsOf(schema)
  if (literals) return listed(literals)
  const branches = schema.anyOf ?? schema.oneOf
  if (branches) return listed(alternativesOf(branches.filter((branch) => branch.type !== 'null')))
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

/** The values of an enumeration, or the examples of a text with a pattern, in quotes. Undefined for other schemas. */
function literalsOf(schema: OptionSchema): string[] | undefined {
  const values = schema.enum ?? (schema.pattern === undefined ? undefined : schema.examples)
  return values?.map((value) => JSON.stringify(value))
}

/**
 * Describes the branches of a union. Mappings with a single key are described together, because they are the choices of
 * one thing: `a mapping with linear, cosine or cyclical`.
 */
function alternativesOf(branches: readonly OptionSchema[]): string[] {
  const keys = branches.flatMap(({ properties }) => {
    const names = Object.keys(properties ?? {})
    return names.length === 1 ? names : []
  })
  if (keys.length < 2) return branches.flatMap(alternatives)
  const others = branches.filter(({ properties }) => Object.keys(properties ?? {}).length !== 1)
  return [...others.flatMap(alternatives), `a mapping with ${listed(keys)}`]
}

/** Describes one branch of a union. Literals are listed one by one, so that `or` comes only before the last. */
function alternatives(branch: OptionSchema): string[] {
  return literalsOf(branch) ?? [formatType(branch)]
}

function formatStringType({ minLength = 0, maxLength }: OptionSchema): string {
  if (minLength === maxLength) return minLength === 1 ? 'a single character' : `a string of ${minLength} characters`
  if (maxLength !== undefined) return `a string of ${minLength ? `${minLength} to` : 'at most'} ${maxLength} characters`
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

/** The plural of a description: `a positive integer` becomes `positive integers`. */
function plural(noun: string): string {
  const [, words, rest] = /^an? ((?:(?:non-empty|positive|non-negative) )?[^\s,]+)(.*)$/.exec(noun) ?? []
  return words ? `${words}s${rest}` : noun
}

/** Whether a schema takes whole numbers only, or lists of them, in any branch of a union. */
export function takesIntegers({ type, items, anyOf, oneOf }: OptionSchema): boolean {
  return type === 'integer' || [items, ...(anyOf ?? []), ...(oneOf ?? [])].some((part) => part && takesIntegers(part))
}

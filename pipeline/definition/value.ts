import { hasControls } from '../base/plain-text.js'
import { cut, shortPath, show } from '../base/words.js'

/** Where a value comes from. */
export type Origin =
  /** A position in a file. `line` and `column` count from 1. */
  | { readonly kind: 'file'; readonly file: string; readonly line: number; readonly column: number }
  /** The environment variable `name`. `at` is the position of the reference to it. */
  | { readonly kind: 'environment'; readonly name: string; readonly at: Origin }
  /** The command line. `text` is the flag with its argument, such as `--set eta=1`. */
  | { readonly kind: 'set'; readonly text: string }
  /** A program that uses the API. */
  | { readonly kind: 'code' }
  /** The default of an option. */
  | { readonly kind: 'default' }
  /** Placeholder for a value with an error. The error has already been reported. */
  | { readonly kind: 'unresolved' }

/** A value without parts. */
export type Scalar = string | number | boolean | null

/** A YAML value in which every part knows its origin. */
export interface Value {
  /** The content: a scalar, the items of a list, or the entries of a mapping by key. */
  readonly data: Scalar | readonly Value[] | ReadonlyMap<string, Entry>
  /** Where the value comes from. */
  readonly origin: Origin
  /** The var that this value comes from, if the definition says `${name}` and nothing else here. */
  readonly reference?: string
  /** The text of a number, true, false or null as the user wrote it, if it does not print like that: `007`, `1e5`. */
  readonly written?: string
  /** The value for an option that does not take `data`, if text from outside can be read in two ways. */
  readonly otherwise?: Value
}

/** An entry of a mapping. */
export interface Entry {
  /** The position of the key. */
  readonly key: Origin
  /** The value of the key. */
  readonly value: Value
}

/** Whether a value is a mapping. */
export const isMapping = (value: Value | undefined): value is Value & { data: ReadonlyMap<string, Entry> } =>
  value?.data instanceof Map
/** Whether a value is a list. */
export const isList = (value: Value | undefined): value is Value & { data: readonly Value[] } =>
  Array.isArray(value?.data)
/** The entries of a mapping by key. Empty for any other value. */
export const entriesOf = (value: Value | undefined): ReadonlyMap<string, Entry> =>
  isMapping(value) ? value.data : new Map()

/** Placeholder for a value with an error that is already reported. */
export const unresolved: Value = { data: null, origin: { kind: 'unresolved' } }

/** Returns false if the value, or a part of it, contains an error that is already reported. */
export function isResolved(value: Value): boolean {
  if (isList(value)) return value.data.every(isResolved)
  if (isMapping(value)) return [...entriesOf(value).values()].every((entry) => isResolved(entry.value))
  return value.origin.kind !== 'unresolved'
}

/**
 * Formats an origin for messages: `file:line:column`, `--set …`, `code`, `default` or `unresolved`. An environment
 * variable is shown behind the position of its reference. Files are relative to the current folder if that is shorter.
 */
export function formatOrigin(origin: Origin): string {
  switch (origin.kind) {
    case 'file':
      return `${shortPath(origin.file)}:${origin.line}:${origin.column}`
    case 'environment':
      return `${formatOrigin(origin.at)} ($${origin.name})`
    case 'set':
      return origin.text
    default:
      return origin.kind
  }
}

/** The text that a scalar becomes inside a longer text: as it was written. */
export function textOf({ data, written }: Value): string {
  return typeof data === 'string' ? data : (written ?? String(data))
}

/** Formats a value for a message as `show` does, with numbers as they were written. */
export function showValue(value: Value): string {
  return cut(asWritten(value))
}

/** The value as YAML in one line, with every part as it was written. */
export function asWritten(value: Value): string {
  if (isList(value)) return `[${value.data.map(asWritten).join(',')}]`
  if (isMapping(value))
    return `{${[...value.data].map(([key, entry]) => `${JSON.stringify(key)}:${asWritten(entry.value)}`).join(',')}}`
  return typeof value.data === 'string' ? JSON.stringify(value.data) : value.written || String(value.data)
}

/** The end of a message about a value, if it has a whole number that JavaScript cannot tell from its neighbours. */
export function exactnessNote(value: Value): string {
  const isExact = (part: Value): boolean =>
    isList(part)
      ? part.data.every(isExact)
      : isMapping(part) || !Number.isInteger(part.data) || Number.isSafeInteger(part.data)
  return isExact(value) ? '' : `; whole numbers are exact up to ${Number.MAX_SAFE_INTEGER} (2^53 - 1)`
}

/** Keys with a special meaning in JavaScript objects. */
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype'])

/**
 * Says why a text cannot be a key of a mapping; undefined if it can. Keys are names of splits, vars, options and the
 * like: they stand in messages, tables and files, where a control character could pretend to be something else.
 */
export function keyProblem(key: string): string | undefined {
  if (FORBIDDEN_KEYS.has(key)) return `"${key}" cannot be used as a key`
  return hasControls(key) ? `the key ${show(key)} has control characters` : undefined
}

/** The first key in a value that cannot be one, and its problem. */
export function firstKeyProblem(value: Value): { readonly key: Origin; readonly problem: string } | undefined {
  const inner = isList(value) ? value.data : [...entriesOf(value).values()].map((entry) => entry.value)
  for (const [name, { key }] of entriesOf(value)) {
    const problem = keyProblem(name)
    if (problem) return { key, problem }
  }
  return inner.map(firstKeyProblem).find(Boolean)
}

/** The value as plain JavaScript data, without origins. */
export function plain(value: Value): unknown {
  if (isList(value)) return value.data.map(plain)
  if (isMapping(value)) return Object.fromEntries([...value.data].map(([key, entry]) => [key, plain(entry.value)]))
  return value.data
}

/**
 * Turns plain data into a Value. All parts get the same origin. Entries that are undefined are left out. Throws a
 * TypeError that names the path if a part is not plain data, such as a function.
 */
export function valueFrom(data: unknown, origin: Origin, path = ''): Value {
  if (data === null || typeof data === 'string' || typeof data === 'number' || typeof data === 'boolean')
    return { data, origin }
  if (Array.isArray(data)) return { data: data.map((item, i) => valueFrom(item, origin, `${path}[${i}]`)), origin }
  if (typeof data === 'object') {
    const entries = Object.entries(data).filter(([, value]) => value !== undefined)
    return {
      data: new Map(
        entries.map(([key, value]) => [
          key,
          { key: origin, value: valueFrom(value, origin, path ? `${path}.${key}` : key) },
        ]),
      ),
      origin,
    }
  }
  throw new TypeError(`${path || 'value'}: expected plain data, got ${data === undefined ? '' : 'a '}${typeof data}`)
}

/** Returns the part of `value` at `path`, or the deepest existing part on the way to it. */
export function locate(value: Value, path: readonly PropertyKey[]): Value {
  let at = value
  for (const step of path) {
    const next = isList(at) ? at.data[Number(step)] : entriesOf(at).get(String(step))?.value
    if (!next) break
    at = next
  }
  return at
}

/** Returns a copy of a mapping with `value` at `path`. Missing mappings on the way are created. */
export function withValue(mapping: Value | undefined, path: readonly string[], value: Value): Value {
  const [step, ...rest] = path
  if (step === undefined) return value
  const entries = new Map(entriesOf(mapping))
  const held = entries.get(step)
  entries.set(step, { key: held?.key ?? value.origin, value: withValue(held?.value, rest, value) })
  return { data: entries, origin: isMapping(mapping) ? mapping.origin : value.origin }
}

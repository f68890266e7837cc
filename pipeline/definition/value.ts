import { shortPath } from '../base/words.js'

/** Where a value came from. */
export type Origin =
  | { readonly kind: 'file'; readonly file: string; readonly line: number; readonly column: number }
  | { readonly kind: 'environment'; readonly name: string; readonly at: Origin }
  | { readonly kind: 'set'; readonly text: string }
  | { readonly kind: 'code' }
  | { readonly kind: 'default' }
  /** Stands where a value could not be made out; that is reported already. */
  | { readonly kind: 'unresolved' }

export type Scalar = string | number | boolean | null

/** A YAML value that knows where each part of it stands. */
export interface Value {
  readonly data: Scalar | readonly Value[] | ReadonlyMap<string, Entry>
  readonly origin: Origin
  /** The var that stood here alone, as `${name}`, and gave this value. */
  readonly reference?: string
}

/** A key's place, and the value under it. */
export interface Entry {
  readonly key: Origin
  readonly value: Value
}

export const isMapping = (value: Value | undefined): value is Value & { data: ReadonlyMap<string, Entry> } =>
  value?.data instanceof Map
export const isList = (value: Value | undefined): value is Value & { data: readonly Value[] } =>
  Array.isArray(value?.data)
export const entriesOf = (value: Value | undefined): ReadonlyMap<string, Entry> =>
  isMapping(value) ? value.data : new Map()

/** What stands for a value that could not be made out. */
export const unresolved: Value = { data: null, origin: { kind: 'unresolved' } }

/** False where the value, or a part of it, could not be made out: nothing more need be said about it. */
export function isResolved(value: Value): boolean {
  if (isList(value)) return value.data.every(isResolved)
  if (isMapping(value)) return [...entriesOf(value).values()].every((entry) => isResolved(entry.value))
  return value.origin.kind !== 'unresolved'
}

/** `file:line:column` (relative to the current folder where that is shorter), `--set …`, or what else it is. */
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

/** The value as ordinary JavaScript data. */
export function plain(value: Value): unknown {
  if (isList(value)) return value.data.map(plain)
  if (isMapping(value)) return Object.fromEntries([...value.data].map(([key, entry]) => [key, plain(entry.value)]))
  return value.data
}

/** Ordinary data as a Value, every part with the same origin; other things than data throw a TypeError naming their path. */
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
  throw new TypeError(`${path || 'value'}: expected plain data, got a ${typeof data}`)
}

/** The deepest part of `value` on `path` that exists. */
export function locate(value: Value, path: readonly PropertyKey[]): Value {
  let at = value
  for (const step of path) {
    const next = isList(at) ? at.data[Number(step)] : entriesOf(at).get(String(step))?.value
    if (!next) break
    at = next
  }
  return at
}

/** A mapping with `value` at `path`; mappings on the way are made where they are missing. */
export function withValue(mapping: Value | undefined, path: readonly string[], value: Value): Value {
  const [step, ...rest] = path
  if (step === undefined) return value
  const entries = new Map(entriesOf(mapping))
  const held = entries.get(step)
  entries.set(step, { key: held?.key ?? value.origin, value: withValue(held?.value, rest, value) })
  return { data: entries, origin: isMapping(mapping) ? mapping.origin : value.origin }
}

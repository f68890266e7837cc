import { dirname } from 'node:path'
import { parseDocument } from 'yaml'
import type { Problem } from '../base/errors.js'
import { didYouMean } from '../base/nearest.js'
import {
  type Entry,
  entriesOf,
  formatOrigin,
  isList,
  isMapping,
  isResolved,
  type Origin,
  plain,
  type Scalar,
  unresolved,
  type Value,
  valueFrom,
} from './value.js'

/** What all vars together may come to, in values and characters, where they are referred to: more is no definition. */
const MOST = 1 << 22
const DEEPEST = 100
/** So many problems are told with a suggestion: finding one compares with every name there is. */
const HELPED = 100

const REFERENCE = /\$\$\{|\$\{([A-Za-z_][\w-]*)(?::-([^}]*))?\}|\$\{/g

/**
 * Replaces `${name}` in strings: by the var of that name, else by the environment variable, else by the default in
 * `${name:-default}`. `${here}` is the folder of the file it stands in, `$${` a literal `${`.
 *
 * A string that is one reference takes the type of what it refers to, and remembers the var; inside longer text it becomes text.
 * Every reference that leads nowhere becomes one problem, and the string that holds it is `unresolved`.
 */
export function interpolator(
  vars: ReadonlyMap<string, Entry>,
  environment: Readonly<Record<string, string | undefined>>,
  problems: Problem[],
): { readonly interpolate: (value: Value) => Value; readonly resolvedVars: () => Map<string, Value> } {
  const resolved = new Map<string, Value>()
  const resolving: string[] = []
  const sizes = new Map<string, number>()
  let size = 0

  function resolve(value: Value): Value {
    if (isList(value)) return { ...value, data: value.data.map(resolve) }
    if (isMapping(value))
      return {
        ...value,
        data: new Map([...value.data].map(([key, entry]) => [key, { ...entry, value: resolve(entry.value) }])),
      }
    if (typeof value.data !== 'string' || !value.data.includes('${')) return value
    return resolveText(value.data, value.origin)
  }

  function resolveText(text: string, origin: Origin): Value {
    const whole = /^\$\{([A-Za-z_][\w-]*)(?::-([^}]*))?\}$/.exec(text)
    if (whole) return lookUp(whole[1]!, whole[2], origin)
    let isWhole = true
    const data = text.replace(REFERENCE, (found, name: string | undefined, fallback: string | undefined) => {
      if (found === '$${') return '${'
      if (name === undefined) {
        problems.push({
          where: formatOrigin(origin),
          message: `malformed reference in ${JSON.stringify(text)}; expected \${name} or \${NAME:-default} ($\${ for a literal)`,
        })
        isWhole = false
        return ''
      }
      const value = lookUp(name, fallback, origin)
      if (!isResolved(value)) isWhole = false
      else if (isList(value) || isMapping(value)) {
        problems.push({
          where: formatOrigin(origin),
          message: `"\${${name}}" is a ${isList(value) ? 'list' : 'mapping'} and cannot stand inside a longer text`,
        })
        isWhole = false
      }
      return String(value.data)
    })
    return isWhole ? { data, origin } : unresolved
  }

  function lookUp(name: string, fallback: string | undefined, origin: Origin): Value {
    if (name === 'here') return { data: origin.kind === 'file' ? dirname(origin.file) : process.cwd(), origin }
    const entry = vars.get(name)
    if (entry)
      return isTooMuch(name, entry, origin) ? unresolved : { ...lookUpVar(name, entry, origin), reference: name }
    const text = environment[name]
    if (text !== undefined) return { data: typed(text), origin: { kind: 'environment', name, at: origin } }
    if (fallback !== undefined) return { data: typed(fallback), origin }
    problems.push({
      where: formatOrigin(origin),
      message:
        `"\${${name}}" names neither a var nor an environment variable` +
        ((problems.length < HELPED && didYouMean(name, vars.keys())) ||
          `; declare it under vars or give a default: \${${name}:-value}`),
    })
    return unresolved
  }

  /** Each reference counts as what it leads to: twenty vars that name the one above twice are a million. */
  function isTooMuch(name: string, entry: Entry, origin: Origin): boolean {
    const value = lookUpVar(name, entry, origin)
    if (size > MOST) return true
    if (!sizes.has(name)) sizes.set(name, sizeOf(value))
    size += sizes.get(name)!
    if (size > MOST)
      problems.push({
        where: formatOrigin(origin),
        message: `with its references filled in, the definition is too large: "\${${name}}"`,
      })
    return size > MOST
  }

  function lookUpVar(name: string, entry: Entry, origin: Origin): Value {
    const done = resolved.get(name)
    if (done) return done
    if (resolving.includes(name)) {
      problems.push({
        where: formatOrigin(origin),
        message: `vars refer to each other in a circle: ${[...resolving.slice(resolving.indexOf(name)), name].join(' → ')}`,
      })
      return unresolved
    }
    if (resolving.length === DEEPEST) {
      problems.push({
        where: formatOrigin(origin),
        message: `vars refer to each other more than ${DEEPEST} deep: ${resolving[0]} → ${resolving[1]} → …`,
      })
      return unresolved
    }
    resolving.push(name)
    const value = resolve(entry.value)
    resolving.pop()
    resolved.set(name, value)
    return value
  }

  return {
    interpolate: resolve,
    resolvedVars: () => new Map([...vars].map(([name, entry]) => [name, lookUpVar(name, entry, entry.key)])),
  }
}

/** Ordinary data with `${name}` replaced by vars, as a definition that a run has stored holds them; nothing else is looked up. */
export function withVars(data: unknown, vars: Readonly<Record<string, unknown>>): unknown {
  const origin: Origin = { kind: 'code' }
  const { interpolate } = interpolator(entriesOf(valueFrom(vars, origin)), {}, [])
  return plain(interpolate(valueFrom(data, origin)))
}

/** Values and characters. */
function sizeOf(value: Value): number {
  if (isList(value)) return value.data.reduce((sum, item) => sum + sizeOf(item), 1)
  if (isMapping(value)) return [...value.data].reduce((sum, [key, entry]) => sum + key.length + sizeOf(entry.value), 1)
  return typeof value.data === 'string' ? 1 + value.data.length : 1
}

/** Text from the environment or a default, with the type YAML gives it; structures stay text. */
function typed(text: string): Scalar {
  const document = parseDocument(text)
  const data: unknown = document.errors.length > 0 ? text : document.toJS()
  return typeof data === 'number' || typeof data === 'boolean' ? data : text
}

import { dirname } from 'node:path'
import { laterProblem, type Problem } from '../base/errors.js'
import { didYouMean } from '../base/nearest.js'
import { textValue } from './outside-text.js'
import {
  type Entry,
  entriesOf,
  formatOrigin,
  isList,
  isMapping,
  isResolved,
  type Origin,
  plain,
  textOf,
  unresolved,
  type Value,
  valueFrom,
} from './value.js'

/**
 * Limit on the size of all values that references insert, in values and characters. A real definition stays far below.
 */
const MAX_SIZE = 1 << 22
/** Limit on vars that refer to vars, so that a definition cannot overflow the stack. */
const MAX_DEPTH = 100

const REFERENCE = /\$\$\{|\$\{([A-Za-z_][\w-]*)(?::-([^}]*))?\}|\$\{/g

/**
 * Returns a function that replaces `${name}` in strings, and one that returns all vars, resolved.
 *
 * A reference is replaced by the var of that name. If there is none, by the environment variable, and then by the
 * default in `${name:-default}`. `${here}` is the folder of the file that contains it. `$${` is a literal `${`.
 *
 * A string that is a single reference becomes the value itself, of any type, and remembers the var in `reference`. In a
 * longer string a reference becomes text, as it was written. Text from the environment is never changed nor searched for
 * references; `textValue` says what it means to options that take no text. Each reference that cannot be resolved is added to `problems`, and the string
 * with it becomes `unresolved`.
 */
export function createInterpolator(
  vars: ReadonlyMap<string, Entry>,
  environment: Readonly<Record<string, string | undefined>>,
  problems: Problem[],
): { readonly interpolate: (value: Value) => Value; readonly resolvedVars: () => Map<string, Value> } {
  const resolved = new Map<string, Value>()
  const resolving: string[] = []
  const sizes = new Map<string, number>()
  const inserted = new Set<string>()
  let size = 0

  /** Replaces the references in a value and its parts. */
  function resolve(value: Value): Value {
    const { otherwise } = value
    return otherwise ? { ...resolveParts(value), otherwise: resolve(otherwise) } : resolveParts(value)
  }

  function resolveParts(value: Value): Value {
    if (isList(value)) return { ...value, data: value.data.map(resolve) }
    if (isMapping(value))
      return {
        ...value,
        data: new Map([...value.data].map(([key, entry]) => [key, { ...entry, value: resolve(entry.value) }])),
      }
    if (typeof value.data !== 'string' || !value.data.includes('${')) return value
    return resolveText(value.data, value.origin)
  }

  /** Replaces the references in one string. */
  function resolveText(text: string, origin: Origin): Value {
    const whole = /^\$\{([A-Za-z_][\w-]*)(?::-([^}]*))?\}$/.exec(text)
    if (whole) return lookUp(whole[1]!, whole[2], origin)
    let isComplete = true
    const data = text.replace(REFERENCE, (found, name: string | undefined, fallback: string | undefined) => {
      if (found === '$${') return '${'
      if (name === undefined) {
        problems.push({
          where: formatOrigin(origin),
          message:
            `malformed reference in ${JSON.stringify(text)}; ` +
            'expected ${name} or ${NAME:-default} ($${ for a literal)',
        })
        isComplete = false
        return ''
      }
      const target = lookUp(name, fallback, origin)
      // What looks like a list on the command line is a text inside of a text.
      const value = typeof target.otherwise?.data === 'string' ? target.otherwise : target
      if (!isResolved(value)) isComplete = false
      else if (isList(value) || isMapping(value)) {
        problems.push({
          where: formatOrigin(origin),
          message: `"\${${name}}" is a ${isList(value) ? 'list' : 'mapping'} and cannot stand inside a longer text`,
        })
        isComplete = false
      }
      if (target.reference !== undefined) insert(target.reference)
      return textOf(value)
    })
    return isComplete ? { data, origin } : unresolved
  }

  /** The value of the reference to `name`, with `fallback` as its default. */
  function lookUp(name: string, fallback: string | undefined, origin: Origin): Value {
    if (name === 'here') return { data: origin.kind === 'file' ? dirname(origin.file) : process.cwd(), origin }
    const entry = vars.get(name)
    if (entry) {
      const value = lookUpVar(name, entry, origin)
      return isTooLarge(name, value, origin) ? unresolved : { ...value, reference: name }
    }
    const text = environment[name]
    if (text !== undefined) {
      const value = textValue(text, { kind: 'environment', name, at: origin })
      return isTooLarge(name, value, origin) ? unresolved : value
    }
    if (fallback !== undefined) return textValue(fallback, origin)
    problems.push(
      laterProblem(
        formatOrigin(origin),
        () =>
          `"\${${name}}" names neither a var nor an environment variable` +
          (didYouMean(name, vars.keys()) || `; declare it under vars or give a default: \${${name}:-value}`),
      ),
    )
    return unresolved
  }

  /**
   * Adds the size of a var or of a text of the environment to the total and checks the limit. Each reference counts with the full size of its value: in
   * a chain of twenty vars that each refer twice to the one before, the last has a million parts.
   */
  function isTooLarge(name: string, value: Value, origin: Origin): boolean {
    if (size > MAX_SIZE) return true
    if (!sizes.has(name)) sizes.set(name, sizeOf(value))
    size += sizes.get(name)!
    if (size > MAX_SIZE)
      problems.push({
        where: formatOrigin(origin),
        message: `with its references filled in, the definition is too large: "\${${name}}"`,
      })
    return size > MAX_SIZE
  }

  /** The value of a var, resolved once. */
  function lookUpVar(name: string, entry: Entry, origin: Origin): Value {
    const done = resolved.get(name)
    if (done) return done
    if (resolving.includes(name)) {
      const circle = [...resolving.slice(resolving.indexOf(name)), name]
      problems.push({
        where: formatOrigin(origin),
        message: `vars refer to each other in a circle: ${circle.join(' → ')}`,
      })
      return unresolved
    }
    if (resolving.length === MAX_DEPTH) {
      problems.push({
        where: formatOrigin(origin),
        message: `vars refer to each other more than ${MAX_DEPTH} deep: ${resolving[0]} → ${resolving[1]} → …`,
      })
      return unresolved
    }
    resolving.push(name)
    const value = resolve(entry.value)
    resolving.pop()
    resolved.set(name, value)
    return value
  }

  /** Notes that a var, and those it is taken from, stand inside longer text. */
  function insert(name: string): void {
    inserted.add(name)
    const reference = resolved.get(name)?.reference
    if (reference !== undefined && !inserted.has(reference)) insert(reference)
  }

  /** A var, resolved. If it has stood inside longer text by now, it is the text that stands there. */
  function varOf(name: string, entry: Entry): Value {
    const value = lookUpVar(name, entry, entry.key)
    const text = value.otherwise?.data ?? value.written
    return inserted.has(name) && typeof text === 'string' ? { ...value, data: text } : value
  }

  return {
    interpolate: resolve,
    resolvedVars: () => new Map([...vars].map(([name, entry]) => [name, varOf(name, entry)])),
  }
}

/**
 * Replaces `${name}` in plain data by vars, as `pipeline.yaml` of a run directory contains them. Ignores the
 * environment. A string with an unknown reference becomes null.
 */
export function withVars(data: unknown, vars: Readonly<Record<string, unknown>>): unknown {
  const origin: Origin = { kind: 'code' }
  const { interpolate } = createInterpolator(entriesOf(valueFrom(vars, origin)), {}, [])
  return plain(interpolate(valueFrom(data, origin)))
}

/** The number of values and characters in a value. */
function sizeOf(value: Value): number {
  if (isList(value)) return value.data.reduce((sum, item) => sum + sizeOf(item), 1)
  if (isMapping(value)) return [...value.data].reduce((sum, [key, entry]) => sum + key.length + sizeOf(entry.value), 1)
  return typeof value.data === 'string' ? 1 + value.data.length : 1
}

import type { Definition } from './read.js'
import { entriesOf, isList, isMapping, plain, type Value } from './value.js'

/**
 * Turns a value into plain data that a definition can contain. A literal `${` is escaped. A value that comes from a var
 * is written as a reference to it, if the var has that value: text from outside can be a number in one place and a text
 * in another. Without `vars`, no references are written.
 */
export function serialise(value: Value, vars?: Definition['vars']): unknown {
  const { reference } = value
  if (reference !== undefined && isSame(vars?.get(reference), value)) return `\${${reference}}`
  if (isList(value)) return value.data.map((item) => serialise(item, vars))
  if (isMapping(value))
    return Object.fromEntries([...value.data].map(([key, entry]) => [key, serialise(entry.value, vars)]))
  return typeof value.data === 'string' ? value.data.replaceAll('${', () => '$${') : value.data
}

function isSame(own: Value | undefined, value: Value): boolean {
  if (!own || !(isList(value) || isMapping(value))) return own?.data === value.data
  return JSON.stringify(plain(own)) === JSON.stringify(plain(value))
}

/** The vars that a definition refers to, directly or through other vars, as plain data in their order. */
export function serialiseVars({ vars, seedReference, stages }: Definition): Record<string, unknown> {
  const used = new Set<string>()
  const use = (name: string): void => {
    if (used.has(name)) return
    used.add(name)
    visit(vars.get(name)!)
  }
  // A value with a reference is not searched, because `use` searches the var that it refers to.
  const visit = (value: Value): void => {
    if (value.reference !== undefined) use(value.reference)
    else if (isList(value)) value.data.forEach(visit)
    else for (const entry of entriesOf(value).values()) visit(entry.value)
  }
  if (seedReference !== undefined) use(seedReference)
  for (const entry of stages) {
    visit(entry.with)
    if (entry.from) visit(entry.from)
  }
  return Object.fromEntries(
    [...vars].filter(([name]) => used.has(name)).map(([name, value]) => [name, serialise(value, vars)]),
  )
}

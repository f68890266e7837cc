import type { Definition } from './read.js'
import { entriesOf, isList, isMapping, type Value } from './value.js'

/**
 * The value as ordinary data that reads back as it is: a literal `${` is written so that it stays one, and what refers
 * to a var as that reference, unless references are to be `resolved`.
 */
export function written(value: Value, resolved = false): unknown {
  if (value.reference !== undefined && !resolved) return `\${${value.reference}}`
  if (isList(value)) return value.data.map((item) => written(item, resolved))
  if (isMapping(value))
    return Object.fromEntries([...value.data].map(([key, entry]) => [key, written(entry.value, resolved)]))
  return typeof value.data === 'string' ? value.data.replaceAll('${', () => '$${') : value.data
}

/** The vars that a definition still refers to, by way of other vars, too; in their order. */
export function writtenVars({ vars, seedReference, stages }: Definition): Record<string, unknown> {
  const used = new Set<string>()
  const use = (name: string): void => {
    if (used.has(name)) return
    used.add(name)
    visit(vars.get(name)!)
  }
  // A var's own reference is to another var; what it refers to is reached from there.
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
  return Object.fromEntries([...vars].filter(([name]) => used.has(name)).map(([name, value]) => [name, written(value)]))
}

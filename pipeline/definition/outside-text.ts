import { isAlias, isMap, isScalar, isSeq, type Node, parseDocument } from 'yaml'
import {
  type Entry,
  entriesOf,
  firstKeyProblem,
  isList,
  keyProblem,
  type Origin,
  type Value,
  valueFrom,
} from './value.js'

/** A number as text from outside may be written: decimal digits, with a point or an exponent if it has one. */
const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/

/** Limits on lists and mappings in JSON, which no option comes near: it is read for each reference to it. */
const MAX_JSON = { characters: 1 << 14, depth: 64 }

/**
 * Makes a value from text of the environment, or from the default of a reference. The value is the text. `otherwise` is
 * what it means to an option that takes no text: a number, true or false, or a list or mapping in JSON.
 */
export function textValue(text: string, origin: Origin): Value {
  const otherwise = typedReading(text, origin)
  return { data: text, origin, ...(otherwise && { otherwise }) }
}

function typedReading(text: string, origin: Origin): Value | undefined {
  if (NUMBER.test(text)) {
    const data = Number(text)
    return Number.isFinite(data) ? { data, origin, ...writtenAs(text, data) } : undefined
  }
  if (/^(true|True|TRUE|false|False|FALSE)$/.test(text)) return { data: text.toLowerCase() === 'true', origin }
  if (!/^\s*[[{]/.test(text) || text.length > MAX_JSON.characters) return undefined
  try {
    const value = valueFrom(JSON.parse(text), origin)
    return depthOf(value) > MAX_JSON.depth || firstKeyProblem(value) ? undefined : value
  } catch {
    return undefined
  }
}

/**
 * Makes a value from a text of the command line. A number, true, false, null, a text in quotes, a list `[…]` and a
 * mapping `{…}` are read as YAML; `otherwise` is then the text, for an option that takes no such value. Everything else
 * is text, unchanged. Throws an Error that says what is malformed in a list, a mapping or a text in quotes.
 */
export function settingValue(text: string, origin: Origin): Value {
  const document = parseDocument(text, { prettyErrors: false })
  const { contents } = document
  const isBracketed = /^\s*["'[{]/.test(text)
  if (!isBracketed) {
    if (text.trim() === '') return { data: null, origin, written: text, otherwise: { data: text, origin } }
    // Anything but the scalar alone is a comment, a tag, an anchor or the like: signs of YAML that the user did not mean.
    const isPlain = document.errors.length === 0 && isScalar(contents) && contents.source === text.trim()
    return isPlain ? plainValue(contents.value, text, origin) : { data: text, origin }
  }
  if (document.errors[0]) throw document.errors[0]
  const value = flowValue(contents, text, origin)
  return isScalar(contents) ? value : { ...value, otherwise: { data: text, origin } }
}

/** A scalar without quotes. Its text stays available, because it may be meant as text. */
function plainValue(data: unknown, text: string, origin: Origin): Value {
  if (typeof data !== 'number' && typeof data !== 'boolean' && data !== null) return { data: text, origin }
  return { data, origin, written: text, otherwise: { data: text, origin } }
}

/** The value of a node inside a list or mapping on the command line. */
function flowValue(node: Node | null, text: string, origin: Origin): Value {
  if (isSeq(node)) return { data: node.items.map((item) => flowValue(item as Node | null, text, origin)), origin }
  if (isMap(node)) {
    const entries = node.items.map(({ key, value }): [string, Entry] => {
      const name = isScalar(key) ? String(key.value) : String(key)
      const problem = keyProblem(name)
      if (problem) throw new Error(problem)
      return [name, { key: origin, value: flowValue(value as Node | null, text, origin) }]
    })
    return { data: new Map(entries), origin }
  }
  if (isScalar(node))
    return node.type === 'PLAIN'
      ? plainValue(node.value, node.source ?? '', origin)
      : { data: String(node.value), origin }
  if (!isAlias(node) || !node.range) return { data: null, origin }
  // A pattern such as *.csv looks like an alias, but nothing on the command line has an anchor.
  return { data: text.slice(node.range[0], node.range[1]), origin }
}

function depthOf(value: Value): number {
  const inner = isList(value) ? value.data : [...entriesOf(value).values()].map((entry) => entry.value)
  return 1 + inner.reduce((most, each) => Math.max(most, depthOf(each)), 0)
}

/** The member `written` of a value, if the number does not print as it was written. */
export function writtenAs(text: string | undefined, data: unknown): { readonly written?: string } {
  return text === undefined || text === String(data) ? {} : { written: text }
}

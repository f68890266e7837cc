import { readFileSync } from 'node:fs'
import { isAlias, isCollection, isNode, type Node, parseDocument } from 'yaml'
import { replaceFile } from '../pipeline/files/files.js'
import { shortest } from './numbers.js'
import type { TestResult } from './run-test.js'
import type { TestSuite } from './test-file.js'

/** What `updateTests` has done. */
export interface Updated {
  /** Values that were replaced. */
  readonly values: number
  /** Names of failed tests with something that cannot be replaced: a condition, an error, rows in another file. */
  readonly left: readonly string[]
}

/** The text from `start` to `end` that is replaced. */
interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

/**
 * Writes what came out over what failed tests of a file expect. The rest of the text stays, byte by byte. Conditions such as
 * `{ atLeast: 0.9 }` stay, too: they are there to fail.
 *
 * @param results the results of all tests of the file, in their order
 */
export function updateTests({ file, tests }: TestSuite, results: readonly TestResult[]): Updated {
  const source = readFileSync(file, 'utf8')
  const document = parseDocument(source, { keepSourceTokens: true })
  const left = new Set<string>()
  const edits = new Map<number, Edit>()
  for (const [i, { failures, name }] of results.entries()) {
    const { test, index } = tests[i]!
    for (const { update } of failures) {
      if (!update) left.add(name)
      for (const [path, value] of update?.values ?? []) {
        const item = Array.isArray(test.expect) ? [update!.expectation] : []
        const steps = ['tests', index, 'expect', ...item, ...path]
        const isShared = steps.some((_, length) => isAlias(document.getIn(steps.slice(0, length + 1), true)))
        const old = document.getIn(steps, true)
        if (isShared || !isNode(old) || !old.range || old.anchor) left.add(name)
        else edits.set(old.range[0], editOf(old, value, source))
      }
    }
  }
  let text = source
  for (const { start, end, text: written } of [...edits.values()].sort((a, b) => b.start - a.start))
    text = text.slice(0, start) + written + text.slice(end)
  if (edits.size > 0) replaceFile(file, text)
  return { values: edits.size, left: [...left] }
}

function editOf(old: Node, value: unknown, source: string): Edit {
  const [start, valueEnd] = old.range!
  // The range of a block ends behind its last line break.
  const end = start + source.slice(start, valueEnd).trimEnd().length
  const isBlock = isCollection(old) && !old.flow
  if (!isBlock) return { start, end, text: flowText(value) }
  const indent = `\n${' '.repeat(start - (source.lastIndexOf('\n', start - 1) + 1))}`
  const lines = Array.isArray(value)
    ? value.map((item) => `- ${flowText(item)}`)
    : Object.entries(value as object).map(([key, item]) => `${flowText(key)}: ${flowText(item)}`)
  return { start, end, text: lines.join(indent) || flowText(value) }
}

/** A value as YAML in one line. */
export function flowText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flowText).join(', ')}]`
  if (typeof value === 'number') return numberText(value)
  if (typeof value !== 'object' || value === null) return plainOrQuoted(value)
  return `{ ${Object.entries(value)
    .map(([key, item]) => `${plainOrQuoted(key)}: ${flowText(item)}`)
    .join(', ')} }`
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return '.nan'
  if (!Number.isFinite(value)) return value > 0 ? '.inf' : '-.inf'
  // YAML reads 1e-7 as a text.
  return String(shortest(value)).replace(/^(-?\d+)e/, '$1.0e')
}

/** A text in quotes, unless it is a plain word that YAML reads as a text. */
function plainOrQuoted(value: unknown): string {
  const isWord =
    typeof value === 'string' && /^[A-Za-z][\w-]*$/.test(value) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(value)
  return isWord ? value : JSON.stringify(value)
}

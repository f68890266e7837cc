import { isUtf8 } from 'node:buffer'
import { type Alias, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import { fileProblem, PipelineError, type Problem } from '../base/errors.js'
import { shortPath, show } from '../base/words.js'
import { MAX_DEFINITION } from '../files/limits.js'
import { readRegularFile } from '../files/regular-file.js'
import { writtenAs } from './outside-text.js'
import { syntaxErrors } from './syntax.js'
import {
  type Entry,
  entriesOf,
  formatOrigin,
  isList,
  isMapping,
  keyProblem,
  type Origin,
  type Scalar,
  showValue,
  type Value,
} from './value.js'

/** Limits, beside that of the file, that no definition written by hand comes near. Beyond them is a mistake or an attack. */
const MAX_VALUES = 100_000
const MAX_DEPTH = 64

/** Reads a YAML file. Throws a PipelineError `DEFINITION` with every syntax error, each with line and column. */
export function readSource(file: string): Value {
  let bytes: Buffer
  try {
    bytes = readRegularFile(file, MAX_DEFINITION)
  } catch (error) {
    throw new PipelineError('DEFINITION', fileProblem('read the definition', shortPath(file), error), { cause: error })
  }
  const text = String(bytes)
  if (!isUtf8(bytes)) throw new PipelineError('DEFINITION', [notUtf8(text, file)])
  return parseSource(text, file)
}

/** The first place at which bytes are no UTF-8. In `text`, a replacement character stands there. */
function notUtf8(text: string, file: string): Problem {
  const before = text.split('\ufffd', 1)[0]!.split(/\r\n?|\n/)
  const origin: Origin = { kind: 'file', file, line: before.length, column: before.at(-1)!.length + 1 }
  return { where: formatOrigin(origin), message: 'expected UTF-8 text, found other bytes; save the file as UTF-8' }
}

/** Parses YAML text, as `readSource` does. `file` is the name of the file in positions. */
export function parseSource(text: string, file: string): Value {
  const lines = new LineCounter()
  // The parser's check for duplicate keys takes quadratic time, so they are found below.
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false, uniqueKeys: false })
  const originAt = (offset: number): Origin => {
    const { line, col } = lines.linePos(offset)
    return { kind: 'file', file, line, column: col }
  }
  const problems: Problem[] = syntaxErrors(document, text, lines).map(({ offset, message }) => ({
    where: formatOrigin(originAt(offset)),
    message: `malformed YAML: ${message}`,
  }))
  if (problems.length > 0) throw new PipelineError('DEFINITION', problems)

  // The parser searches the whole document for each alias, which takes quadratic time. So we remember the last anchor of
  // each name. An alias inside an anchored value is converted again for each use, and must keep its first target.
  const anchors = new Map<string, Node>()
  const targets = new Map<Alias, Node | undefined>()
  function targetOf(alias: Alias): Node | undefined {
    if (!targets.has(alias)) targets.set(alias, anchors.get(alias.source))
    return targets.get(alias)
  }

  let values = 0
  let aliases = 0
  function convert(node: Node | null | undefined, fallback: Origin, depth: number): Value {
    const origin = node?.range ? originAt(node.range[0]) : fallback
    if (isAlias(node)) {
      const target = targetOf(node)
      if (target) {
        aliases++
        const value = convert(target, fallback, depth + 1)
        aliases--
        return value
      }
      problems.push({
        where: formatOrigin(origin),
        message: `malformed YAML: no anchor "&${node.source}" stands above the alias "*${node.source}"`,
      })
    }
    if (++values > MAX_VALUES || depth > MAX_DEPTH)
      throw new PipelineError('DEFINITION', [
        {
          where: formatOrigin(origin),
          message:
            `expected at most ${MAX_VALUES} values nested at most ${MAX_DEPTH} deep ` +
            '(aliases count where they are used)',
        },
      ])
    if (node?.anchor && aliases === 0) anchors.set(node.anchor, node)
    if (isSeq(node)) return { data: node.items.map((item) => convert(item as Node, origin, depth + 1)), origin }
    if (isMap(node)) {
      const own = new Map<string, Entry>()
      const merged = new Map<string, Entry>()
      for (const pair of node.items) {
        const key = pair.key as Node | null
        const keyOrigin = key?.range ? originAt(key.range[0]) : origin
        if (!isScalar(key)) {
          problems.push({ where: formatOrigin(keyOrigin), message: 'expected a plain key, got a list or mapping' })
          continue
        }
        // The parser represents the merge key by a symbol.
        const name = typeof key.value === 'symbol' ? '<<' : String(key.value)
        const value = convert(pair.value as Node | null, keyOrigin, depth + 1)
        if (name === '<<') merge(merged, value, problems)
        else if (keyProblem(name)) problems.push({ where: formatOrigin(keyOrigin), message: keyProblem(name)! })
        else if (own.has(name))
          problems.push({ where: formatOrigin(keyOrigin), message: `malformed YAML: duplicate key "${name}"` })
        else own.set(name, { key: keyOrigin, value })
      }
      return { data: new Map([...merged, ...own]), origin }
    }
    const data = isScalar(node) ? scalarOf(node.value) : null
    const isTyped = isScalar(node) && (typeof data === 'number' || typeof data === 'boolean')
    return { data, origin, ...(isTyped && writtenAs(node.source, data)) }
  }

  const value = convert(document.contents, { kind: 'file', file, line: 1, column: 1 }, 0)
  if (problems.length > 0) throw new PipelineError('DEFINITION', problems)
  if (!isMapping(value)) {
    const expected = 'expected a pipeline definition (a mapping with "stages")'
    throw new PipelineError('DEFINITION', [
      {
        where: formatOrigin(value.origin),
        message:
          value.data === null
            ? `the file is empty, ${expected}`
            : `${expected}, got ${isList(value) ? 'a list' : show(value.data)}`,
      },
    ])
  }
  return value
}

/** Adds the entries of a merge key (`<<`), a mapping or a list of them. Earlier mappings win over later ones. */
function merge(into: Map<string, Entry>, value: Value, problems: Problem[]): void {
  for (const source of isList(value) ? value.data : [value]) {
    if (!isMapping(source))
      problems.push({
        where: formatOrigin(source.origin),
        message: `expected a mapping to merge, got ${showValue(source)}`,
      })
    for (const [key, entry] of entriesOf(source)) if (!into.has(key)) into.set(key, entry)
  }
}

/** The parser's scalar as one of ours. */
function scalarOf(value: unknown): Scalar {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return value
  return typeof value === 'bigint' ? Number(value) : String(value)
}

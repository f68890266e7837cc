import { type Document, isScalar, type LineCounter, visit, type YAMLError } from 'yaml'

/** A syntax error in a YAML file: its position, and an explanation in user terms. */
export interface SyntaxError {
  /** The position, in characters from the start of the text. */
  readonly offset: number
  /** What is wrong. */
  readonly message: string
}

/**
 * The syntax errors and warnings of a YAML text. Returns only the first of each line, because the others are usually
 * consequences of it. For the same reason it omits messages about superfluous tokens, unless one is the first of all.
 */
export function syntaxErrors(document: Document.Parsed, text: string, lines: LineCounter): SyntaxError[] {
  const byLine = new Map<number, SyntaxError>()
  const all = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0])
  const first = all.filter(({ message }, i) => i === 0 || !message.includes('token in YAML stream'))
  for (const error of first) {
    const found = explain(error, document, text)
    const { line } = lines.linePos(found.offset)
    if (!byLine.has(line)) byLine.set(line, found)
  }
  return [...byLine.values()]
}

/** Replaces the parser's message by one in user terms, and moves the position to the mistake. */
function explain({ code, message, pos }: YAMLError, document: Document.Parsed, text: string): SyntaxError {
  const [offset] = pos
  const at = (message: string, place = offset): SyntaxError => ({ offset: place, message })
  const [, flow, bracket] = /^Flow (sequence|map) .* ([\]}])$/.exec(message) ?? []
  if (flow) return at(`expected "${bracket}" here, to close a ${flow === 'map' ? 'mapping' : 'list'}`)
  const quote = /^Missing closing (['"])quote$/.exec(message)?.[1]
  if (quote) return at(`the string that begins here has no closing ${quote}`, lastQuoted(document) ?? offset)
  if (text.startsWith('${', offset - 1)) return at('a reference inside { } or [ ] needs quotes: "${name}"', offset - 1)
  switch (code) {
    case 'TAB_AS_INDENT':
      return at('a tab cannot indent, expected spaces')
    case 'MULTIPLE_DOCS':
      return at('expected one document, got another after "---"')
    case 'RESOURCE_EXHAUSTION':
      return at('nested too deep')
    case 'BLOCK_AS_IMPLICIT_KEY':
      return at('a mapping cannot begin here; check the indentation, or put a text with ": " in quotes')
    case 'MULTILINE_IMPLICIT_KEY':
      return at('expected "key: value", with a space after the colon')
    default:
      return at(lowerFirst(message))
  }
}

/** The offset of the last quoted string. The parser reports a missing quote only at the end of the file. */
function lastQuoted(document: Document.Parsed): number | undefined {
  let offset: number | undefined
  visit(document, {
    Scalar(_, node) {
      if (isScalar(node) && node.type?.startsWith('QUOTE')) offset = node.range?.[0]
    },
  })
  return offset
}

/**
 * Makes the first letter lower case, because messages of Millrace start in lower case and those of the parser do not.
 */
export function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}

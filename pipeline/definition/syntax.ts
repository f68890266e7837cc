import { type Document, isScalar, type LineCounter, visit, type YAMLError } from 'yaml'

/** A place in a YAML text that cannot be read, and why, in the words of somebody who writes pipelines. */
export interface SyntaxError {
  readonly offset: number
  readonly message: string
}

/**
 * What is wrong with a YAML text: the first error of each line, because the others follow from it. So do complaints
 * about tokens that are left over once the parser has lost the structure.
 */
export function syntaxErrors(document: Document.Parsed, text: string, lines: LineCounter): SyntaxError[] {
  const byLine = new Map<number, SyntaxError>()
  const all = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0])
  const first = all.filter(({ message }, i) => i === 0 || !message.includes('token in YAML stream'))
  for (const error of first) {
    const found = worded(error, document, text)
    const { line } = lines.linePos(found.offset)
    if (!byLine.has(line)) byLine.set(line, found)
  }
  return [...byLine.values()]
}

function worded({ code, message, pos }: YAMLError, document: Document.Parsed, text: string): SyntaxError {
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

/** The parser notices a missing quote at the end of the file; the string it belongs to is the last one. */
function lastQuoted(document: Document.Parsed): number | undefined {
  let offset: number | undefined
  visit(document, {
    Scalar(_, node) {
      if (isScalar(node) && node.type?.startsWith('QUOTE')) offset = node.range?.[0]
    },
  })
  return offset
}

/** The parser's own words begin with a capital, ours do not. */
export function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}

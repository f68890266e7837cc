import { PipelineError } from '../../../pipeline/stage-kit.js'
import type { Place } from '../tabular/column-cells.js'
import { cellsOf, closingQuote, unescaped } from './tokens.js'

/** What an ARFF file declares of a column. */
export interface ArffAttribute {
  /** Name of the column. */
  readonly name: string
  /** What its cells are. */
  readonly type: 'number' | 'nominal' | 'text' | 'date'
  /** The values of a nominal attribute, in their order. */
  readonly values?: readonly string[] | undefined
}

/**
 * Reads what follows `@attribute`: a name, which may be in quotes, and a type. Throws a PipelineError `DATA` if it is
 * damaged, or if the attribute is relational.
 */
export function attributeOf(text: string, place: Place): ArffAttribute {
  const isQuoted = text.startsWith("'") || text.startsWith('"')
  const end = isQuoted ? closingQuote(text, 0, place) + 1 : text.search(/[\s{]|$/)
  const name = isQuoted ? unescaped(text.slice(1, end - 1)) : unescaped(text.slice(0, end))
  const type = text.slice(end).trim()
  if (name === '' || type === '')
    throw new PipelineError(
      'DATA',
      `${place()}: expected @attribute with a name and a type, got "${text.slice(0, 40)}"`,
    )
  if (type.startsWith('{')) {
    const end = endOfValues(type, place)
    const behind = type.slice(end + 1).trim()
    if (end < 0 || (behind !== '' && !behind.startsWith('%')))
      throw new PipelineError('DATA', `${place()}: expected } after the values of ${name}`)
    const values = cellsOf(type.slice(1, end).trim(), place).map((cell) => cell.text)
    if (new Set(values).size < values.length || values.includes(''))
      throw new PipelineError('DATA', `${place()}: expected values of ${name} that differ and are not empty`)
    return { name, type: 'nominal', values }
  }
  const [word] = type.toLowerCase().split(/\s/, 1) as [string]
  if (['numeric', 'real', 'integer'].includes(word)) return { name, type: 'number' }
  if (word === 'string') return { name, type: 'text' }
  if (word === 'date') return { name, type: 'date' }
  throw new PipelineError(
    'DATA',
    `${place()}: expected numeric, real, integer, string, date or {values} as the type of ${name}, got "${type.slice(0, 40)}"`,
  )
}

/** The index of the brace that closes a list of values, or -1. A comment may follow it, and have braces of its own. */
function endOfValues(list: string, place: Place): number {
  let isCellStart = true
  for (let at = 1; at < list.length; at++) {
    const character = list[at]!
    if (character === '}') return at
    if (character === '\\') at++
    else if (isCellStart && (character === "'" || character === '"')) at = closingQuote(list, at, place)
    isCellStart = character === ',' || (isCellStart && /\s/.test(character))
  }
  return -1
}

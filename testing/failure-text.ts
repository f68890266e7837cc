import { oneLine } from '../pipeline/base/plain-text.js'
import { textColumns } from '../pipeline/base/text-table.js'
import { counted } from '../pipeline/base/words.js'
import type { ExpectedCell } from '../pipeline/definition/tests.js'
import type { Cell, CellRow } from './cells.js'
import { inWords } from './compare.js'
import type { ExpectedRow, Failure } from './failure.js'
import { shortest } from './numbers.js'

/** Rows of a table that a failure shows, and numbers of a list around the one that differs. */
const SHOWN = { rows: 8, numbers: 6 }

/** The lines of a failure: where it is, what was expected and found, the input, and the rows side by side. */
export function failureLines({ where, message, inputs = [], rows }: Failure, withInputs = true): string[] {
  return [
    oneLine(`${where}  ${message}`),
    ...(withInputs ? inputs : []).flatMap(({ place, count, rows: shown }) => [
      `  input at ${place}, ${counted(count, 'row')}${count > shown.length ? `, the first ${shown.length}` : ''}:`,
      ...tableLines(shown).map((line) => `    ${line}`),
    ]),
    ...(rows
      ? ['  expected (-) and got (+), what differs between » and «:', ...comparison(rows).map((line) => `    ${line}`)]
      : []),
  ]
}

/** A table of rows, without columns that say the same as another. */
function tableLines(rows: readonly CellRow[]): string[] {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((name) => name !== 'stored')
  if (names.length === 0) return []
  const cells = rows.map((row) => names.map((name) => (Object.hasOwn(row, name) ? cellText(row[name]!) : '')))
  return textColumns([names.map(oneLine), ...cells])
}

/** Rows that are as expected stand once, the others twice: as expected and as they came. */
function comparison({ expected, got, differences }: NonNullable<Failure['rows']>): string[] {
  const names = [
    ...new Set([
      ...expected.flatMap((row) => Object.keys(row)),
      ...(expected.length === 0 ? got.flatMap((row) => Object.keys(row)) : []),
    ]),
  ]
  const lines: string[][] = [['', ...names.map(oneLine)]]
  const differing = new Set(differences.map(({ row }) => row))
  const all = Math.max(expected.length, got.length)
  const numbers = Array.from({ length: all }, (_, i) => i)
  const isWrong = (i: number): boolean =>
    differing.has(i) || i >= expected.length || i >= got.length || differences.length === 0
  const shown = new Set(numbers.filter(isWrong).slice(0, SHOWN.rows))
  const start = Math.max(0, Math.min(...shown) - 1)
  for (const i of numbers.slice(start)) {
    if (lines.length > 2 * SHOWN.rows) {
      lines.push(['', `… ${all} rows in all`, ...names.slice(1).map(() => '')])
      break
    }
    const at = (name: string) => differences.find(({ row, column }) => row === i && column === name)
    const wanted = expected[i]
    const found = got[i]
    const isMarked = isWrong(i)
    if (wanted && isMarked) lines.push([`- ${i}`, ...names.map((name) => expectedText(wanted, name, at(name)))])
    if (found) lines.push([`${isMarked ? '+' : ' '} ${i}`, ...names.map((name) => gotText(found, name, at(name)))])
  }
  return textColumns(lines)
}

type At = { readonly index?: number | undefined } | undefined

function expectedText(row: ExpectedRow, name: string, difference: At): string {
  const cell = row[name]
  if (cell === undefined) return ''
  if (Array.isArray(cell))
    return listText((cell as readonly ExpectedCell[]).flat(9), difference?.index, (value) =>
      inWords(value as ExpectedCell),
    )
  return inWords(cell)
}

function gotText(row: CellRow, name: string, difference: At): string {
  if (!Object.hasOwn(row, name)) return difference ? '»no such column«' : ''
  const cell = row[name]!
  if (Array.isArray(cell)) {
    const text = listText(cell, difference?.index, numberText, '»', '«')
    return difference && difference.index === undefined ? `»${text}«` : text
  }
  return difference ? `»${cellText(cell)}«` : cellText(cell)
}

/** A list, cut to the numbers around one of them. */
function listText(
  list: readonly unknown[],
  index: number | undefined,
  text: (value: unknown) => string,
  before = '',
  after = '',
): string {
  const from = Math.max(0, Math.min((index ?? 0) - 2, list.length - SHOWN.numbers))
  const shown = list
    .slice(from, from + SHOWN.numbers)
    .map((value, i) => (from + i === index ? `${before}${text(value)}${after}` : text(value)))
  const isCut = list.length > SHOWN.numbers
  return `[${from > 0 ? '…, ' : ''}${shown.join(', ')}${from + SHOWN.numbers < list.length ? ', …' : ''}]${isCut ? ` (${list.length})` : ''}`
}

function cellText(cell: Cell): string {
  if (Array.isArray(cell)) return listText(cell, undefined, numberText)
  const text = typeof cell === 'number' ? numberText(cell) : String(cell)
  return oneLine(text.length > 40 ? `${text.slice(0, 39)}…` : text)
}

function numberText(number: unknown): string {
  return String(shortest(number as number))
}

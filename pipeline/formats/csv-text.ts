import { stringify } from 'csv-stringify/sync'

/** What a spreadsheet may take for a formula: these characters in front, whatever blanks stand before them. */
const FORMULA = /^'*\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|^'*[\t\r\n]/

/** A number is not dangerous, also if it is text: a class may be called `-1`. */
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

/**
 * Formats rows as CSV that a spreadsheet can open. Text that it could take for a formula gets `'` in front, as OWASP
 * advises; `fromCsvText` takes it away again. Numbers are written as they are.
 */
export function csvOf(rows: readonly (readonly (string | number)[])[]): string {
  return stringify(rows.map((row) => row.map((cell) => (typeof cell === 'number' ? String(cell) : csvText(cell)))))
}

function csvText(text: string): string {
  return FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text
}

/** The text that `csvOf` was given, from the cell that it wrote. */
export function fromCsvText(cell: string): string {
  return cell.startsWith("'") && FORMULA.test(cell) ? cell.slice(1) : cell
}

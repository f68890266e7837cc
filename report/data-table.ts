import { type Content, type Html, html } from './html.js'
import type { Sheet } from './sheets.js'
import type { Cell, DataTable } from './tables.js'

/**
 * Formats a table as HTML. On a narrow screen it scrolls by itself; the keyboard reaches it.
 *
 * @param content of a cell; default: its text
 */
export function dataTable(
  { id, caption, columns, rows, notes }: DataTable,
  content: (cell: Cell) => Content = ({ text }) => text,
): Html {
  const head = columns.map(
    ({ name, isNumeric }) => html`<th scope="col"${isNumeric && html` class="number"`}>${name}</th>`,
  )
  const cell = (cell: Cell, i: number): Html => {
    const marks = cell.notes && cell.notes.length > 0 && html`<sup>${cell.notes.join(', ')}</sup>`
    const place = columns[i]!.isNumeric && html` class="number"`
    if (i === 0) return html`<th scope="row"${place}>${content(cell)}${marks}</th>`
    return html`<td${place}>${content(cell)}${marks}</td>`
  }
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table data-table="${id}">
<caption><span>${caption}</span></caption>
<thead><tr>${head}</tr></thead>
<tbody>${rows.map(
    (row) => html`<tr>${row.map(cell)}</tr>
`,
  )}</tbody>
</table></div>
${notes.length > 0 && html`<ol class="notes">${notes.map((note) => html`<li>${note}</li>`)}</ol>`}`
}

/** Formats remarks as a list; none leave nothing. */
export function remarkList(remarks: readonly string[]): Html | undefined {
  return remarks.length > 0
    ? html`<ul class="notes">${remarks.map((remark) => html`<li>${remark}</li>`)}</ul>`
    : undefined
}

/**
 * Turns a CSV into a table: whole numbers stay as they are, others get three digits. The first column names the rows,
 * and the heads of a confusion matrix name classes: these texts stay as they are.
 */
export function sheetTable(id: string, caption: string, { columns, rows }: Sheet): DataTable {
  const isNumber = (text: string): boolean => text.trim() !== '' && Number.isFinite(Number(text))
  const isNumeric = columns.map((_, i) => rows.some((row) => isNumber(row[i]!)))
  const cellOf = (text: string, column: number): Cell => {
    if (text === '') return { text: '–' }
    if (column === 0) return { text }
    return { text: isNumber(text) && !/^-?\d+$/.test(text.trim()) ? roundToThreeDigits(Number(text)) : text }
  }
  return {
    id,
    caption,
    columns: columns.map((name, i) => ({
      name: name.startsWith('predicted ') ? name : name.replaceAll('_', ' '),
      isNumeric: i > 0 && isNumeric[i]!,
    })),
    rows: rows.map((row) => row.map((text, column) => cellOf(text, column))),
    notes: [],
  }
}

function roundToThreeDigits(value: number): string {
  const size = Math.abs(value)
  const short = size > 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(2) : String(Number(value.toPrecision(3)))
  return short.replace(/\.?0*e/, 'e').replaceAll('-', '−')
}

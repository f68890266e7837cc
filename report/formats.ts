import { stringify } from 'csv-stringify/sync'
import { textColumns } from '../pipeline/base/text-table.js'
import type { Cell, DataTable } from './tables.js'

/** The formats of tables, by the ending of their files. */
export const formats: Readonly<Record<'md' | 'csv' | 'tex', (table: DataTable) => string>> = {
  md: markdown,
  csv,
  tex: latex,
}

/** Formats a table as Markdown. Its notes follow as a list. */
function markdown({ caption, columns, rows, notes }: DataTable): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const cell = ({ text, notes = [], isBest }: Cell): string =>
    (isBest ? `**${markdownText(text)}**` : markdownText(text)) + marks(notes)
  return [
    `**${markdownText(caption)}**`,
    '',
    line(columns.map(({ name }) => markdownText(name))),
    line(columns.map(({ isNumeric }) => (isNumeric ? '---:' : '---'))),
    ...rows.map((row) => line(row.map(cell))),
    ...(notes.length > 0 ? ['', ...notes.map((note, i) => `${i + 1}. ${markdownText(note)}`)] : []),
    '',
  ].join('\n')
}

function markdownText(text: string): string {
  return text.replace(/[\\`*_[\]<>|#]/g, (character) => `\\${character}`).replace(/\s+/g, ' ')
}

function marks(notes: readonly number[]): string {
  return notes.length > 0 ? ` (${notes.join(', ')})` : ''
}

/**
 * Formats a table as CSV. Numbers have all their digits, and shares are from 0 to 1. Deviations, notes and the mark of
 * the best row have columns of their own.
 */
function csv({ columns, rows, notes }: DataTable): string {
  const hasDeviation = columns.map((_, i) => rows.some((row) => row[i]!.deviation !== undefined))
  const hasNotes = notes.length > 0
  const hasBest = rows.some(isBest)
  const cells = (row: readonly Cell[]): string[] =>
    row.flatMap(({ text, value, deviation }, i) => [
      value === undefined ? csvText(text) : String(value),
      ...(hasDeviation[i] ? [deviation === undefined ? '' : String(deviation)] : []),
    ])
  const notesOf = (row: readonly Cell[]): string[] => [
    ...new Set(row.flatMap((cell) => cell.notes ?? []).map((number) => notes[number - 1]!)),
  ]
  return stringify([
    [
      ...columns.flatMap(({ name }, i) => [name, ...(hasDeviation[i] ? [`${name}, standard deviation`] : [])]),
      ...(hasBest ? ['best'] : []),
      ...(hasNotes ? ['notes'] : []),
    ],
    ...rows.map((row) => [
      ...cells(row),
      ...(hasBest ? [isBest(row) ? 'best' : ''] : []),
      ...(hasNotes ? [csvText(notesOf(row).join('; '))] : []),
    ]),
  ])
}

function isBest(row: readonly Cell[]): boolean {
  return row.some((cell) => cell.isBest)
}

/** A missing value becomes an empty cell. Text that a spreadsheet would take for a formula gets a quote. */
function csvText(text: string): string {
  if (text === '–') return ''
  return /^[=+@\-\t\r]/.test(text) ? `'${text}` : text
}

/** Formats a table as LaTeX, for the package booktabs. */
function latex({ id, caption, columns, rows, notes }: DataTable): string {
  const line = (cells: readonly string[]): string => `  ${cells.join(' & ')} \\\\`
  const cell = ({ text, notes = [], isBest }: Cell): string =>
    (isBest ? `\\textbf{${latexText(text)}}` : latexText(text)) + (notes.length > 0 ? `$^{${notes.join(',')}}$` : '')
  return [
    '\\begin{table}',
    '  \\centering',
    `  \\caption{${latexText(caption)}}`,
    `  \\label{tab:${id}}`,
    `  \\begin{tabular}{${columns.map(({ isNumeric }) => (isNumeric ? 'r' : 'l')).join('')}}`,
    '  \\toprule',
    line(columns.map(({ name }) => latexText(name))),
    '  \\midrule',
    ...rows.map((row) => line(row.map(cell))),
    '  \\bottomrule',
    '  \\end{tabular}',
    ...notes.map((note, i) => `  \\par\\footnotesize $^{${i + 1}}$ ${latexText(note)}`),
    '\\end{table}',
    '',
  ].join('\n')
}

const commands = new Map([
  ['\\', '\\textbackslash{}'],
  ['~', '\\textasciitilde{}'],
  ['^', '\\textasciicircum{}'],
  ['±', '$\\pm$'],
  ['−', '$-$'],
  ['·', '$\\cdot$'],
  ['–', '--'],
])

function latexText(text: string): string {
  return text.replace(/[\\~^±−·–]|[&%$#_{}]/g, (found) => commands.get(found) ?? `\\${found}`).replace(/\s+/g, ' ')
}

/** Formats a table for a terminal. A star marks the best row. */
export function plainText({ caption, columns, rows, notes }: DataTable): string {
  const hasBest = rows.some(isBest)
  const lines = [
    columns.map(({ name }) => name),
    ...rows.map((row) => row.map(({ text }) => text.replace(/\s+/g, ' '))),
  ]
  const formatted = textColumns(lines, (i) => columns[i]!.isNumeric === true).map((line, at) => {
    const star = hasBest ? (at > 0 && isBest(rows[at - 1]!) ? '* ' : '  ') : ''
    return (star + line).trimEnd()
  })
  return [caption, ...formatted, ...notes.map((note, i) => `${i + 1}. ${note}`), ''].join('\n')
}

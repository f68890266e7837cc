import { oneLine } from '../pipeline/base/plain-text.js'
import { textColumns } from '../pipeline/base/text-table.js'
import { csvOf } from '../pipeline/formats/csv-text.js'
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

/** Escapes what Markdown, with the extensions of GitHub, reads as markup: also `$` (formulas), `&` and addresses. */
function markdownText(text: string): string {
  return singleLine(text)
    .replace(/[\\`*_[\]<>|#~$&]/g, '\\$&')
    .replace(/^([-+]|\d+[.)])(?= )|:(?=\/\/)|(?<=\bwww)\.|@(?=\w)/gi, (found) => found.replace(/\W/, '\\$&'))
}

/** Makes a text one line: blanks and line breaks become a blank, control characters are spelled out. */
function singleLine(text: string): string {
  return oneLine(text.replace(/\s+/g, ' '))
}

function marks(notes: readonly number[]): string {
  return notes.length > 0 ? ` (${notes.join(', ')})` : ''
}

/**
 * Formats a table as CSV. Numbers have all their digits, and shares are from 0 to 1. A missing value is an empty cell.
 * Deviations, notes and the mark of the best row have columns of their own.
 */
function csv({ columns, rows, notes }: DataTable): string {
  const hasDeviation = columns.map((_, i) => rows.some((row) => row[i]!.deviation !== undefined))
  const hasNotes = notes.length > 0
  const hasBest = rows.some(isBest)
  const cells = (row: readonly Cell[]): (string | number)[] =>
    row.flatMap(({ text, value, deviation }, i) => [
      value ?? (text === '–' ? '' : singleLine(text)),
      ...(hasDeviation[i] ? [deviation ?? ''] : []),
    ])
  const notesOf = (row: readonly Cell[]): string[] => [
    ...new Set(row.flatMap((cell) => cell.notes ?? []).map((number) => notes[number - 1]!)),
  ]
  return csvOf([
    [
      ...columns.flatMap(({ name }, i) =>
        [name, ...(hasDeviation[i] ? [`${name}, standard deviation`] : [])].map(singleLine),
      ),
      ...(hasBest ? ['best'] : []),
      ...(hasNotes ? ['notes'] : []),
    ],
    ...rows.map((row) => [
      ...cells(row),
      ...(hasBest ? [isBest(row) ? 'best' : ''] : []),
      ...(hasNotes ? [singleLine(notesOf(row).join('; '))] : []),
    ]),
  ])
}

function isBest(row: readonly Cell[]): boolean {
  return row.some((cell) => cell.isBest)
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
  ['<', '\\textless{}'],
  ['>', '\\textgreater{}'],
  ['|', '\\textbar{}'],
])

function latexText(text: string): string {
  return singleLine(text).replace(/[\\~^±−·–<>|]|[&%$#_{}]/g, (found) => commands.get(found) ?? `\\${found}`)
}

/** Formats a table for a terminal. A star marks the best row. */
export function plainText({ caption, columns, rows, notes }: DataTable): string {
  const hasBest = rows.some(isBest)
  const lines = [
    columns.map(({ name }) => singleLine(name)),
    ...rows.map((row) => row.map(({ text }) => singleLine(text))),
  ]
  const formatted = textColumns(lines, (i) => columns[i]!.isNumeric === true).map((line, at) => {
    const star = hasBest ? (at > 0 && isBest(rows[at - 1]!) ? '* ' : '  ') : ''
    return (star + line).trimEnd()
  })
  return [singleLine(caption), ...formatted, ...notes.map((note, i) => `${i + 1}. ${singleLine(note)}`), ''].join('\n')
}

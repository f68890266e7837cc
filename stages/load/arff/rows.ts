import { type Cell, PipelineError } from '../../../pipeline/stage-kit.js'
import type { Place } from '../tabular/column-cells.js'
import type { DeclaredColumn } from '../tabular/file-columns.js'
import type { TableRows } from '../tabular/table-rows.js'
import { type ArffAttribute, attributeOf } from './attribute.js'
import { cellsOf, type Token } from './tokens.js'

/** Turns the lines of an ARFF file into rows of a table. */
export class ArffRows {
  private readonly path: string
  private readonly rows: TableRows
  private readonly attributes: ArffAttribute[] = []
  private isInData = false

  constructor(path: string, rows: TableRows) {
    this.path = path
    this.rows = rows
  }

  /** Reads a line. Throws a PipelineError `DATA` with its number. */
  add(line: string, number: number): void {
    const text = line.trim()
    if (text === '' || text.startsWith('%')) return
    const place = (): string => `${this.path}:${number}`
    if (this.isInData) this.addRow(text, place)
    else this.addDeclaration(text, place)
  }

  /** Throws a PipelineError `DATA` if the file has no data section. */
  end(): void {
    if (!this.isInData)
      throw new PipelineError('DATA', `${this.path}: no @data line; is it an ARFF file, and all of it?`)
  }

  private addDeclaration(text: string, place: Place): void {
    const [keyword] = text.split(/\s/, 1) as [string]
    const rest = text.slice(keyword.length).trim()
    if (/^@relation$/i.test(keyword)) return
    if (/^@attribute$/i.test(keyword)) {
      const attribute = attributeOf(rest, place)
      if (this.attributes.some(({ name }) => name === attribute.name))
        throw new PipelineError('DATA', `${place()}: two attributes have the name "${attribute.name.slice(0, 40)}"`)
      this.attributes.push(attribute)
    } else if (/^@data$/i.test(keyword)) this.begin(place)
    else
      throw new PipelineError(
        'DATA',
        `${place()}: expected @relation, @attribute or @data, got "${text.slice(0, 40)}"; is it an ARFF file?`,
      )
  }

  private begin(place: Place): void {
    const { attributes, rows, path } = this
    if (attributes.length === 0) throw new PipelineError('DATA', `${place()}: no @attribute before @data`)
    this.isInData = true
    const names = attributes.map(({ name }) => name)
    const declared = attributes.map(({ type, values }): DeclaredColumn | undefined =>
      type === 'nominal'
        ? { type: 'category', categories: values }
        : type === 'number'
          ? { type: 'number' }
          : undefined,
    )
    const unusable = [...attributes.keys()].filter((column) => attributes[column]!.type === 'date')
    const { label, features } = rows.begin(path, { names, count: names.length, declared, label: -1, unusable })
    const date = features.find((column) => attributes[column]!.type === 'date')
    if (date !== undefined)
      throw new PipelineError(
        'DATA',
        `${path}: the attribute ${names[date]} is a date, which is no number; drop: [${names[date]}]`,
      )
    if (label >= 0 && attributes[label]!.type === 'nominal') rows.labels.declare(attributes[label]!.values!)
  }

  private addRow(text: string, place: Place): void {
    const cells = text.startsWith('{') ? this.sparse(text, place) : cellsOf(text, place).map(cellOf)
    this.rows.add(cells, place)
  }

  /** A row of pairs of index and value; other numbers are 0, other nominal cells their first value. */
  private sparse(text: string, place: Place): Cell[] {
    if (!text.endsWith('}')) throw new PipelineError('DATA', `${place()}: expected } at the end of a sparse row`)
    const cells: Cell[] = this.attributes.map(({ type, values }) => (type === 'nominal' ? (values![0] ?? null) : '0'))
    const inner = text.slice(1, -1).trim()
    if (inner === '') return cells
    for (const pair of cellsOf(inner, place, true)) {
      const [, index, value] = /^(\d{1,9})\s+(.*)$/s.exec(pair.raw) ?? []
      if (index === undefined || Number(index) >= cells.length)
        throw new PipelineError(
          'DATA',
          `${place()}: expected an index from 0 to ${cells.length - 1} and a value, got "${pair.raw.slice(0, 40)}"`,
        )
      const [cell, ...others] = cellsOf(value!, place)
      if (!cell || others.length > 0)
        throw new PipelineError('DATA', `${place()}: expected one value, got "${value!.slice(0, 40)}"`)
      cells[Number(index)] = cellOf(cell)
    }
    return cells
  }
}

/** A question mark without quotes is a missing cell. */
function cellOf({ text, isQuoted }: Token): Cell {
  return text === '?' && !isQuoted ? null : text
}

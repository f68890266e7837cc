import { type Cell, counted, messageOf, PipelineError, someOf } from '../../../pipeline/stage-kit.js'
import type { Place } from '../tabular/column-cells.js'
import { labelColumn } from '../tabular/columns.js'
import type { TableRows } from '../tabular/table-rows.js'

/** How deep objects and arrays may lie in each other. */
const MOST_DEPTH = 16

/** The most columns of a line. */
const MOST_COLUMNS = 1 << 20

/** Turns lines of JSON into rows of a table. */
export class JsonRows {
  private readonly path: string
  private readonly rows: TableRows
  private readonly ignoresFurther: boolean
  /** The index of each column by its key; undefined before the first line. */
  private columns: Map<string, number> | undefined
  private isArray = false
  private cells: Cell[] = []

  /** @param ignoresFurther whether keys that the first line does not have are left out, else they are an error */
  constructor(path: string, rows: TableRows, ignoresFurther: boolean) {
    this.path = path
    this.rows = rows
    this.ignoresFurther = ignoresFurther
  }

  /** Adds the row of a line. Blank lines are left out. Throws a PipelineError `DATA` with the line. */
  add(line: string, number: number): void {
    if (line.trim() === '') return
    const place = (): string => `${this.path}:${number}`
    const value = this.parsed(line, place)
    if (!this.columns) this.begin(value, place)
    if (Array.isArray(value) !== this.isArray)
      throw new PipelineError(
        'DATA',
        `${place()}: expected ${this.isArray ? 'an array' : 'an object'} as in the lines before`,
      )
    this.cells.fill(null)
    let count = 0
    const further: string[] = []
    eachCell(value, '', 0, place, (key, cell) => {
      const column = this.columns!.get(key)
      if (column === undefined) further.push(key)
      else this.cells[column] = cell
      count++
    })
    if (this.isArray && count !== this.columns!.size)
      throw new PipelineError('DATA', `${place()}: expected ${counted(this.columns!.size, 'cell')}, found ${count}`)
    if (further.length > 0 && !this.ignoresFurther)
      throw new PipelineError(
        'DATA',
        `${place()}: the first line does not have ${further.length === 1 ? 'the key' : 'the keys'} ${someOf(further)}; select: [...] says which columns to read`,
      )
    this.rows.add(this.cells, place)
  }

  private begin(value: object, place: Place): void {
    const keys: string[] = []
    const known = new Set<string>()
    eachCell(value, '', 0, place, (key) => {
      if (known.has(key)) throw new PipelineError('DATA', `${place()}: two columns have the name "${key.slice(0, 40)}"`)
      known.add(key)
      keys.push(key)
      if (keys.length > MOST_COLUMNS) throw new PipelineError('DATA', `${place()}: more than ${MOST_COLUMNS} columns`)
    })
    this.columns = new Map(keys.map((key, i) => [key, i]))
    this.isArray = Array.isArray(value)
    this.cells = keys.map(() => null)
    const names = this.isArray ? undefined : keys
    this.rows.begin(this.path, { names, count: keys.length, label: labelColumn(names) })
  }

  private parsed(line: string, place: Place): object {
    let value: unknown
    try {
      value = JSON.parse(line)
    } catch (error) {
      const help = /^\s*[[{]\s*$/.test(line)
        ? '; a file with one JSON array or object over many lines has to be written as one object per line'
        : ''
      throw new PipelineError('DATA', `${place()}: not JSON: ${messageOf(error).slice(0, 100)}${help}`, {
        cause: error,
      })
    }
    if (typeof value === 'object' && value !== null) return value
    throw new PipelineError('DATA', `${place()}: expected an object or an array, got ${line.trim().slice(0, 40)}`)
  }
}

/** Visits the numbers, texts, truth values and nulls of a value, with dotted names. */
function eachCell(
  value: object,
  prefix: string,
  depth: number,
  place: Place,
  visit: (key: string, cell: Cell) => void,
): void {
  if (depth > MOST_DEPTH)
    throw new PipelineError('DATA', `${place()}: more than ${MOST_DEPTH} objects or arrays inside each other`)
  for (const [key, cell] of Object.entries(value)) {
    if (typeof cell === 'object' && cell !== null) eachCell(cell, `${prefix}${key}.`, depth + 1, place, visit)
    else visit(prefix + key, typeof cell === 'string' ? cell.trim() : cell)
  }
}

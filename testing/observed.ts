import type { Table } from 'apache-arrow'
import { ignoreElements, tap } from 'rxjs'
import { z } from 'zod'
import { type AnyStage, defineStage } from '../pipeline/stage/stage.js'
import { type CellRow, columnsOf } from './cells.js'
import { cellProblem } from './compare.js'

/** What a test keeps of an output. */
export interface Looking {
  /** The columns to keep; undefined: all. */
  readonly columns: readonly string[] | undefined
  /** Only rows with these cells count. */
  readonly where: Readonly<Record<string, string | number | boolean | null>>
  /** Which rows are kept if there are more than `most`. */
  readonly keep: 'first' | 'last'
  /** The number of rows to keep. */
  readonly most: number
}

/** What has come out of an output. */
export class Observed {
  /** The number of tables with rows that count. */
  tables = 0
  /** The number of rows that count. */
  count = 0
  /** The number of rows that count, by split, in the order of the splits. */
  readonly splits = new Map<string, number>()
  /** The rows that were kept. */
  readonly rows: CellRow[] = []
  /** Columns of `where` that no table had so far. */
  readonly missing: Set<string>
  private readonly looking: Looking

  constructor(looking: Looking) {
    this.looking = looking
    this.missing = new Set(Object.keys(looking.where))
  }

  /** Takes what is to be known of a table. Tables may be views of memory that changes: nothing of it is kept. */
  add(table: Table): void {
    const { columns: wanted, where, keep, most } = this.looking
    const all = columnsOf(table)
    const filters = Object.entries(where)
    for (const name of this.missing) if (all.has(name)) this.missing.delete(name)
    let isCounted = false
    for (let row = 0; row < table.numRows; row++) {
      if (filters.some(([name, value]) => !all.has(name) || cellProblem(value, all.get(name)!(row)))) continue
      isCounted = true
      this.count++
      const split = all.get('split')?.(row)
      if (split !== undefined) this.splits.set(String(split), (this.splits.get(String(split)) ?? 0) + 1)
      if (most === 0 || (this.rows.length >= most && keep === 'first')) continue
      if (this.rows.length >= most) this.rows.shift()
      const names = wanted?.every((name) => all.has(name)) ? wanted : [...all.keys()]
      this.rows.push(Object.fromEntries(names.map((name) => [name, all.get(name)!(row)])))
    }
    if (isCounted || (filters.length === 0 && table.numRows === 0)) this.tables++
  }

  /** A stage that adds the tables of an output to this. */
  stage(): AnyStage {
    return defineStage({
      name: 'observed',
      summary: 'Looks at the tables of an output.',
      options: z.strictObject({}),
      inputs: { tables: { type: 'any' } },
      outputs: {},
      example: '',
      run: () => (tables) =>
        tables.pipe(
          tap((table) => this.add(table)),
          ignoreElements(),
        ),
    }) as AnyStage
  }
}

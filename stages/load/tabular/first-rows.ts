import { type Cell, isMissing, type StageContext, turn } from '../../../pipeline/stage-kit.js'
import type { Columns } from './columns.js'
import type { FileColumns } from './file-columns.js'
import type { TabularOptions } from './options.js'
import { TableRows } from './table-rows.js'

/** The most rows that are looked at, and the most cells. */
const MOST_ROWS = 20_000
const MOST_CELLS = 1 << 22

/** Keeps the first rows of a file with columns as texts, for a look at what is in them. No cell is wrong here. */
export class FirstRows extends TableRows {
  /** The names of the columns, if the file has any. */
  names: readonly string[] | undefined
  /** The cells of each row; a cell without a value is an empty text. */
  readonly records: string[][] = []
  /** The name of the label column, if another column has all features of a row. */
  labelOfWhole: string | undefined
  /** Whether these are all rows. */
  isAll = true

  private readonly looking: StageContext

  constructor(options: TabularOptions, context: StageContext) {
    super(options, context, undefined)
    this.looking = context
  }

  /** Reads the rows that `read` gives to it, until there are enough. */
  async readWith(read: (rows: TableRows) => Promise<void>): Promise<void> {
    try {
      await read(this)
    } catch (error) {
      if (error !== enough) throw error
      this.isAll = false
    }
  }

  /** Begins a file: all columns are used that can be. */
  override begin(_path: string, { names, count, unusable = [] }: FileColumns): Columns {
    const features = Array.from({ length: count }, (_, column) => column).filter((column) => !unusable.includes(column))
    this.names = names
    this.columns = { count, names, label: -1, weight: -1, group: -1, features }
    return this.columns
  }

  /** Begins a file with one column that has all features of a row: there is nothing more to look at. */
  override beginWhole(_path: string, { names, label }: Columns): void {
    this.labelOfWhole = names![label]!
    throw enough
  }

  /** Keeps a row. */
  override add(cells: ArrayLike<Cell>): void {
    this.keep(Array.from(cells, textOf))
  }

  /** Keeps rows that lie in columns. Gives the event loop its turns. */
  override async addColumns(cells: readonly (ArrayLike<Cell> | undefined)[], count: number): Promise<void> {
    for (let row = 0; row < count; row++) {
      this.keep(cells.map((column) => textOf(column?.[row])))
      if (row % 256 === 0) await turn(this.looking)
    }
  }

  /** Nothing is to be done at the end. */
  override endFile(): void {}

  private keep(record: string[]): void {
    const { records } = this
    if (records.length >= MOST_ROWS || records.length * record.length >= MOST_CELLS) throw enough
    records.push(record)
  }
}

/** Ends the reading of a file of which enough is known. */
const enough = new Error('enough rows')

function textOf(cell: Cell): string {
  if (isMissing(cell)) return ''
  return typeof cell === 'boolean' ? String(Number(cell)) : String(cell).trim()
}

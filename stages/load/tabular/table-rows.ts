import {
  type Cell,
  type Column,
  counted,
  isMissing,
  type ModelInputs,
  PipelineError,
  type StageContext,
  turn,
} from '../../../pipeline/stage-kit.js'
import { type CellRules, ColumnCells, type Place } from './column-cells.js'
import { ColumnRemarks } from './column-remarks.js'
import { type Columns, chooseColumns, columnsOfModel, columnTitle } from './columns.js'
import { checkColumns, checkRules, type FileColumns, type FirstFile, keysOf } from './file-columns.js'
import { GroupKeys } from './group-keys.js'
import { LabelCodes } from './label-codes.js'
import { LostDigits, type Offset } from './lost-digits.js'
import { NumberTile } from './number-tile.js'
import { missingPolicy, ruleFor, type TabularOptions, textPolicyOf } from './options.js'
import type { RowType, RowValues } from './row-block.js'
import { RowBlocks, type RowOutlet } from './row-blocks.js'

/** The most labels whose codes are kept beside the cells as they are in the file. */
const MOST_CODES = 1 << 10

/** What an Arrow file with examples that Millrace wrote says of them. */
export interface RecordedExamples {
  /** Shape of one example. */
  readonly shape: readonly number[]
  /** Names of the features. */
  readonly names?: readonly string[] | undefined
  /** How the columns of the first data became the features. */
  readonly columns?: readonly Column[] | undefined
  /** The name of the column of labels in the data from which they came. */
  readonly label?: string | undefined
}

/**
 * Takes the rows of all files of a load stage, cell by cell. Cells become numbers as they are read (`ColumnCells`), four
 * bytes each, so no text is kept but the categories and labels.
 */
export class TableRows {
  /** Gives each label its code. */
  readonly labels: LabelCodes
  /** The cells of each feature column; empty before the first file. */
  cells: readonly ColumnCells[] = []
  /** The rows that are kept, of all files. */
  rows: RowBlocks | undefined
  /** The columns of the file that is read. */
  columns: Columns | undefined
  /** The numbers of the row that is read, by feature. */
  values = new Float64Array(0)
  /** Tells which rows belong together. */
  readonly groups = new GroupKeys()
  private readonly options: TabularOptions
  private readonly context: StageContext
  /** What the trained model takes that the rows are read for, if there is one. */
  readonly model: ModelInputs | undefined
  private first: FirstFile | undefined
  private path = ''
  private remarks = new ColumnRemarks()
  private rowsBefore = 0
  /** Whether one column has all features of a row. */
  isWhole = false
  /** What the files recorded of the examples that they hold. */
  recorded: RecordedExamples | undefined
  /** The rows of each split that the files recorded. */
  readonly recordedSplits = new Map<string, number[]>()
  /** Rows of all files, with those that are left out. */
  private seen = 0
  private numbers = new Float64Array(0)
  private areNumbers = true

  private readonly outlet: RowOutlet
  private readonly lost = new LostDigits()
  private readonly offsets: ReadonlyMap<number, number>

  /**
   * @param outlet where rows go; they have no home if they may be left out, or if features are made of the stored numbers
   * @param offsets what an earlier reading found that has to be subtracted from features
   */
  constructor(
    options: TabularOptions,
    context: StageContext,
    model?: ModelInputs,
    outlet: RowOutlet = {},
    offsets: readonly Offset[] = [],
  ) {
    this.offsets = new Map(offsets.map(({ feature, offset }) => [feature, offset]))
    this.options = options
    this.context = context
    this.outlet = outlet
    this.model = model
    this.labels = new LabelCodes(model?.classes ?? options.classes, options.merge)
  }

  /** The name of the label column, if the files name it. */
  get labelName(): string | undefined {
    const { columns } = this.first ?? {}
    return columns && columns.label >= 0 ? columns.names?.[columns.label] : undefined
  }

  /** The names of the columns, by feature column, if the files name them. */
  get columnNames(): readonly string[] | undefined {
    const { names, features } = this.first!.columns
    return names && features.map((column) => names[column]!)
  }

  /** Path of the first file, for messages about all. */
  get firstPath(): string {
    return this.first?.path ?? this.path
  }

  /** Whether rows have weights. */
  get hasWeights(): boolean {
    return (this.first?.columns.weight ?? -1) >= 0
  }

  /** Number of rows of all files, without those that are left out. */
  get count(): number {
    return this.rows?.count ?? 0
  }

  /** Number of rows that were left out. */
  get dropped(): number {
    return this.seen - this.count
  }

  /**
   * Begins a file. Throws a PipelineError `DATA` if columns that the options name are not there, or if the file has
   * other columns than the first one.
   */
  begin(path: string, file: FileColumns): Columns {
    const { options, model, context } = this
    this.path = path
    this.remarks = new ColumnRemarks()
    const choice = { ...options, label: options.label ?? file.label }
    const columns = model
      ? columnsOfModel(path, file.names, file.count, options, model, (text) => context.note(text))
      : chooseColumns(path, file.names, file.count, choice, file.hint)
    this.columns = columns
    if (!this.first) this.makeColumns(path, columns, file)
    else if (!model) checkColumns(path, columns, this.first)
    return columns
  }

  /** Adds a row of cells. Throws a PipelineError `DATA` with the place of a cell that is wrong. */
  add(cells: ArrayLike<Cell>, place: Place): void {
    const columns = this.columns!
    if (cells.length !== columns.count)
      throw new PipelineError('DATA', `${place()}: expected ${counted(columns.count, 'cell')}, found ${cells.length}`)
    const { features } = columns
    let isKept = true
    for (let j = 0; j < features.length; j++) isKept = this.put(j, cells[features[j]!], place) && isKept
    if (columns.group >= 0) this.setGroup(cells[columns.group], place)
    this.end(isKept, columns.label < 0 ? null : cells[columns.label], weightIn(cells, columns), place)
  }

  /**
   * Adds rows that lie in columns. Gives the event loop its turns. Throws a PipelineError `DATA` with the place of a cell
   * that is wrong.
   *
   * @param cells the cells of each column of the file, by row; those of columns that are not used are not read
   * @param placeOf the place of a row, for messages
   */
  async addColumns(
    cells: readonly (ArrayLike<Cell> | undefined)[],
    count: number,
    placeOf: (row: number) => string,
  ): Promise<void> {
    const { features, label, weight, group } = this.columns!
    const used = features.map((column) => cells[column]!)
    const tile = new NumberTile(used.length)
    const codes = new Map<Cell, number>()
    let row = 0
    const place = (): string => placeOf(row)
    const weightAt = (): Cell => (weight < 0 ? undefined : (cells[weight]![row] ?? null))
    const labelAt = (): Cell => (label < 0 ? null : cells[label]![row])
    for (let first = 0; first < count; first += tile.size) {
      const rows = Math.min(tile.size, count - first)
      if (!tile.read(used, this.cells, first, rows))
        for (let i = 0; i < rows; i++) {
          row = first + i
          let isKept = true
          for (let j = 0; j < used.length; j++) isKept = this.put(j, used[j]![row], place) && isKept
          if (group >= 0) this.setGroup(cells[group]![row], place)
          this.end(isKept, labelAt(), weightAt(), place)
        }
      else {
        for (let i = 0; i < rows; i++) {
          row = first + i
          const cell = labelAt()
          let code = codes.get(cell)
          if (code === undefined) {
            code = this.labelOf(cell, place)
            if (code !== undefined && codes.size < MOST_CODES) codes.set(cell, code)
          }
          if (group >= 0) this.setGroup(cells[group]![row], place)
          tile.numbers[i] = this.seen++
          if (code === undefined) tile.isOut[i] = 1
          else tile.labels[i] = code
          if (weight >= 0 && !tile.isOut[i]) tile.weights[i] = weightOf(weightAt(), place)
        }
        const kept = tile.keep()
        const { numbersOf, starts, labels, numbers, weights } = tile
        this.rows!.addColumns(numbersOf, starts, kept, labels, numbers, weight < 0 ? undefined : weights)
        tile.show(this.remarks, kept)
      }
      await turn(this.context)
    }
  }

  /**
   * Begins a file with one column that has all features of a row. Throws a PipelineError `DATA` if its rows are not as
   * those of the first file, or as the model takes them.
   *
   * @param width the number of features
   * @param type the numbers of the features
   */
  beginWhole(path: string, columns: Columns, width: number, type: RowType): void {
    const { model, options } = this
    this.path = path
    this.columns = columns
    this.remarks = new ColumnRemarks()
    const wanted = model ? model.type : options.type
    if (wanted !== undefined && wanted !== type)
      throw new PipelineError(
        'DATA',
        `${path}: expected ${wanted} features${model ? ', as the model takes them' : ''}, found ${type}`,
      )
    if (this.first && (this.rows!.width !== width || this.rows!.type !== type || !this.isWhole))
      throw new PipelineError(
        'DATA',
        `${path} has ${width} ${type} features, ${this.first.path} has ${this.rows!.width} ${this.rows!.type} features`,
      )
    if (this.first) return
    this.first = { path, columns }
    this.isWhole = true
    this.rows = new RowBlocks(
      width,
      this.context.memory,
      type,
      { numbers: this.dropsLabels, weights: columns.weight >= 0 },
      this.outletFor(!this.dropsLabels),
    )
  }

  /** Adds a row of a file that was begun with `beginWhole`. */
  addWhole(features: ArrayLike<number>, label: Cell, weight: Cell, place: Place, split?: string): void {
    const rows = this.rows!
    if (features.length !== rows.width)
      throw new PipelineError(
        'DATA',
        `${place()}: expected ${counted(rows.width, 'feature')}, found ${features.length}`,
      )
    const code = this.labelOf(label, place)
    const number = this.seen++
    if (code === undefined) return
    if (!(features instanceof Float32Array || features instanceof Uint8Array)) this.remarks.see(features)
    if (split !== undefined) {
      const list = this.recordedSplits.get(split) ?? []
      if (list.push(rows.count) === 1) this.recordedSplits.set(split, list)
    }
    rows.add(code, number, weight === undefined ? 1 : weightOf(weight, place)).set(features)
  }

  /**
   * Adds `count` rows that lie one after the other in a file that was begun with `beginWhole`.
   *
   * @param features the features of these rows
   * @param first the first row, in `cells` and for `placeOf`
   * @param cells the labels, weights and splits of all rows, where there are some
   */
  addWholeRun(
    features: RowValues | Float64Array,
    first: number,
    count: number,
    { labels, weights, splits }: Readonly<Record<'labels' | 'weights' | 'splits', ArrayLike<Cell> | undefined>>,
    placeOf: (row: number) => string,
  ): void {
    const { width } = this.rows!
    let row = first
    const place = (): string => placeOf(row)
    const labelAt = (): Cell => (labels ? labels[row] : null)
    const weightAt = (): Cell => (weights ? (weights[row] ?? null) : undefined)
    if (this.dropsLabels || splits) {
      for (let at = 0; row < first + count; row++, at += width)
        this.addWhole(features.subarray(at, at + width), labelAt(), weightAt(), place, splits && String(splits[row]))
      return
    }
    const codes = new Int32Array(count)
    const numbers = new Int32Array(count)
    const found = weights && new Float64Array(count)
    const known = new Map<Cell, number>()
    for (let i = 0; i < count; i++, row++) {
      const label = labelAt()
      let code = known.get(label)
      if (code === undefined) {
        code = this.labelOf(label, place)!
        known.set(label, code)
      }
      codes[i] = code
      numbers[i] = this.seen++
      if (found) found[i] = weightOf(weightAt(), place)
    }
    if (features instanceof Float64Array) this.remarks.seeRows(features, width)
    this.rows!.addRun(features, count, codes, numbers, found)
  }

  /** Reads a cell of the row. Returns false if the row is left out because of it. */
  put(feature: number, cell: Cell, place: Place): boolean {
    const column = this.cells[feature]!
    const value = column.readCell(cell, place)
    this.values[feature] = value
    return !(column.dropsRows && Number.isNaN(value) && column.kind !== 'dropped')
  }

  /** Takes the cell that tells with which other rows the row belongs together. Call it before the row ends. */
  setGroup(cell: Cell, place: Place): void {
    this.groups.set(this.seen, cell, this.options.missingTexts, place)
  }

  /** Ends a row whose cells are in `values`. */
  end(isKept: boolean, label: Cell, weight: Cell, place: Place): void {
    const code = this.labelOf(label, place)
    const number = this.seen++
    if (code === undefined || !isKept) return
    const stored = this.rows!.add(code, number, weight === undefined ? 1 : weightOf(weight, place))
    stored.set(this.values)
    if (this.areNumbers) this.remarks.see(this.values)
    else {
      for (let j = 0; j < stored.length; j++) this.numbers[j] = this.cells[j]!.numberOf(this.values[j]!)
      this.remarks.see(this.numbers)
    }
  }

  /** Ends a file. Adds notes about columns that are probably not what they seem. */
  endFile(path: string, notes: readonly (string | undefined)[] = []): void {
    const { columns, context } = this
    if (!columns || this.count === this.rowsBefore) {
      const reason = columns && this.dropped > 0 ? 'without missing cells' : ''
      throw new PipelineError('DATA', `${path} has no rows${reason && ` ${reason}`}`)
    }
    this.rowsBefore = this.count
    this.columns = undefined
    const found = this.model || this.isWhole ? undefined : this.remarks.rowNumbers(this.titleOf, this.offsetOf)
    for (const note of [...notes, found && `${path}: ${found}`]) if (note !== undefined) context.note(note)
    this.lost.add(path, this.remarks.ranges())
  }

  /**
   * What must be subtracted from features when all files are read again, so that they keep their digits. Adds notes on it, and
   * on those that lose digits all the same. Call it after all files.
   */
  offsetsFor(context: StageContext): Offset[] {
    const { first, options, lost, titleOf } = this
    if (!first) return []
    if (this.isWhole) {
      const note = lost.noteOnArrays()
      if (note !== undefined) context.note(note)
      return []
    }
    const { columns } = first
    const isGiven = (j: number): boolean =>
      ruleFor(options.offsets, keysOf(columns, columns.features[j]!)) !== undefined
    const isNumber = (j: number): boolean => this.cells[j]!.kind === 'number' || this.cells[j]!.kind === 'open'
    const offsets = lost.offsets(titleOf, (j) => isNumber(j) && !isGiven(j))
    for (const note of [lost.noteOn(offsets), lost.noteOnOthers(offsets, titleOf, this.offsetOf)])
      if (note !== undefined) context.note(note)
    return offsets
  }

  private readonly titleOf = (feature: number): string => this.cells[feature]!.rules.title
  private readonly offsetOf = (feature: number): number => this.cells[feature]!.offset

  private makeColumns(path: string, columns: Columns, file: FileColumns): void {
    const { options, model } = this
    const width = columns.features.length
    this.first = { path, columns }
    const rules = columns.features.map((column, j) => this.rulesOf(columns, column, file, j))
    if (!model) checkRules(path, columns, options)
    this.cells = rules.map(
      (each, j) => new ColumnCells(each, (values) => this.rows?.replace(j, (code) => values[code] ?? Number.NaN)),
    )
    const canDrop = this.cells.some(({ dropsRows }) => dropsRows) || this.dropsLabels
    const arePlain = this.cells.every(isPlain)
    const bytes = (model ? model.type : options.type) === 'uint8' && arePlain
    this.rows = new RowBlocks(
      width,
      this.context.memory,
      bytes ? 'uint8' : 'float32',
      { numbers: canDrop, weights: columns.weight >= 0 },
      this.outletFor(arePlain && !canDrop),
    )
    this.values = new Float64Array(width)
    this.numbers = new Float64Array(width)
    this.areNumbers = this.cells.every(({ kind }) => kind === 'number')
  }

  private rulesOf(columns: Columns, column: number, file: FileColumns, feature: number): CellRules {
    const { options, model } = this
    const keys = keysOf(columns, column)
    const declared = file.declared?.[column]
    const text = textPolicyOf(options, keys)
    const type = ruleFor(options.types, keys.slice()) ?? (text === 'drop' ? undefined : declared?.type)
    return {
      title: columnTitle(columns, column),
      type,
      missing: missingPolicy(options, keys),
      text: text === 'error' && type === 'category' ? 'one-hot' : text,
      missingTexts: new Set(options.missingTexts),
      maxCategories: Math.max(options.maxCategories, declared?.categories?.length ?? 0),
      decimal: file.decimal ?? '.',
      bytes: (model ? model.type : options.type) === 'uint8',
      offset: ruleFor(options.offsets, keys) ?? this.offsets.get(feature) ?? 0,
      declared: type === 'category' ? declared?.categories : undefined,
      model: model?.columns?.[feature] ?? (model && { kind: 'number', name: columnTitle(columns, column) }),
    }
  }

  /** @param canStay whether the stored numbers are the features, and no row is left out */
  private outletFor(canStay: boolean): RowOutlet {
    return canStay ? this.outlet : { ...this.outlet, home: undefined }
  }

  private get dropsLabels(): boolean {
    return !this.model && this.options.missing === 'drop'
  }

  /** The code of a label; undefined if the row is left out because it has none. */
  private labelOf(label: Cell, place: Place): number | undefined {
    const text = isMissing(label) ? '' : typeof label === 'string' ? label.trim() : String(label)
    if (this.model && (text === '' || (this.options.missingTexts.includes(text) && !this.labels.isClass(text))))
      return -1
    if (text === '' && this.dropsLabels) return undefined
    return this.labels.codeOf(text, place)
  }
}

function weightIn(cells: ArrayLike<Cell>, { weight }: Columns): Cell {
  return weight < 0 ? undefined : (cells[weight] ?? null)
}

/** Whether the stored numbers of a column are its feature, from the start. */
function isPlain({ kind, rules: { missing, model } }: ColumnCells): boolean {
  return kind === 'number' && (model ? model.fill === undefined : missing === 'error' || missing === 'drop')
}

function weightOf(cell: Cell, place: Place): number {
  const value = isMissing(cell) ? Number.NaN : Number(cell)
  if (value >= 0 && Number.isFinite(Math.fround(value))) return value
  throw new PipelineError(
    'DATA',
    `${place()}: expected a weight of 0 or more that float32 can hold, got "${isMissing(cell) ? '' : String(cell).slice(0, 40)}"`,
  )
}

import { type Cell, type Column, isMissing, PipelineError, someOf } from '../../../pipeline/stage-kit.js'
import type { MissingPolicy, TextPolicy } from './options.js'
import { ownText } from './own-text.js'

/** Where a cell stands: `file:line`, or `file: row 3`. */
export type Place = () => string

/** The rules for the cells of one column. */
export interface CellRules {
  /** Its name, or its index if it has none. */
  readonly title: string
  /** Its type; undefined: found from the cells. */
  readonly type?: 'number' | 'category' | undefined
  /** What becomes of missing cells. */
  readonly missing: MissingPolicy
  /** What becomes of texts. */
  readonly text: TextPolicy
  /** Texts that mean a missing cell. */
  readonly missingTexts: ReadonlySet<string>
  /** The most different texts. */
  readonly maxCategories: number
  /** The character before the fraction of numbers that are texts. */
  readonly decimal: '.' | ','
  /** Whether features are bytes. */
  readonly bytes: boolean
  /** What is subtracted from numbers before they are stored as float32; 0 for bytes, and beside `model`. */
  readonly offset: number
  /** The categories in their order, if the file declares them. */
  readonly declared?: readonly string[] | undefined
  /** The column of a trained model. All else is then as the model says. */
  readonly model?: Column | undefined
}

/**
 * The cells of one column while they are read. A cell becomes a number that is stored: the number itself, or the code of a
 * text. NaN stands for a missing cell.
 *
 * A column whose type has to be found begins as `open`: its numbers are stored as codes of their texts, because the next
 * cell may be a text. It becomes a column of numbers as soon as it has more different cells than a column of texts may
 * have, or at the end.
 */
export class ColumnCells {
  /** What is done with missing cells and texts. */
  readonly rules: CellRules
  /** What is subtracted from numbers before they are stored. */
  readonly offset: number
  /** What the column is, as far as it has been read. */
  kind: 'number' | 'open' | 'category' | 'dropped'
  /** Number of missing cells. */
  missing = 0
  /** Number of cells with a text that the trained model does not know. */
  unseen = 0
  /** Whether a row is left out if its cell is missing. */
  readonly dropsRows: boolean
  /** The code of each text. */
  private readonly codes = new Map<string, number>()
  /** Where the text of each code stood first. */
  readonly places: string[] = []
  /** The numbers that the codes of an open column stand for. */
  private readonly values: number[] = []
  /** What the missing cells of a model's column become. */
  private readonly fill: number | undefined
  private readonly toNumbers: (values: readonly number[]) => void

  /** @param toNumbers replaces the codes that are stored so far by the numbers that they stand for */
  constructor(rules: CellRules, toNumbers: (values: readonly number[]) => void) {
    this.rules = rules
    this.toNumbers = toNumbers
    const { type, text, model, missing, declared } = rules
    this.dropsRows = !model && missing === 'drop'
    this.offset = (model?.kind === 'number' ? model.offset : rules.offset) ?? 0
    if (model) {
      this.kind = model.kind
      if (model.kind === 'category') for (const [i, category] of model.categories.entries()) this.codes.set(category, i)
      if (typeof model.fill === 'string') this.fill = this.codes.get(model.fill)
      else if (model.fill !== undefined) this.fill = model.fill - this.offset
      return
    }
    this.kind = type ?? (text === 'error' || text === 'drop' ? 'number' : 'open')
    for (const category of declared ?? []) this.addCode(category, '')
  }

  /** The texts of the codes, in the order in which they occurred. */
  get texts(): string[] {
    return [...this.codes.keys()]
  }

  /** The numbers that the stored codes stand for; undefined if numbers are stored, or codes of texts. */
  get lookup(): readonly number[] | undefined {
    return this.kind === 'open' ? this.values : undefined
  }

  /** Reads a cell of text, without blanks around it. Throws a PipelineError `DATA` with the place. */
  readText(text: string, place: Place): number {
    if (this.kind !== 'number') {
      const code = this.codes.get(text)
      if (code !== undefined) return code
    } else if (text !== '') {
      const value = this.numberIn(text)
      if (Number.isFinite(Math.fround(value - this.offset))) return this.stored(value, text, place)
    }
    if (this.rules.missingTexts.has(text)) return this.missed(text, place)
    return this.readNew(text, place)
  }

  /** Reads a number. */
  readNumber(value: number, place: Place): number {
    if (this.kind === 'number' && Number.isFinite(Math.fround(value - this.offset)))
      return this.stored(value, value, place)
    if (Number.isNaN(value)) return this.missed('', place)
    return this.readText(String(value), place)
  }

  /** Reads a cell of any type. Truth values are 0 and 1 in a column of numbers. */
  readCell(cell: Cell, place: Place): number {
    if (typeof cell === 'number') return this.readNumber(cell, place)
    if (typeof cell === 'string') return this.readText(cell.trim(), place)
    if (isMissing(cell)) return this.missed('', place)
    if (typeof cell === 'bigint' && this.kind === 'number') return this.readNumber(Number(cell), place)
    if (typeof cell === 'boolean' && this.kind === 'number') return this.stored(Number(cell), cell, place)
    return this.readText(String(cell), place)
  }

  /** The number that a stored one stands for, in a column that has no texts so far; NaN if it is none. */
  numberOf(stored: number): number {
    if (this.kind === 'number') return stored
    return this.kind === 'open' ? (this.values[stored] ?? Number.NaN) : Number.NaN
  }

  /** The number that a text says; NaN if it is none. */
  private numberIn(text: string): number {
    if (text === '') return Number.NaN
    if (this.rules.decimal === '.') return Number(text)
    return text.includes('.') ? Number.NaN : Number(text.replace(',', '.'))
  }

  private missed(text: string, place: Place): number {
    const { missing, model, title } = this.rules
    this.missing++
    if (this.kind === 'dropped') return Number.NaN
    if (model) {
      if (this.fill !== undefined) return this.fill
      throw this.problem(model.kind === 'number' ? 'a finite number' : 'a category', text, place, noFill)
    }
    if (missing !== 'error') return Number.NaN
    const help = `; missing: drop leaves such rows out, missing: { ${asKey(title)}: mean } fills the cell`
    throw this.problem(this.kind === 'category' ? 'a text' : 'a finite number', text, place, help)
  }

  private readNew(text: string, place: Place): number {
    const { rules } = this
    const value = this.numberIn(text)
    const isNumber = Number.isFinite(Math.fround(value - this.offset))
    if (this.kind === 'dropped') return Number.NaN
    if (rules.model?.kind === 'category') {
      if (rules.model.unseen === 'ignore') {
        this.unseen++
        return -1
      }
      throw this.problem(`one of ${someOf(rules.model.categories)}`, text, place, '')
    }
    if (rules.declared && this.kind === 'category')
      throw this.problem(`one of ${someOf(rules.declared)}`, text, place, '')
    if (this.kind === 'number') {
      if (rules.text === 'drop' && rules.type === undefined && !rules.model) {
        this.kind = 'dropped'
        this.places.push(place())
        return Number.NaN
      }
      throw this.noNumber(text, value, place)
    }
    if (this.kind === 'open' && !isNumber) this.kind = 'category'
    const limit = rules.maxCategories
    if (this.codes.size < limit) {
      if (this.kind === 'open') this.values.push(value - this.offset)
      return this.addCode(text, place())
    }
    if (this.kind === 'open') {
      this.decideNumbers()
      return this.stored(value, text, place)
    }
    const { length } = this.values
    if (length >= limit) throw this.noNumber(text, Number.NaN, place)
    throw new PipelineError(
      'DATA',
      `${place()}: column ${cut(rules.title)}: more than ${limit} different texts; leave the column out with drop, or raise maxCategories`,
    )
  }

  private addCode(text: string, place: string): number {
    const code = this.codes.size
    this.codes.set(ownText(text), code)
    this.places.push(place)
    return code
  }

  private decideNumbers(): void {
    this.kind = 'number'
    this.toNumbers(this.values)
    this.codes.clear()
    this.places.length = 0
  }

  /** What is stored for a number. */
  private stored(value: number, cell: Cell, place: Place): number {
    if (!this.rules.bytes || (value >= 0 && value <= 255 && Number.isInteger(value))) return value - this.offset
    throw this.problem('a whole number from 0 to 255 (type: uint8)', cell, place, '')
  }

  private noNumber(text: string, value: number, place: Place): PipelineError {
    const expected = Number.isFinite(value) ? 'a number that float32 can hold' : 'a finite number'
    const { text: policy, type, model, title } = this.rules
    // Numbers that are not finite are no texts that a column of categories would have.
    const isText = Number.isNaN(Number(text)) && !/^nan$/i.test(text) && type === undefined && !model
    const help =
      policy === 'error'
        ? `; text: { ${asKey(title)}: one-hot } makes a feature of each text, drop leaves the column out`
        : '; it has too many different numbers for a column of texts; missingTexts lists texts that mean a missing cell'
    return this.problem(expected, text, place, isText ? help : '')
  }

  private problem(expected: string, cell: Cell, place: Place, help: string): PipelineError {
    const found = `"${String(cell).slice(0, 40)}"`
    return new PipelineError(
      'DATA',
      `${place()}: column ${cut(this.rules.title)}: expected ${expected}, got ${found}${help}`,
    )
  }
}

const noFill = '; the model was trained without missing cells in this column'

/** The name of a column as a key in YAML. */
export const asKey = (title: string): string => (/^\w[\w ]*$/.test(title) ? title : JSON.stringify(title))

const cut = (title: string): string => title.slice(0, 40)

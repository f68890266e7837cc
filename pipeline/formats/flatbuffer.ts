/** The content of a field of a table, as far as it refers to other parts of the buffer. */
export type Field =
  | { readonly kind: 'text' }
  | { readonly kind: 'table'; readonly fields: Fields }
  | { readonly kind: 'tables'; readonly fields: Fields }
  /** A vector of records of `size` bytes each. `check` gets the position of the first one and their number. */
  | { readonly kind: 'records'; readonly size: number; readonly check?: (start: number, count: number) => void }

/** The fields of a table by their number in the schema. Fields that are not listed are not checked. */
export type Fields = () => Readonly<Record<number, Field>>

/** Limit on the tables of one buffer. A hostile buffer can share parts so that checking it would take for ever. */
const MAX_TABLES = 100_000

/**
 * A flatbuffer in a part of a file, which may be damaged: every offset is checked before it is followed. Positions are
 * byte offsets in the whole file. Every method throws an Error if a position lies outside the part.
 */
export class Flatbuffer {
  private readonly view: DataView
  private readonly start: number
  private readonly end: number
  private tables = 0

  /** The flatbuffer lies in `view` from byte `start` to byte `end`, exclusive. */
  constructor(view: DataView, start: number, end: number) {
    this.view = view
    this.start = start
    this.end = end
  }

  /** The position of the root table. */
  root(): number {
    return this.follow(this.start)
  }

  /** Checks a table and all tables below it. Throws an Error if an offset or a count leads out of the part. */
  verify(table: number, fields: Fields): void {
    if (++this.tables > MAX_TABLES) throw new Error('its header has too many parts')
    for (const [id, field] of Object.entries(fields())) {
      const at = this.field(table, Number(id))
      if (at === undefined) continue
      const target = this.follow(at)
      if (field.kind === 'table') this.verify(target, field.fields)
      else if (field.kind === 'tables')
        for (let i = 0, count = this.count(target, 4); i < count; i++)
          this.verify(this.follow(target + 4 + 4 * i), field.fields)
      else if (field.kind === 'text') this.count(target, 1)
      else field.check?.(target + 4, this.count(target, field.size))
    }
  }

  /** The position of a field of `size` bytes, or undefined if the table does not contain it. */
  field(table: number, id: number, size = 1): number | undefined {
    this.need(table, 4)
    const index = table - this.view.getInt32(table, true)
    this.need(index, 4)
    const length = this.view.getUint16(index, true)
    this.need(index, length)
    const offset = 4 + 2 * id < length ? this.view.getUint16(index + 4 + 2 * id, true) : 0
    if (offset === 0) return undefined
    this.need(table + offset, size)
    return table + offset
  }

  /** The position that the offset at `at` refers to. */
  private follow(at: number): number {
    this.need(at, 4)
    const target = at + this.view.getUint32(at, true)
    this.need(target, 4)
    return target
  }

  /** The number of elements of a vector, checked for elements of `size` bytes. */
  private count(vector: number, size: number): number {
    const count = this.view.getUint32(vector, true)
    this.need(vector + 4, count * size)
    return count
  }

  /** Throws an Error unless `size` bytes at `at` lie in the part. */
  private need(at: number, size: number): void {
    if (at < this.start || at + size > this.end) throw new Error('its header is damaged')
  }
}

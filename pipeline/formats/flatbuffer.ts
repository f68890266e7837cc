/** What a field of a table holds, as far as a reader follows it. */
export type Field =
  | { readonly kind: 'text' }
  | { readonly kind: 'table'; readonly fields: Fields }
  | { readonly kind: 'tables'; readonly fields: Fields }
  /** Records of `size` bytes each; `check` sees where the first one lies, and how many there are. */
  | { readonly kind: 'records'; readonly size: number; readonly check?: (start: number, count: number) => void }

/** The fields of a table by their number; those that are left out are not followed. */
export type Fields = () => Readonly<Record<number, Field>>

/** More tables than any schema has: the limit stands against tables that share parts over and over. */
const MAX_TABLES = 100_000

/** A part of a file that is a flatbuffer, of which nothing is believed. Positions are those of the whole file. */
export class Flatbuffer {
  private readonly view: DataView
  private readonly start: number
  private readonly end: number
  private tables = 0

  constructor(view: DataView, start: number, end: number) {
    this.view = view
    this.start = start
    this.end = end
  }

  /** The position of the root table. */
  root(): number {
    return this.follow(this.start)
  }

  /** Goes through a table and all below it. Throws an Error where an offset or a count leads out of the part. */
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

  /** The position of a field, with at least `size` bytes behind it; undefined where the table leaves it out. */
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

  private follow(at: number): number {
    this.need(at, 4)
    const target = at + this.view.getUint32(at, true)
    this.need(target, 4)
    return target
  }

  private count(vector: number, size: number): number {
    const count = this.view.getUint32(vector, true)
    this.need(vector + 4, count * size)
    return count
  }

  private need(at: number, size: number): void {
    if (at < this.start || at + size > this.end) throw new Error('its header is damaged')
  }
}

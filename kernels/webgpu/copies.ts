import type { Rows } from '../contract.js'
import type { Gpu, Memory } from './device.js'
import { type Pack, PIECE_BYTES, type Placed, sizesOf } from './packing.js'
import type { Stream } from './stream.js'

/** The most bytes of copies that are kept, so that there is room for models. */
const KEPT_BYTES = { software: 2 ** 29, hardware: 2 ** 32 }

/** A copy of the rows of some memory of the host, or of a part of it; filled as its rows are used. */
interface Copy {
  readonly memory: Memory
  /** Which rows are there. */
  readonly isThere: Uint8Array
}

/** Copies of rows that never change, kept on the device as long as their memory on the host lives. */
export interface Copies {
  /**
   * Returns the copy of rows that never change, after copying what is not there yet. Undefined for other rows, and where
   * no copy can be kept.
   */
  kept(rows: Rows, features: number): Placed | undefined
  /**
   * Returns the copy of what rows were copied from, and where its row 0 is, in groups of four bytes. Undefined if it is not known, or where no copy can
   * be kept. It is copied piece by piece, one for each call, and undefined until all that these rows need is there.
   *
   * Throws a RangeError if the origin lacks a row.
   */
  origin(rows: Rows, features: number): Placed | undefined
  /** Frees memory of the device when `owner` is no longer used on the host. */
  freeWith(owner: object, memory: Memory): void
}

/** Makes the copies of a device. */
export function makeCopies(gpu: Gpu, stream: Stream, pack: Pack): Copies {
  const copies = new WeakMap<ArrayBufferLike, Map<string, Copy | undefined>>()
  let room = gpu.isSoftware ? KEPT_BYTES.software : KEPT_BYTES.hardware
  const dropped = new FinalizationRegistry<Memory>((memory) => {
    // Steps on these rows may wait to be submitted.
    stream.flush()
    memory.buffer.destroy()
    room += memory.bytes
  })

  function freeWith(owner: object, memory: Memory): void {
    room -= memory.bytes
    dropped.register(owner, memory)
  }

  /** The copy for `count` rows from the first of `values` on, filled or not, and the number of the first in it. */
  function copyFor(values: Rows['values'], count: number, features: number): [copy: Copy, first: number] | undefined {
    const { rowBytes, pitch, element } = sizesOf(values, features)
    const { buffer, byteOffset } = values
    const phase = byteOffset % rowBytes
    const number = (byteOffset - phase) / rowBytes
    const perCopy = Math.floor(gpu.most / pitch)
    if (perCopy === 0) return undefined
    const part = Math.floor(number / perCopy)
    const first = number - part * perCopy
    if (first + count > perCopy) return undefined
    const rows = Math.min(perCopy, Math.floor((buffer.byteLength - phase) / rowBytes) - part * perCopy)
    const copy = copyOf(buffer, `${element},${rowBytes},${phase},${part}`, rows, pitch)
    return copy && [copy, first]
  }

  function copyOf(buffer: ArrayBufferLike, key: string, rows: number, pitch: number): Copy | undefined {
    let own = copies.get(buffer)
    if (!own) {
      own = new Map()
      copies.set(buffer, own)
    }
    if (own.has(key)) return own.get(key)
    let copy: Copy | undefined
    if (rows * pitch <= room) {
      const memory = gpu.memory('rows', rows * pitch)
      freeWith(buffer, memory)
      copy = { memory, isThere: new Uint8Array(rows) }
    }
    own.set(key, copy)
    return copy
  }

  /**
   * Copies those of `count` rows from `first` on that are missing, `most` at most. `values` begins with them. Returns whether all are
   * there then.
   */
  function fill(
    copy: Copy,
    first: number,
    count: number,
    values: Rows['values'],
    features: number,
    most: number,
  ): boolean {
    const { memory, isThere } = copy
    const { rowBytes, pitch } = sizesOf(values, features)
    const end = first + count
    let left = most
    let from = isThere.indexOf(0, first)
    while (from >= 0 && from < end && left > 0) {
      let to = from + 1
      while (to < end && !isThere[to] && to - from < left) to++
      const source = new Uint8Array(
        values.buffer,
        values.byteOffset + (from - first) * rowBytes,
        (to - from) * rowBytes,
      )
      pack(memory, from * pitch, source, rowBytes, pitch)
      isThere.fill(1, from, to)
      left -= to - from
      from = isThere.indexOf(0, to)
    }
    return from < 0 || from >= end
  }

  function kept({ values, labels, isFixed }: Rows, features: number): Placed | undefined {
    const count = labels.length
    const found = isFixed && copyFor(values, count, features)
    if (!found) return undefined
    const [copy, first] = found
    fill(copy, first, count, values, features, count)
    const { pitch, element } = sizesOf(values, features)
    return { memory: copy.memory, x: (first * pitch) / element }
  }

  function origin({ labels, origin }: Rows, features: number): Placed | undefined {
    if (!origin) return undefined
    const { values, rows } = origin
    const total = Math.floor(values.length / features)
    let [low, high] = [total, -1]
    for (let i = 0; i < labels.length; i++) {
      const row = rows[i]!
      if (!(row < total)) throw new RangeError(`row ${i} was copied from row ${row} of ${total}`)
      if (row < low) low = row
      if (row > high) high = row
    }
    const found = copyFor(values, total, features)
    if (!found) return undefined
    const [copy, first] = found
    const [from, count] = [first + low, high + 1 - low]
    const most = Math.ceil(PIECE_BYTES / sizesOf(values, features).pitch)
    if (!fill(copy, from, count, values.subarray(low * features), features, most)) return undefined
    return { memory: copy.memory, x: (first * sizesOf(values, features).pitch) / 4 }
  }

  return { kept, origin, freeWith }
}

import { affineOf } from '../check.js'
import type { Affine, Rows } from '../contract.js'
import type { Gpu, Memory } from './device.js'
import type { Values } from './products.js'
import type { Stream } from './stream.js'

/** Rows in the memory of the device, each padded with zeros to whole groups of four values. */
export interface Placed {
  /** The buffer that they lie in. */
  readonly memory: Memory
  /** Where they begin, in elements of the shader's binding. */
  readonly x: number
}

/** The most bytes of copies that are kept, so that there is room for models. */
const KEPT_BYTES = { software: 2 ** 29, hardware: 2 ** 32 }

/** The most bytes that are packed or handed over at a time. */
const PIECE_BYTES = 2 ** 24

/** A copy of the rows of some memory of the host, or of a part of it; filled as its rows are used. */
interface Copy {
  readonly memory: Memory
  /** Which rows are there. */
  readonly isThere: Uint8Array
}

/** Brings rows to the device. */
export interface RowStore {
  /**
   * Returns the copy of rows that never change, after copying what is not there yet. Undefined for other rows, and where
   * no copy can be kept: they are uploaded for each use.
   */
  kept(rows: Rows, features: number): Placed | undefined
  /** The bytes that `upload` takes. */
  uploadBytes(rows: Rows, features: number): number
  /** Uploads rows for one use, into room that was reserved. */
  upload(rows: Rows, features: number): Placed
  /** Uploads bytes for one use; returns where they begin, in groups of four bytes. */
  uploadBytesOf(source: ArrayBufferView): number
  /** The map that standardises bytes: mean and scale of each group of four features. */
  affine(rows: Rows, features: number): Memory
}

/** The inputs that these rows are, see `Values`. */
export function valuesOf({ values }: Rows): Values {
  return values instanceof Uint8Array ? 'bytes' : 'floats'
}

/** Makes the store of a device. */
export function makeRowStore(gpu: Gpu, stream: Stream): RowStore {
  const copies = new WeakMap<ArrayBufferLike, Map<string, Copy | undefined>>()
  const maps = new WeakMap<Affine, Memory>()
  const identities = new Map<number, Memory>()
  const piece = new Uint8Array(PIECE_BYTES)
  let room = gpu.isSoftware ? KEPT_BYTES.software : KEPT_BYTES.hardware
  const dropped = new FinalizationRegistry<Memory>((memory) => {
    // Steps on these rows may wait to be submitted.
    stream.flush()
    memory.buffer.destroy()
    room += memory.bytes
  })

  /** Writes rows to a buffer, padded. */
  function write(target: Memory, offset: number, source: Uint8Array, rowBytes: number, pitch: number): void {
    const rows = source.length / rowBytes
    const most = Math.max(1, Math.floor(PIECE_BYTES / pitch))
    if (pitch > PIECE_BYTES) {
      const row = new Uint8Array(pitch)
      for (let i = 0; i < rows; i++) {
        row.set(source.subarray(i * rowBytes, (i + 1) * rowBytes))
        gpu.device.queue.writeBuffer(target.buffer, offset + i * pitch, row)
      }
      return
    }
    for (let first = 0; first < rows; first += most) {
      const count = Math.min(most, rows - first)
      if (pitch === rowBytes) piece.set(source.subarray(first * rowBytes, (first + count) * rowBytes))
      else {
        piece.fill(0, 0, count * pitch)
        for (let i = 0; i < count; i++)
          piece.set(source.subarray((first + i) * rowBytes, (first + i + 1) * rowBytes), i * pitch)
      }
      gpu.device.queue.writeBuffer(target.buffer, offset + first * pitch, piece, 0, count * pitch)
    }
  }

  function kept(rows: Rows, features: number): Placed | undefined {
    if (!rows.isFixed) return undefined
    const { rowBytes, pitch, element } = sizesOf(rows, features)
    const { buffer, byteOffset } = rows.values
    const phase = byteOffset % rowBytes
    const first = (byteOffset - phase) / rowBytes
    const perCopy = Math.floor(gpu.most / pitch)
    if (perCopy === 0) return undefined
    const part = Math.floor(first / perCopy)
    const start = first - part * perCopy
    const count = rows.labels.length
    if (start + count > perCopy) return undefined
    const copy = copyOf(
      buffer,
      `${element},${rowBytes},${phase},${part}`,
      () => Math.min(perCopy, Math.floor((buffer.byteLength - phase) / rowBytes) - part * perCopy) * pitch,
      pitch,
    )
    if (!copy) return undefined
    for (let i = start; i < start + count; i++) {
      if (copy.isThere[i]) continue
      let end = i + 1
      while (end < start + count && !copy.isThere[end]) end++
      const source = new Uint8Array(buffer, byteOffset + (i - start) * rowBytes, (end - i) * rowBytes)
      write(copy.memory, i * pitch, source, rowBytes, pitch)
      copy.isThere.fill(1, i, end)
      i = end
    }
    return { memory: copy.memory, x: (start * pitch) / element }
  }

  function copyOf(buffer: ArrayBufferLike, key: string, bytesOf: () => number, pitch: number): Copy | undefined {
    let own = copies.get(buffer)
    if (!own) {
      own = new Map()
      copies.set(buffer, own)
    }
    if (own.has(key)) return own.get(key)
    const bytes = bytesOf()
    let copy: Copy | undefined
    if (bytes <= room) {
      const memory = gpu.memory('rows', bytes)
      room -= memory.bytes
      dropped.register(buffer, memory)
      copy = { memory, isThere: new Uint8Array(bytes / pitch) }
    }
    own.set(key, copy)
    return copy
  }

  function upload(rows: Rows, features: number): Placed {
    const { rowBytes, pitch, element } = sizesOf(rows, features)
    const count = rows.labels.length
    const at = stream.upload(count * pitch)
    const { buffer, byteOffset } = rows.values
    write(stream.uploads, at, new Uint8Array(buffer, byteOffset, count * rowBytes), rowBytes, pitch)
    return { memory: stream.uploads, x: at / element }
  }

  function affine(rows: Rows, features: number): Memory {
    const map = affineOf(rows)
    const found = map ? maps.get(map) : identities.get(features)
    if (found) return found
    const width = 4 * Math.ceil(features / 4)
    const values = new Float32Array(2 * width)
    for (let j = 0; j < features; j++) {
      const at = 2 * (j - (j % 4)) + (j % 4)
      values[at] = map ? map.mean[j]! : 0
      values[at + 4] = map ? map.scale[j]! : 1
    }
    const memory = gpu.memory('affine', values.byteLength)
    gpu.device.queue.writeBuffer(memory.buffer, 0, values)
    if (map) maps.set(map, memory)
    else identities.set(features, memory)
    return memory
  }

  return {
    kept,
    uploadBytes: (rows, features) => rows.labels.length * sizesOf(rows, features).pitch,
    upload,
    uploadBytesOf: (source) => {
      const at = stream.upload(source.byteLength)
      const bytes = new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
      write(stream.uploads, at, bytes, bytes.length, 4 * Math.ceil(bytes.length / 4))
      return at / 4
    },
    affine,
  }
}

/** Bytes of a row, of a padded row, and of an element of the binding. */
function sizesOf({ values }: Rows, features: number) {
  const width = values.BYTES_PER_ELEMENT
  return { rowBytes: features * width, pitch: 4 * Math.ceil(features / 4) * width, element: width === 1 ? 4 : 16 }
}

import { affineOf } from '../check.js'
import type { Affine, Rows } from '../contract.js'
import { type Copies, makeCopies } from './copies.js'
import type { Gpu, Memory } from './device.js'
import { type Pack, type Placed, sizesOf } from './packing.js'
import type { Values } from './products.js'
import type { Stream } from './stream.js'

/** Brings rows to the device. */
export interface RowStore extends Pick<Copies, 'kept' | 'origin'> {
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
export function makeRowStore(gpu: Gpu, stream: Stream, pack: Pack): RowStore {
  const maps = new WeakMap<Affine, Memory>()
  const identities = new Map<number, Memory>()
  const { kept, origin, freeWith } = makeCopies(gpu, stream, pack)

  function upload(rows: Rows, features: number): Placed {
    const { rowBytes, pitch, element } = sizesOf(rows.values, features)
    const { buffer, byteOffset } = rows.values
    const source = new Uint8Array(buffer, byteOffset, rows.labels.length * rowBytes)
    return { memory: stream.uploads, x: stream.upload(source, rowBytes, pitch) / element }
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
    if (map) {
      maps.set(map, memory)
      freeWith(map, memory)
    } else identities.set(features, memory)
    return memory
  }

  return {
    kept,
    origin,
    uploadBytes: (rows, features) => rows.labels.length * sizesOf(rows.values, features).pitch,
    upload,
    uploadBytesOf: ({ buffer, byteOffset, byteLength }) => {
      if (byteLength === 0) return 0
      return (
        stream.upload(new Uint8Array(buffer, byteOffset, byteLength), byteLength, 4 * Math.ceil(byteLength / 4)) / 4
      )
    },
    affine,
  }
}

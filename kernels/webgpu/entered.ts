import type { Rows } from '../contract.js'
import type { Memory } from './device.js'
import { GATHER_THREADS, gather } from './gather.js'
import type { Layer } from './layer.js'
import type { Placed } from './packing.js'
import type { Values } from './products.js'
import type { Room } from './room.js'
import { valuesOf } from './rows.js'
import type { Shared } from './shared.js'

/** Rows on the device with all that belongs to them. */
export interface Entered {
  /** Number of rows. */
  readonly size: number
  /** Whether the values are bytes or numbers, and standardised or not. */
  readonly values: Values
  /** Where the values lie. */
  readonly placed: Placed
  /** Factors and offsets of the features, if the values are not standardised yet. */
  readonly affine: readonly Memory[]
  /** Where the labels begin in the uploads. */
  readonly labels: number
  /** Where the weights of the rows begin in the uploads. */
  readonly weights: number
  /** For each layer, where its mask begins. */
  readonly masks: readonly number[]
}

/**
 * Returns a function that brings rows, and what belongs to them, to the device. After it nothing is submitted until the
 * dispatches of one pass are complete.
 */
export function enterer(
  features: number,
  layers: readonly Layer[],
  room: Room,
  { store, stream, compile }: Shared,
): (rows: Rows, isTraining: boolean) => Entered {
  /** Gathers rows whose origin is on the device. */
  function gathered(origin: Placed, into: Memory, rows: Uint32Array, rowBytes: number): Placed {
    const length4 = rowBytes / 4
    const groups = Math.ceil((rows.length * length4) / GATHER_THREADS)
    stream.dispatch(compile(gather), [origin.memory, stream.uploads, into], room.groups, groups, {
      rows: rows.length,
      labels: store.uploadBytesOf(rows),
      length4,
      x: origin.x,
    })
    return { memory: into, x: 0 }
  }

  return (rows, isTraining) => {
    const { labels, weights, masks = [] } = rows
    const size = labels.length
    room.make(size, isTraining)
    const kept = store.kept(rows, features)
    const origin = kept ? undefined : store.origin(rows, features)
    const bytes = store.uploadBytes(rows, features)
    const target = origin && room.forRows(bytes)
    const numbers = origin && rows.origin!.rows.subarray(0, size)
    const used = layers.map(({ dropping, units }, l) =>
      isTraining && dropping ? masks[l]!.subarray(0, size * units) : undefined,
    )
    const factors = isTraining && weights ? Float32Array.from(weights.subarray(0, size)) : undefined
    const small = [labels, factors, numbers, ...used].reduce((sum, each) => sum + (each ? each.byteLength + 32 : 0), 0)
    stream.reserve(16 * layers.length + 9, small + (kept || origin ? 0 : bytes + 16))
    const values = valuesOf(rows)
    return {
      size,
      values,
      placed: kept ?? (origin ? gathered(origin, target!, numbers!, bytes / size) : store.upload(rows, features)),
      affine: values === 'bytes' ? [store.affine(rows, features)] : [],
      labels: store.uploadBytesOf(labels),
      weights: factors ? store.uploadBytesOf(factors) : 0,
      masks: used.map((mask) => (mask ? store.uploadBytesOf(mask) : 0)),
    }
  }
}

import type { Memory } from './device.js'
import type { Layer } from './layer.js'
import { type Division, divide, type Form } from './matmul.js'
import type { Shared } from './shared.js'
import type { Groups } from './stream.js'

/** The buffers of a layer for some number of rows, `[rows, units]`, each row padded. */
export interface LayerRoom {
  /** What goes out. */
  readonly outputs: Memory
  /** The derivative of the loss by the outputs. */
  readonly slopes: Memory
  /** The outputs after the normalisation, before gamma and beta. */
  readonly normal: Memory
  /** 1 / deviation of each unit in the batch. */
  readonly inverses: Memory
}

/** The working memory of a network. */
export interface Room {
  /** Those of each layer. */
  readonly layers: readonly LayerRoom[]
  /** The parts of divided sums. */
  readonly parts: Memory
  /** The loss of each row. */
  readonly losses: Memory
  /** Returns memory of that size for gathered rows, as `make` does. */
  forRows(bytes: number): Memory
  /** The groups of buffers of the network's dispatches. */
  readonly groups: Groups
  /** Makes room for so many rows. What was encoded so far is submitted if buffers are replaced. */
  make(size: number, isTraining: boolean): void
  /** How a product of layer `l` is divided for so many rows. */
  divided(form: Form, l: number, size: number): Division
  /** Frees the memory. */
  free(): void
}

/** Makes the working memory of a network, without room for rows. */
export function makeRoom(layers: readonly Layer[], firstTrained: number, { gpu, stream, division }: Shared): Room {
  const groups: Groups = new Map()
  const divisions = new Map<string, Division>()
  let rooms: LayerRoom[] = []
  let capacity = 0
  let hasSlopes = false
  let parts = gpu.memory('parts', 16)
  let losses = gpu.memory('losses', 16)
  let rows = gpu.memory('gathered', 16)

  /** Divides a product of a layer, once for each number of rows. */
  function divided(form: Form, l: number, size: number): Division {
    const key = `${form},${l},${size}`
    let found = divisions.get(key)
    if (!found) {
      const { units, units4, inputs4 } = layers[l]!
      const [rows, columns4, depth] = {
        forward: [size, units4, inputs4] as const,
        back: [size, inputs4, units4] as const,
        weights: [units, inputs4, size] as const,
      }[form]
      found = divide(form, rows, columns4, depth, division.busy, division.tiles[form])
      if (divisions.size > 1000) divisions.clear()
      divisions.set(key, found)
    }
    return found
  }

  /** Makes room for so many rows. What was encoded so far uses the old buffers. */
  function make(size: number, isTraining: boolean): void {
    if (size > capacity || (isTraining && !hasSlopes)) {
      stream.flush()
      freeLayers()
      const most = Math.max(capacity, size)
      // There may be too little memory for the new ones.
      capacity = 0
      hasSlopes ||= isTraining
      for (const { units4, isNormalised } of layers) {
        const memory = (what: string, isThere = true): Memory => gpu.memory(what, isThere ? most * units4 * 16 : 16)
        rooms.push({
          outputs: memory('outputs'),
          slopes: memory('slopes', hasSlopes),
          normal: memory('normal', hasSlopes && isNormalised),
          inverses: gpu.memory('inverses', isNormalised ? units4 * 16 : 16),
        })
      }
      losses = replaced(losses, 'losses', most * 8)
      capacity = most
    }
    let bytes = 16
    for (const [l, { units, units4, inputs4 }] of layers.entries()) {
      const need = (form: Form, rows: number, columns4: number): void => {
        const { splits } = divided(form, l, size).params
        if (splits > 1) bytes = Math.max(bytes, splits * rows * columns4 * 16)
      }
      need('forward', size, units4)
      if (!isTraining || l < firstTrained) continue
      need('weights', units, inputs4)
      if (l > firstTrained) need('back', size, inputs4)
    }
    if (bytes > parts.bytes) {
      stream.flush()
      parts = replaced(parts, 'parts', bytes)
    }
  }

  function forRows(bytes: number): Memory {
    if (bytes > rows.bytes) {
      stream.flush()
      rows = replaced(rows, 'gathered', bytes)
    }
    return rows
  }

  function replaced(old: Memory, label: string, bytes: number): Memory {
    groups.clear()
    const memory = gpu.memory(label, bytes)
    old.buffer.destroy()
    return memory
  }

  function freeLayers(): void {
    groups.clear()
    for (const room of rooms) for (const { buffer } of Object.values(room) as Memory[]) buffer.destroy()
    rooms = []
  }

  return {
    get layers() {
      return rooms
    },
    get parts() {
      return parts
    },
    get losses() {
      return losses
    },
    groups,
    make,
    forRows,
    divided,
    free: () => {
      freeLayers()
      for (const { buffer } of [parts, losses, rows]) buffer.destroy()
    },
  }
}

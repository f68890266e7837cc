import type { Gpu } from './device.js'
import type { Form, TileName } from './matmul.js'
import type { RowStore } from './rows.js'
import type { compiler } from './shader.js'
import type { Stream } from './stream.js'

/** What all networks of a device share. */
export interface Shared {
  /** The device. */
  readonly gpu: Gpu
  /** Takes commands, uploads and reads. */
  readonly stream: Stream
  /** Keeps rows on the device. */
  readonly store: RowStore
  /** Compiles shaders, each once. */
  readonly compile: ReturnType<typeof compiler>
  /** How products are divided among workgroups. */
  readonly division: {
    /** The workgroups that keep the device busy. */
    readonly busy: number
    /** The tiles of forms whose tiles do not depend on sizes. */
    readonly tiles: Readonly<Partial<Record<Form, TileName>>>
  }
}

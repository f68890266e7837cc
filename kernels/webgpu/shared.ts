import type { Gpu } from './device.js'
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
  /** The workgroups that keep the device busy. */
  readonly busy: number
}

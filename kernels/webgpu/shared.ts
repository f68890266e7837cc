import type { Gpu } from './device.js'
import type { RowStore } from './rows.js'
import type { compiler } from './shader.js'
import type { Stream } from './stream.js'

/** What all networks of a device share. */
export interface Shared {
  readonly gpu: Gpu
  readonly stream: Stream
  readonly store: RowStore
  readonly compile: ReturnType<typeof compiler>
  /** The workgroups that keep the device busy. */
  readonly busy: number
}

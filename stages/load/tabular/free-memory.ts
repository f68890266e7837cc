import { totalmem } from 'node:os'

/** Bytes after which the system is asked anew: its answer takes as long as some thousand rows. */
const ASKED_EVERY = 16 << 20

/** Tells what memory is free while more and more of it is taken. */
export class FreeMemory {
  /** What the system has said, less what was taken since then. */
  private free = 0
  private taken = Number.POSITIVE_INFINITY

  /** Bytes that this process may still take, before it takes `bytes` of them. */
  before(bytes: number): number {
    if (this.taken >= ASKED_EVERY) {
      this.free = freeMemory()
      this.taken = 0
    }
    const { free } = this
    this.free -= bytes
    this.taken += bytes
    return free
  }
}

/** Bytes that this process may still take. Only Linux tells it; elsewhere what is free says little. */
function freeMemory(): number {
  return process.platform === 'linux' ? process.availableMemory() : totalmem() - process.memoryUsage.rss()
}

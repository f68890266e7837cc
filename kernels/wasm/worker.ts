import { workerData } from 'node:worker_threads'
import { CONSTANTS, control } from './layout.js'
import { instantiate, type Memory, type Module } from './module.js'

const { module, memory, thread } = workerData as { module: Module; memory: Memory; thread: number }
const signals = new Int32Array(memory.buffer, 0, CONSTANTS / 4)

try {
  const { serve, hasItems } = instantiate(module, memory)
  while (!Atomics.load(signals, control.closing)) {
    serve(thread)
    const callerSleeps = Atomics.load(signals, control.callerSleeps)
    if (callerSleeps && Atomics.load(signals, control.unfinished) === 0) Atomics.notify(signals, control.unfinished)
    else sleepUnless(hasItems)
  }
} catch (error) {
  // The calling thread may be asleep until this worker is done. It receives no event then, but reads these words.
  const message = new Uint8Array(memory.buffer, control.message * 4, CONSTANTS - control.message * 4)
  signals[control.messageLength] = new TextEncoder().encodeInto(String(error), message).written
  Atomics.store(signals, control.failed, 1)
  Atomics.notify(signals, control.unfinished)
  throw error
}

/** Sleeps until the calling thread wakes the workers. Returns at once if there are items to do. */
function sleepUnless(hasItems: () => number): void {
  const wakeUps = Atomics.load(signals, control.wakeUps)
  Atomics.add(signals, control.sleepers, 1)
  // Looks for items only after it counts as a sleeper: the calling thread wakes nobody while there are no sleepers.
  if (!hasItems() && !Atomics.load(signals, control.closing)) Atomics.wait(signals, control.wakeUps, wakeUps)
  Atomics.sub(signals, control.sleepers, 1)
}

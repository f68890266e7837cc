import { workerData } from 'node:worker_threads'
import { control, FAILURE_TEXT, FAILURE_TEXT_BYTES } from './layout.js'
import { instantiate, type Memory, type Module } from './module.js'

const { module, memory, thread } = workerData as { module: Module; memory: Memory; thread: number }
const signals = new Int32Array(memory.buffer, 0, 512)

try {
  const { serve, hasItems } = instantiate(module, memory)
  while (!Atomics.load(signals, control.closing)) {
    serve(thread)
    const callerSleeps = Atomics.load(signals, control.callerSleeps)
    if (callerSleeps && Atomics.load(signals, control.unfinished) === 0) Atomics.notify(signals, control.unfinished)
    else sleepUnless(hasItems)
  }
} catch (error) {
  // The calling thread may be waiting for this one and see no event: it looks at these words.
  const text = new TextEncoder().encode(String(error)).subarray(0, FAILURE_TEXT_BYTES)
  new Uint8Array(memory.buffer).set(text, FAILURE_TEXT + 4)
  signals[FAILURE_TEXT / 4] = text.length
  Atomics.store(signals, control.failed, 1)
  Atomics.notify(signals, control.unfinished)
  throw error
}

function sleepUnless(hasItems: () => number): void {
  const signal = Atomics.load(signals, control.signal)
  Atomics.add(signals, control.sleepers, 1)
  // Looks again now that the caller knows of a sleeper: what came in between would wake nobody.
  if (!hasItems() && !Atomics.load(signals, control.closing)) Atomics.wait(signals, control.signal, signal)
  Atomics.sub(signals, control.sleepers, 1)
}

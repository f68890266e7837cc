import { workerData } from 'node:worker_threads'
import { FAILURE_TEXT, FAILURE_TEXT_BYTES, word } from './layout.js'
import { instantiate, type Memory, type Module } from './module.js'

const { module, memory, thread } = workerData as { module: Module; memory: Memory; thread: number }

try {
  instantiate(module, memory).serve(thread)
} catch (error) {
  // The calling thread may be waiting for this one and see no event: it looks at these words.
  const text = new TextEncoder().encode(String(error)).subarray(0, FAILURE_TEXT_BYTES)
  new Uint8Array(memory.buffer).set(text, FAILURE_TEXT + 4)
  const words = new Int32Array(memory.buffer)
  words[FAILURE_TEXT / 4] = text.length
  Atomics.store(words, word.failed, 1)
  throw error
}

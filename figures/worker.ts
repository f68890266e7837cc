/* The thread that `drawOffThread` asks. */
import { parentPort } from 'node:worker_threads'
import { messageOf } from '../pipeline/base/errors.js'
import { type DrawingAnswer, type DrawingRequest, drawings } from './drawings.js'

parentPort!.on('message', async ({ id, name, given }: DrawingRequest) => {
  const answer = (content: DrawingAnswer): void => parentPort!.postMessage(content)
  try {
    const draw = drawings[name] as (...given: readonly unknown[]) => Promise<string | Uint8Array>
    answer({ id, result: await draw(...given) })
  } catch (error) {
    answer({ id, error: messageOf(error) })
  }
})

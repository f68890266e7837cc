import { parentPort } from 'node:worker_threads'
import { openPngDecoder } from './png.js'
import type { PngAnswer, PngRequest } from './png-thread.js'
import { resized } from './resize.js'

/* The thread that decodes large PNG images. */

const decode = await openPngDecoder()

parentPort!.on('message', ({ id, bytes, size }: PngRequest) => {
  let answer: PngAnswer
  try {
    const image = decode(bytes)
    answer = { id, height: image.height, width: image.width, image: size ? resized(image, ...size) : image }
  } catch (error) {
    answer = { id, problem: error instanceof Error ? error.message : String(error) }
  }
  parentPort!.postMessage(answer)
})

import { createHash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import { fileProblem, joinedBytes, messageOf, readRegularFile } from '../../pipeline/thread-kit.js'
import type { ImageAnswer, ImageRequest, ReadImage } from './image-thread.js'
import { isPng, openPngDecoder } from './png.js'
import { resized } from './resize.js'

/* The thread that reads the files of images, and decodes those that are PNG. */

/** The most bytes of a file. */
const MOST_BYTES = 1 << 28

/** An answer has no further image once it has so many, or so many bytes were decoded for it. */
const [ENOUGH_IMAGES, ENOUGH_BYTES] = [64, 1 << 20]

const decode = await openPngDecoder()
const waiting: string[] = []

parentPort!.on('message', ({ paths, size }: ImageRequest) => {
  waiting.push(...paths)
  const images: ReadImage[] = []
  const parts: Uint8Array[] = []
  for (let bytes = 0; waiting.length > 0 && images.length < ENOUGH_IMAGES && bytes < ENOUGH_BYTES; ) {
    const { read, data, work } = readImage(waiting.shift()!, size)
    images.push(read)
    parts.push(data)
    bytes += work
  }
  const data = joinedBytes(parts)
  parentPort!.postMessage({ images, data } satisfies ImageAnswer, [data.buffer])
})

/** Reads an image. Returns its data as well, and how many bytes reading and decoding it has made. */
function readImage(
  path: string,
  size: ImageRequest['size'],
): { readonly read: ReadImage; readonly data: Uint8Array; readonly work: number } {
  let file: Buffer
  try {
    file = readRegularFile(path, MOST_BYTES)
  } catch (cause) {
    return failed(fileProblem('read', path, cause))
  }
  const sha256 = createHash('sha256').update(file).digest('hex')
  const source = { path, bytes: file.length, sha256 }
  if (!isPng(file)) return { read: { source, length: file.length }, data: file, work: file.length }
  try {
    const whole = decode(file)
    const { width, height, data } = size ? resized(whole, ...size) : whole
    const wasResized = width !== whole.width || height !== whole.height
    const read = { source, length: data.length, png: { width, height, wasResized } }
    return { read, data, work: file.length + whole.data.length + (wasResized ? data.length : 0) }
  } catch (error) {
    return failed(`${path}: ${messageOf(error).split('\n')[0]}`, file.length)
  }
}

function failed(problem: string, work = 0): ReturnType<typeof readImage> {
  return { read: { problem, length: 0 }, data: new Uint8Array(0), work }
}

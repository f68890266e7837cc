import { type DataSource, messageOf, PipelineError, type StageContext, turn } from '../../pipeline/stage-kit.js'
import type { ImageFile } from './image-folders.js'
import { ImageThread, type ReadImage } from './image-thread.js'
import { isJpeg, type JpegDecoder, openJpegDecoder } from './jpeg.js'
import type { Rgb } from './png.js'

/** JPEG images that are decoded at a time, each in a thread of the decoder. */
const IN_FLIGHT = 4

/** Damaged images that an error names. After so many the others are not looked at. */
const MOST_NAMED = 20

/** A decoded image, or why it could not be decoded. */
export type Decoded =
  | { readonly source: DataSource; readonly image: Rgb; readonly wasResized: boolean }
  | { readonly problem: string }

/** Decodes images in order: PNG in a thread, which reads all files, and JPEG in those of its decoder. Call `close` at the end. */
export class ImageDecoder {
  private readonly context: StageContext
  private readonly thread: ImageThread
  private jpeg: Promise<JpegDecoder> | undefined

  constructor(context: StageContext) {
    this.context = context
    this.thread = new ImageThread(context.signal)
  }

  /**
   * Decodes files in order, to one size if it is given. Throws a PipelineError `DATA` if there are JPEG images and no package
   * to decode them, and what `ImageThread.read` throws.
   */
  async *decode(files: readonly ImageFile[], size?: readonly [height: number, width: number]): AsyncGenerator<Decoded> {
    const pending: (Decoded | Promise<Decoded>)[] = []
    const paths = files.map(({ path }) => path)
    for await (const { images, data } of this.thread.read(paths, size)) {
      let at = 0
      for (const image of images) {
        pending.push(this.decoded(image, data.subarray(at, at + image.length), size))
        at += image.length
        if (pending.length === IN_FLIGHT) yield pending.shift()!
      }
      await turn(this.context)
    }
    for (const decoded of pending) yield decoded
  }

  /** Ends the thread. */
  close(): Promise<void> {
    return this.thread.close()
  }

  private decoded(
    image: ReadImage,
    bytes: Uint8Array,
    size: readonly [height: number, width: number] | undefined,
  ): Decoded | Promise<Decoded> {
    if ('problem' in image) return image
    const { source, png } = image
    if (png) return { source, image: { width: png.width, height: png.height, data: bytes }, wasResized: png.wasResized }
    const { path } = source
    if (!isJpeg(bytes))
      return { problem: `${path}: ${bytes.length === 0 ? 'it is empty' : 'it is neither PNG nor JPEG'}` }
    const decoded = this.decodeJpeg(source, bytes, size)
    // Each is waited for, but an earlier one may have failed.
    decoded.catch(() => {})
    return decoded
  }

  private async decodeJpeg(
    source: DataSource,
    bytes: Uint8Array,
    size: readonly [height: number, width: number] | undefined,
  ): Promise<Decoded> {
    this.jpeg ??= openJpegDecoder(source.path).then(({ decode, version }) => {
      this.context.note(`JPEG images are decoded by ${version}; other versions may give slightly different pixels`)
      return decode
    })
    const decode = await this.jpeg
    try {
      return { source, image: await decode(bytes, size), wasResized: false }
    } catch (cause) {
      return { problem: `${source.path}: ${messageOf(cause).split('\n')[0]}` }
    }
  }
}

/** The error for damaged images: it names each of them, up to some. */
export function corruptImages(problems: readonly string[], all: number): PipelineError {
  const more = problems.length < MOST_NAMED ? '' : ', and maybe more'
  return new PipelineError(
    'DATA',
    `${problems.length}${more} of ${all} images cannot be read; repair or remove them, or leave them out with ` +
      `\`corrupt: skip\`:\n${problems.map((problem) => `  ${problem}`).join('\n')}`,
  )
}

/** Whether so many damaged images were found that the others are not looked at. */
export function areEnough(problems: readonly string[]): boolean {
  return problems.length >= MOST_NAMED
}

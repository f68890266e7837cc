import { createHash } from 'node:crypto'
import {
  type DataSource,
  fileProblem,
  messageOf,
  openRegularFile,
  PipelineError,
  type StageContext,
  turn,
} from '../../pipeline/stage-kit.js'
import type { ImageFile } from './image-folders.js'
import { isJpeg, type JpegDecoder, openJpegDecoder } from './jpeg.js'
import { isPng, openPngDecoder, type PngDecoder, type Rgb } from './png.js'
import { isLargePng, PngThread, type SizedImage } from './png-thread.js'
import { resized } from './resize.js'

/** The most bytes of a file. */
const MOST_BYTES = 1 << 28

/** Images that are read at a time. JPEG images are decoded in as many threads. */
const IN_FLIGHT = 4

/** Damaged images that an error names. After so many the others are not looked at. */
const MOST_NAMED = 20

/** A decoded image, or why it could not be decoded. */
export type Decoded =
  | { readonly source: DataSource; readonly image: Rgb; readonly wasResized: boolean }
  | { readonly problem: string }

/** Decodes images in order, a few at a time. */
export class ImageDecoder {
  private readonly context: StageContext
  private jpeg: Promise<JpegDecoder> | undefined
  private png: Promise<PngDecoder> | undefined

  constructor(context: StageContext) {
    this.context = context
  }

  /**
   * Decodes files in order, to one size if it is given. Throws a PipelineError `DATA` if there are JPEG images and no package
   * to decode them.
   */
  async *decode(files: readonly ImageFile[], size?: readonly [height: number, width: number]): AsyncGenerator<Decoded> {
    const pending: Promise<Decoded>[] = []
    const thread = new PngThread()
    try {
      for (let next = 0; next < files.length || pending.length > 0; ) {
        while (next < files.length && pending.length < IN_FLIGHT)
          pending.push(this.one(files[next++]!.path, size, thread))
        yield await pending.shift()!
        await turn(this.context)
      }
    } finally {
      await thread.close()
      // Those that nobody waits for any more.
      await Promise.allSettled(pending)
    }
  }

  private async one(
    path: string,
    size: readonly [height: number, width: number] | undefined,
    thread: PngThread,
  ): Promise<Decoded> {
    let bytes: Buffer
    try {
      const handle = await openRegularFile(path, MOST_BYTES)
      try {
        bytes = await handle.readFile()
      } finally {
        await handle.close()
      }
    } catch (cause) {
      return { problem: fileProblem('read', path, cause) }
    }
    const source = { path, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
    try {
      if (isPng(bytes)) {
        this.png ??= openPngDecoder()
        const { image, height, width } = isLargePng(bytes)
          ? await thread.decode(bytes, size)
          : decodeHere(await this.png, bytes, size)
        return { source, image, wasResized: size !== undefined && (height !== size[0] || width !== size[1]) }
      }
      if (!isJpeg(bytes))
        return { problem: `${path}: ${bytes.length === 0 ? 'it is empty' : 'it is neither PNG nor JPEG'}` }
      this.jpeg ??= openJpegDecoder(path).then(({ decode, version }) => {
        this.context.note(`JPEG images are decoded by ${version}; other versions may give slightly different pixels`)
        return decode
      })
      const decode = await this.jpeg
      return { source, image: await decode(bytes, size), wasResized: false }
    } catch (cause) {
      if (cause instanceof PipelineError) throw cause
      return { problem: `${path}: ${messageOf(cause).split('\n')[0]}` }
    }
  }
}

function decodeHere(
  decode: PngDecoder,
  bytes: Buffer,
  size: readonly [height: number, width: number] | undefined,
): SizedImage {
  const image = decode(bytes)
  return { height: image.height, width: image.width, image: size ? resized(image, ...size) : image }
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

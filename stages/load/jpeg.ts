import { messageOf, PipelineError } from '../../pipeline/stage-kit.js'
import { MOST_PIXELS, type Rgb } from './png.js'

/** Decodes a JPEG image, turned as its camera says (EXIF), to a size if one is given. Rejects if it is damaged. */
export type JpegDecoder = (
  bytes: Uint8Array,
  size: readonly [height: number, width: number] | undefined,
) => Promise<Rgb>

/** Whether a file that begins with these bytes is a JPEG file. */
export function isJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff
}

/**
 * Opens the decoder of the optional package sharp, which works in threads of its own. Returns it with its version, because
 * another version may round otherwise. Throws a PipelineError `DATA` with the command that installs it if it is not there.
 */
export async function openJpegDecoder(
  path: string,
): Promise<{ readonly decode: JpegDecoder; readonly version: string }> {
  const { default: sharp } = await import('sharp').catch((cause: unknown) => {
    throw new PipelineError(
      'DATA',
      `${path}: JPEG images need the package sharp, which Millrace does not bring along; install it beside it: ` +
        `npm install sharp (${messageOf(cause).split('\n')[0]})`,
      { cause },
    )
  })
  sharp.cache(false)
  sharp.concurrency(1)
  return {
    version: `sharp ${sharp.versions.sharp ?? ''}, libvips ${sharp.versions.vips}`,
    decode: async (bytes, size) => {
      const image = sharp(bytes, { failOn: 'warning', limitInputPixels: MOST_PIXELS })
        .autoOrient()
        .flatten({ background: '#000' })
        .toColourspace('srgb')
      // The same kind of filter as that for PNG images: a triangle, as wide as the reduction asks for.
      const sized = size ? image.resize(size[1], size[0], { fit: 'fill', kernel: 'linear' }) : image
      const { data, info } = await sized.raw().toBuffer({ resolveWithObject: true })
      if (info.channels !== 3) throw new Error(`expected 3 channels, found ${info.channels}`)
      return { width: info.width, height: info.height, data }
    },
  }
}

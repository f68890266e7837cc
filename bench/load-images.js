import { dirname } from 'node:path'
import { encode } from 'fast-png'
import { lastValueFrom, toArray } from 'rxjs'
import { images } from '../dist/stages/load/images.js'
import { openJpegDecoder } from '../dist/stages/load/jpeg.js'
import { openPngDecoder } from '../dist/stages/load/png.js'
import { loadContext } from './fuzz/load-context.js'
import { cpuOf } from './load-columns.js'
import { fixed, interleaved, median, printTable } from './measure.js'

/** The seconds that something takes, by the clock and of processor time. */
async function secondsOf(act) {
  const begun = performance.now()
  const { seconds: cpu } = await cpuOf(act)
  return { seconds: (performance.now() - begun) / 1000, cpu }
}

/**
 * Measures `load/images` beside its decoders: small PNG images, and JPEG images of 512 × 512 if sharp is installed.
 *
 * @param file writes a file, and returns its path
 */
export async function imagesBench(file, repeats) {
  const decodePng = await openPngDecoder()
  const pixels = Uint8Array.from({ length: 3072 }, (_, i) => (i * 31) % 256)
  const png = encode({ width: 32, height: 32, channels: 3, data: pixels })
  const kinds = [{ name: 'PNG, 32 × 32', ending: 'png', bytes: png, count: 20_000, decode: decodePng, options: {} }]
  const sharp = await import('sharp').catch(() => undefined)
  if (sharp) {
    const size = { width: 512, height: 512, channels: 3 }
    const noise = Buffer.from(Array.from({ length: 3 * 512 * 512 }, (_, i) => (Math.sin(i / 700) + 1) * 100 + (i % 37)))
    const bytes = await sharp.default(noise, { raw: size }).jpeg().toBuffer()
    const { decode } = await openJpegDecoder('')
    kinds.push({
      name: 'JPEG, 512 × 512 to 64 × 64',
      ending: 'jpg',
      bytes,
      count: 800,
      decode: (bytes) => decode(bytes, [64, 64]),
      options: { shape: [3, 64, 64] },
    })
  }
  const rows = []
  for (const { name, ending, bytes, count, decode, options } of kinds) {
    const paths = Array.from({ length: count }, (_, i) => file(`${ending}/a/${i}.${ending}`, bytes))
    const given = images.options.parse({ path: dirname(dirname(paths[0])), ...options })
    // Four at a time, as the stage does.
    const decodeAll = async () => {
      for (let i = 0; i < count; i += 4) await Promise.all([0, 1, 2, 3].map(() => decode(bytes)))
    }
    const alone = { run: () => secondsOf(decodeAll) }
    const stage = { run: () => secondsOf(() => lastValueFrom(images.run(given, loadContext()).pipe(toArray()))) }
    const results = await interleaved([alone, stage], repeats)
    const perSecond = (job, key) => count / median(results.get(job).map((result) => result[key]))
    const columns = ['seconds', 'cpu'].flatMap((key) => [perSecond(alone, key), perSecond(stage, key)])
    rows.push([name, ...columns.map((value) => fixed(value, 0))])
  }
  console.log('\nImages per second by the clock, and per second of processor time')
  printTable(['', 'decoder', 'load/images', 'decoder (processor)', 'load/images (processor)'], rows)
}

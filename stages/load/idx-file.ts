import { PipelineError, type StageContext } from '../../pipeline/stage-kit.js'
import { ByteReader } from './byte-reader.js'
import { BINARY_PIECE, MOST_UNPACKED, plainSize, readPieces } from './source-file.js'

/** The code of unsigned bytes, and those of the other types of the format. */
const UNSIGNED_BYTE = 0x08
const OTHER_TYPES = new Map([
  [0x09, 'signed bytes'],
  [0x0b, '16-bit integers'],
  [0x0c, '32-bit integers'],
  [0x0d, '32-bit floats'],
  [0x0e, '64-bit floats'],
])

/** What an IDX file is expected to hold. */
export interface ExpectedIdx {
  /** What its items are, for messages: `images`, `labels`. */
  readonly items: string
  /** The smallest and the largest number of dimensions. */
  readonly dimensions: readonly [least: number, most: number]
  /** Throws a PipelineError `DATA` if the sizes of the dimensions are wrong. */
  check?(sizes: readonly number[]): void
}

/** An IDX file of bytes whose header has been read. */
export interface IdxFile {
  /** The path of the file. */
  readonly path: string
  /** The sizes of its dimensions; the first is the number of items. */
  readonly sizes: readonly number[]
  /**
   * Reads the items, in order, in blocks of one or more whole items. The next block may overwrite the previous one. Throws a
   * PipelineError `DATA` if the file ends too early or too late.
   */
  blocks(): AsyncGenerator<Uint8Array>
}

/**
 * Opens an IDX file (Y. LeCun, C. Cortes, C. Burges, The MNIST Database): two zero bytes, a byte for the type, a byte for
 * the number of dimensions, the size of each as a big-endian 32-bit integer, then the numbers, last dimension fastest. It
 * is read piece by piece, packed or not. Read the items once, to the end. Throws a PipelineError `DATA` if it is no IDX
 * file of unsigned bytes, or if its size is not what its header says.
 */
export async function openIdx(
  path: string,
  expected: ExpectedIdx,
  context: StageContext,
  help: string,
): Promise<IdxFile> {
  const size = await plainSize(path, help)
  const bytes = new ByteReader(readPieces(path, context, BINARY_PIECE, true))
  try {
    const sizes = await readHeader(path, bytes, expected)
    const [count = 0, ...rest] = sizes
    expected.check?.(sizes)
    const width = rest.reduce((product, length) => product * length, 1)
    const header = 4 + 4 * sizes.length
    const needed = header + count * width
    const says = `expected ${needed} bytes (a header of ${header}, then ${sizes.join(' × ')})`
    if (size !== undefined && size !== needed) throw cutOff(path, says, `${size}`)
    // So much memory is not asked for because of a damaged header.
    if (size === undefined && needed > MOST_UNPACKED)
      throw new PipelineError(
        'DATA',
        `${path}: ${says}, and packed files may hold ${MOST_UNPACKED >> 20} MiB; unpack it if that is its size`,
      )
    return { path, sizes, blocks: () => blocksOf(bytes, count, width, (found) => cutOff(path, says, found)) }
  } catch (error) {
    await bytes.close()
    throw error
  }
}

async function readHeader(path: string, bytes: ByteReader, expected: ExpectedIdx): Promise<number[]> {
  const { items, dimensions } = expected
  const magic = await bytes.read(4)
  const [first, second, type, count] = magic ?? []
  const found = Buffer.from(magic ?? []).toString('hex')
  if (first !== 0 || second !== 0)
    throw new PipelineError(
      'DATA',
      `${path}: expected the magic number 0000 08.. of an IDX file, ` +
        `found ${magic ? found : 'less than 4 bytes'}; is it a file of ${items} in the format of MNIST?`,
    )
  if (type !== UNSIGNED_BYTE) {
    const name = OTHER_TYPES.get(type!)
    throw new PipelineError(
      'DATA',
      `${path}: expected the type code 0x08 (unsigned bytes), found 0x${found.slice(4, 6)}` +
        (name === undefined
          ? '; the file is damaged or no IDX file'
          : ` (${name}); write the ${items} as unsigned bytes`),
    )
  }
  const [least, most] = dimensions
  if (count! < least || count! > most)
    throw new PipelineError(
      'DATA',
      `${path}: expected ${items} with ${least === most ? least : `${least} to ${most}`} ` +
        `dimension${most === 1 ? '' : 's'}, found ${count}; are the files of images and labels interchanged?`,
    )
  const sizes = await bytes.read(4 * count!)
  if (!sizes) throw new PipelineError('DATA', `${path}: the file ends within its header; it is cut off`)
  const view = new DataView(sizes.buffer, sizes.byteOffset)
  const lengths = Array.from({ length: count! }, (_, i) => view.getUint32(4 * i))
  const empty = lengths.indexOf(0)
  if (empty >= 0)
    throw new PipelineError(
      'DATA',
      `${path}: expected dimensions of 1 or more, found ${lengths.join(' × ')}; there are no ${items} in it`,
    )
  return lengths
}

async function* blocksOf(
  bytes: ByteReader,
  count: number,
  width: number,
  wrongSize: (found: string) => PipelineError,
): AsyncGenerator<Uint8Array> {
  try {
    for (let left = count; left > 0; ) {
      const items = Math.min(left, Math.max(1, Math.floor(bytes.ready / width)))
      const block = await bytes.read(items * width)
      if (!block) throw wrongSize(`${bytes.count}`)
      yield block
      left -= items
    }
    if (await bytes.read(1)) throw wrongSize('more')
  } finally {
    await bytes.close()
  }
}

function cutOff(path: string, says: string, found: string): PipelineError {
  return new PipelineError('DATA', `${path}: ${says}, found ${found}; the file is cut off or damaged`)
}

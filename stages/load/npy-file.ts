import {
  messageOf,
  type NpyHeader,
  type NpyNumbers,
  npyBytes,
  npyElements,
  PipelineError,
  readNpyHeader,
  type StageContext,
  turn,
} from '../../pipeline/stage-kit.js'
import { ByteReader } from './byte-reader.js'

/** Bytes of a block of rows: enough to be fast, and read within a few milliseconds. */
const BLOCK = 1 << 18

/** An array whose header has been read. */
export interface NpyFile {
  /** The file, and in an archive the array. */
  readonly place: string
  /** What the header says. */
  readonly header: NpyHeader
  /**
   * Reads the elements in blocks of whole rows (entries of the first axis), in order, last axis fastest. The next block may
   * overwrite the previous one. Call it once, and read to the end. Throws a PipelineError `DATA` if the file has more or less bytes than its header says.
   */
  blocks(): AsyncGenerator<NpyNumbers | string[]>
  /** Lets go of the file if its elements are not read to the end. */
  close(): Promise<void>
}

/**
 * Opens a `.npy` file that comes in pieces. Throws a PipelineError `DATA` if it is damaged, or holds elements that are
 * neither numbers nor texts.
 *
 * @param size bytes of the file, undefined if only reading tells
 */
export async function openNpy(
  place: string,
  pieces: AsyncGenerator<Uint8Array>,
  size: number | undefined,
  context: StageContext,
): Promise<NpyFile> {
  const bytes = new ByteReader(pieces)
  try {
    const header = await readHeader(place, bytes)
    const expected = header.start + npyBytes(header)
    const wrongSize = (found: string) =>
      new PipelineError(
        'DATA',
        `${place}: expected ${expected} bytes (${header.shape.join(' × ')} of ${header.type}), found ${found}; ` +
          'the file is cut off or damaged',
      )
    if (size !== undefined && size !== expected) throw wrongSize(`${size}`)
    const raw = () => rawBlocks(bytes, header, wrongSize)
    return {
      place,
      header,
      blocks: () => elementsOf(isTransposed(header) ? rowMajor(raw(), header, context) : raw(), header),
      close: () => bytes.close(),
    }
  } catch (error) {
    await bytes.close()
    throw error
  }
}

async function readHeader(place: string, bytes: ByteReader): Promise<NpyHeader> {
  let known: Uint8Array = new Uint8Array(0)
  for (let needed = 8; ; ) {
    const more = await bytes.read(needed - known.length)
    if (!more)
      throw new PipelineError('DATA', `${place}: the file ends within its header; it is cut off or no .npy file`)
    known = Buffer.concat([known, more])
    let found: NpyHeader | number
    try {
      found = readNpyHeader(known)
    } catch (cause) {
      throw new PipelineError('DATA', `${place}: ${messageOf(cause)}`, { cause })
    }
    if (typeof found !== 'number') return found
    needed = found
  }
}

/** Whether the order of the elements has to change. With one axis, or one row or column, both orders are the same. */
function isTransposed({ isFortran, shape }: NpyHeader): boolean {
  return isFortran && shape.filter((extent) => extent > 1).length > 1
}

async function* elementsOf(
  blocks: AsyncGenerator<Uint8Array>,
  header: NpyHeader,
): AsyncGenerator<NpyNumbers | string[]> {
  for await (const block of blocks) yield npyElements(header, block)
}

async function* rawBlocks(
  bytes: ByteReader,
  header: NpyHeader,
  wrongSize: (found: string) => PipelineError,
): AsyncGenerator<Uint8Array> {
  const row = rowBytes(header)
  try {
    for (let left = npyBytes(header); left > 0; ) {
      const most = Math.max(row, Math.floor(bytes.ready / row) * row)
      const block = await bytes.read(Math.min(left, most))
      if (!block) throw wrongSize(`${bytes.count}`)
      yield block
      left -= block.length
    }
    if (await bytes.read(1)) throw wrongSize('more')
  } finally {
    await bytes.close()
  }
}

function rowBytes({ shape, size }: NpyHeader): number {
  return shape.slice(1).reduce((product, extent) => product * extent, size)
}

/**
 * Puts the elements of an array in Fortran order row by row. It has to hold the whole array, because a row has elements
 * everywhere in the file.
 */
async function* rowMajor(
  blocks: AsyncGenerator<Uint8Array>,
  header: NpyHeader,
  context: StageContext,
): AsyncGenerator<Uint8Array> {
  const { size, shape } = header
  const all = new Uint8Array(npyBytes(header))
  let filled = 0
  for await (const block of blocks) {
    all.set(block, filled)
    filled += block.length
  }
  const [rows = 0, ...axes] = shape
  const places = featurePlaces(axes)
  const perBlock = Math.max(1, Math.floor(BLOCK / rowBytes(header)))
  for (let from = 0; from < rows; from += perBlock) {
    const count = Math.min(perBlock, rows - from)
    const block = new Uint8Array(count * rowBytes(header))
    let at = 0
    for (let row = from; row < from + count; row++)
      for (const place of places) {
        const start = (row + rows * place) * size
        for (let i = start; i < start + size; i++) block[at++] = all[i]!
      }
    yield block
    await turn(context)
  }
}

/** Where the elements of a row, last axis fastest, are among them in Fortran order, which has the first axis fastest. */
function featurePlaces(axes: readonly number[]): Float64Array {
  const places = new Float64Array(axes.reduce((product, extent) => product * extent, 1))
  for (let i = 0; i < places.length; i++) {
    let rest = i
    let before = 1
    const index = axes.toReversed().map((extent) => {
      const along = rest % extent
      rest = Math.floor(rest / extent)
      return along
    })
    for (const [axis, along] of index.reverse().entries()) {
      places[i]! += along * before
      before *= axes[axis]!
    }
  }
  return places
}

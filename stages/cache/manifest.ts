import { createHash } from 'node:crypto'
import { createReadStream, readSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { crc32 } from 'node:zlib'
import {
  type DataSource,
  readRegularFile,
  type StageContext,
  turn,
  withRegularFile,
  z,
} from '../../pipeline/stage-kit.js'

const place = z.number().nonnegative()

/** What a file system says of a file; with the same stamp, the content is the same. */
const stamp = z.strictObject({ size: z.number(), mtime: z.number(), ctime: z.number(), inode: z.number() })

/** What the cache says of itself, in `cache.json`. */
const manifest = z.strictObject({
  version: z.literal(2),
  /** The checksum of all stages above. */
  digest: z.string(),
  sources: z.array(
    z.strictObject({ path: z.string(), bytes: z.number(), sha256: z.string(), stamp: stamp.nullable() }),
  ),
  splits: z.array(
    z.strictObject({
      name: z.string(),
      file: z.string().regex(/^\d+\.arrow$/),
      bytes: place,
      rows: z.int().nonnegative(),
      width: z.int().positive(),
      type: z.enum(['uint8', 'float32']),
      perRow: z.array(z.enum(['row', 'weight'])),
      counts: z.array(z.number()),
      perBlock: z.int().positive(),
      blocks: z.array(
        z.strictObject({
          values: place,
          labels: place,
          row: place.optional(),
          weight: place.optional(),
          end: place,
          crc: place,
        }),
      ),
      crc: place,
      stamp: stamp.optional(),
    }),
  ),
})

/** What the cache says of itself. */
export type Manifest = z.output<typeof manifest>

/** What a file system says of a file. */
export type Stamp = z.output<typeof stamp>

const FILE = 'cache.json'

/** The most bytes of a record batch, beside those of one row, with its description. */
const MOST_OF_BLOCK = 16 << 20

/** The most bytes of that file: enough for some terabytes. */
const MOST = 64 << 20

/** Returns the stamp of a file, or null if there is no such file. */
export function stampOf(path: string): Stamp | null {
  const found = statSync(path, { throwIfNoEntry: false })
  return found?.isFile() ? { size: found.size, mtime: found.mtimeMs, ctime: found.ctimeMs, inode: found.ino } : null
}

/** Writes the manifest of a folder. */
export function writeManifest(folder: string, given: Manifest): void {
  const splits = given.splits.map((split) => ({ ...split, stamp: stampOf(join(folder, split.file)) ?? undefined }))
  writeFileSync(join(folder, FILE), JSON.stringify({ ...given, splits }))
}

/**
 * Reads the manifest of a folder and checks files and sources. Returns it, or a text that says why the cache cannot be used;
 * undefined if there is none.
 */
export async function checkedManifest(folder: string, context: StageContext): Promise<Manifest | string | undefined> {
  let found: Manifest
  try {
    const checked = manifest.safeParse(JSON.parse(readRegularFile(join(folder, FILE), MOST).toString()))
    if (!checked.success) return 'its list of files is damaged'
    found = checked.data
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : 'its list of files is damaged'
  }
  if (found.digest !== context.above.digest) return 'the stages above are others'
  const named = new Set(context.above.sources.map((path) => resolve(path)))
  if (found.sources.some(({ path }) => !named.has(resolve(path)))) return 'it names files that are not read'
  for (const split of found.splits) {
    if (!isConsistent(split)) return 'its list of files is damaged'
    const now = stampOf(join(folder, split.file))
    if (now?.size !== split.bytes) return `${split.file} has not its length`
    if (!isSame(now, split.stamp) && !(await isWhole(join(folder, split.file), split, context)))
      return `${split.file} is damaged`
  }
  for (const source of found.sources) {
    const now = stampOf(source.path)
    if (now?.size !== source.bytes) return 'the data has changed'
    if (!isSame(now, source.stamp) && (await hashOf(source, context)) !== source.sha256) return 'the data has changed'
  }
  return found
}

function isSame(now: Stamp | null, then: Stamp | null | undefined): boolean {
  return now !== null && then?.mtime === now.mtime && then.ctime === now.ctime && then.inode === now.inode
}

/** Whether the batches hold all rows, and lie in the file one behind the other. */
function isConsistent({ bytes, rows, width, type, perRow, perBlock, blocks }: Manifest['splits'][number]): boolean {
  const size = width * (type === 'uint8' ? 1 : 4)
  let begin = 0
  for (const [i, { values, labels, row, weight, end }] of blocks.entries()) {
    const count = Math.min(perBlock, rows - i * perBlock)
    const lies = (at: number | undefined, length: number): boolean =>
      at !== undefined && at >= begin && at % 4 === 0 && at + length <= end
    if (count < 0 || end > bytes || end - begin > MOST_OF_BLOCK + 2 * size) return false
    if (count > 0 && !(lies(values, count * size) && lies(labels, count * 4))) return false
    if (count > 0 && perRow.includes('row') && !lies(row, count * 4)) return false
    if (count > 0 && perRow.includes('weight') && !lies(weight, count * 4)) return false
    begin = end
  }
  return blocks.length === Math.max(1, Math.ceil(rows / perBlock))
}

/** Compares the checksums of a file, and its labels with the counts of the classes: kernels get no label that is none. */
async function isWhole(path: string, split: Manifest['splits'][number], context: StageContext): Promise<boolean> {
  const counts = split.counts.map(() => 0)
  let begin = 0
  for (const [i, { labels, end, crc }] of [
    ...split.blocks.entries(),
    [-1, { labels: 0, end: split.bytes, crc: split.crc }] as const,
  ]) {
    const bytes = new Uint8Array(end - begin)
    const length = withRegularFile(path, (file) => readSync(file, bytes, 0, bytes.length, begin))
    if (length < bytes.length || crc32(bytes) !== crc) return false
    const rows = i < 0 ? 0 : Math.min(split.perBlock, split.rows - i * split.perBlock)
    for (const label of rows > 0 ? new Int32Array(bytes.buffer, labels - begin, rows) : []) {
      // -1: not known.
      if (label === -1) continue
      if (!(label in counts)) return false
      counts[label]!++
    }
    begin = end
    await turn(context)
  }
  return counts.every((count, c) => count === split.counts[c])
}

async function hashOf({ path }: DataSource, context: StageContext): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) {
    hash.update(piece as Buffer)
    await turn(context)
  }
  return hash.digest('hex')
}

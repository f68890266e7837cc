import { createHash } from 'node:crypto'
import { closeSync, createReadStream, openSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { type DataSource, type StageContext, turn, z } from '../../pipeline/stage-kit.js'

const place = z.number().nonnegative()

/** What a file system says of a file; with the same stamp, the content is the same. */
const stamp = z.strictObject({ size: z.number(), mtime: z.number(), ctime: z.number(), inode: z.number() })

/** What the cache says of itself, in `cache.json`. */
const manifest = z.strictObject({
  version: z.literal(1),
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
        z.strictObject({ values: place, labels: place, row: place.optional(), weight: place.optional(), crc: place }),
      ),
      stamp: stamp.optional(),
    }),
  ),
})

/** What the cache says of itself. */
export type Manifest = z.output<typeof manifest>

/** What a file system says of a file. */
export type Stamp = z.output<typeof stamp>

const FILE = 'cache.json'

/** Returns the stamp of a file, or null if there is no such file. */
export function stampOf(path: string): Stamp | null {
  const found = statSync(path, { throwIfNoEntry: false })
  return found ? { size: found.size, mtime: found.mtimeMs, ctime: found.ctimeMs, inode: found.ino } : null
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
    const checked = manifest.safeParse(JSON.parse(readFileSync(join(folder, FILE), 'utf8')))
    if (!checked.success) return 'its list of files is damaged'
    found = checked.data
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : 'its list of files is damaged'
  }
  if (found.digest !== context.above.digest) return 'the stages above are others'
  for (const split of found.splits) {
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

async function isWhole(path: string, split: Manifest['splits'][number], context: StageContext): Promise<boolean> {
  const descriptor = openSync(path, 'r')
  try {
    const size = split.width * (split.type === 'uint8' ? 1 : 4)
    for (const [i, block] of split.blocks.entries()) {
      const rows = Math.min(split.perBlock, split.rows - i * split.perBlock)
      const bytes = new Uint8Array(rows * size)
      if (readSync(descriptor, bytes, 0, bytes.length, block.values) < bytes.length) return false
      if (crc32(bytes) !== block.crc) return false
      await turn(context)
    }
    return true
  } finally {
    closeSync(descriptor)
  }
}

async function hashOf({ path }: DataSource, context: StageContext): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) {
    hash.update(piece as Buffer)
    await turn(context)
  }
  return hash.digest('hex')
}

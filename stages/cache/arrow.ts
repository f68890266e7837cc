import { mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Table } from 'apache-arrow'
import { concat, defer, finalize, map, merge, of } from 'rxjs'
import {
  attempt,
  defineStage,
  disown,
  fileProblem,
  openRowFile,
  outputPath,
  PipelineError,
  partFolder,
  RowFileWriter,
  removeAbandoned,
  type StageContext,
  type StoredSplit,
  schemaOf,
  splitOf,
  splitTables,
  wire,
  z,
} from '../../pipeline/stage-kit.js'
import { checkedManifest, type Manifest, stampOf, writeManifest } from './manifest.js'
import { placeOf } from './place.js'

const options = z.strictObject({
  directory: outputPath
    .optional()
    .describe(
      'The folder of the cache, inside the run directory; an absolute path needs --allow-absolute-paths. Default: ' +
        '`.millrace-cache` beside the first data file; inside the run directory if there is none, or if the definition is from ' +
        'elsewhere.',
    ),
})

/**
 * Keeps the rows of all splits in Arrow files, one per split, so that the next run reads them instead of the data, and so that
 * splits that are larger than the memory of the run are read in windows.
 *
 * A cache belongs to the stages above it, their options and seeds, and to the content of their files; if any of them changes, it
 * is written anew. It is checked when it is opened; a damaged one is written anew, with a note. Two runs may use one cache at
 * once. Behind a load stage that gives its rows in pieces, the rows are never in memory together.
 *
 * A definition that is not the user's own writes no cache outside of the run directory; it may use one that lies beside the data.
 */
export const arrow = defineStage({
  name: 'cache/arrow',
  summary: 'Keeps loaded rows in Arrow files, and reads splits that do not fit into memory in windows.',
  options,
  inputs: { examples: wire.examples },
  outputs: { examples: wire.examples },
  example: '- use: cache/arrow',
  holds:
    'splits that fit into three quarters of `memory:`, the small ones first (all of them without a limit); of others nothing: ' +
    'the stages below read windows of at most 4 MB, a 32nd of the limit each, three at a time',
  asks: () => ({ examples: { pieces: true } }),
  run: ({ directory }, context) => {
    const place = placeOf(directory, context)
    return (examples) =>
      defer(() => {
        let folder = ''
        let build: Build | undefined
        let found: Manifest | undefined
        const tables = examples.pipe(map((table) => ({ table })))
        return merge(of('begin' as const), concat(tables, of('end' as const))).pipe(
          context.flow.concatMap(async (item: 'begin' | 'end' | { table: Table }) => {
            if (item === 'begin') {
              for (const folderOf of place.read) {
                folder = folderOf()
                found = await openCache(folder, context)
                if (found) break
              }
              if (found) context.enough()
              else {
                folder = place.write()
                build = new Build(folder, context)
              }
            } else if (item !== 'end') await build?.add(item.table)
            else if (!context.signal.aborted) {
              const splits = splitsIn(folder, found ?? build!.finish(), context)
              return splitTables(splits, context)
            }
            return []
          }),
          context.flow.concatMap((tables) => context.flow.pull(tables)),
          finalize(() => build?.discard()),
        )
      })
  },
})

async function openCache(folder: string, context: StageContext): Promise<Manifest | undefined> {
  const found = await checkedManifest(folder, context)
  if (typeof found === 'string') context.note(`the cache ${folder} is written anew: ${found}`)
  if (typeof found !== 'object') return undefined
  for (const { path, bytes, sha256 } of found.sources) context.source({ path, bytes, sha256 })
  return found
}

/** A cache that is being written, in a folder of its own until it is whole. */
class Build {
  private readonly folder: string
  private readonly part: string
  private readonly context: StageContext
  private readonly stamps: ReadonlyMap<string, ReturnType<typeof stampOf>>
  private readonly writers = new Map<string, RowFileWriter>()
  private isDone = false

  constructor(folder: string, context: StageContext) {
    this.folder = folder
    this.context = context
    this.stamps = new Map(context.above.sources.map((path) => [resolve(path), stampOf(path)]))
    try {
      mkdirSync(dirname(folder), { recursive: true })
      removeAbandoned(dirname(folder))
      this.part = partFolder(folder)
    } catch (cause) {
      const problem = fileProblem('write the cache', dirname(folder), cause)
      throw new PipelineError('WRITE', `${problem}; "directory" names another folder for it`, { cause })
    }
  }

  async add(table: Table): Promise<void> {
    const split = splitOf(table)
    try {
      let writer = this.writers.get(split)
      if (!writer) {
        writer = new RowFileWriter(join(this.part, `${this.writers.size}.arrow`), table)
        this.writers.set(split, writer)
      }
      await writer.add(table, this.context)
    } catch (error) {
      if (error instanceof PipelineError || this.context.signal.aborted) throw error
      throw new PipelineError('WRITE', fileProblem('write the cache', this.part, error), { cause: error })
    }
  }

  /** Places the cache. Returns its manifest. */
  finish(): Manifest {
    const { above } = this.context
    if (this.writers.size === 0) throw new PipelineError('DATA', 'no rows arrived')
    const read = above.read().filter(({ path }) => this.stamps.has(resolve(path)))
    const given: Manifest = {
      version: 2,
      digest: above.digest,
      sources: read.map((source) => {
        const [then, now] = [this.stamps.get(resolve(source.path)), stampOf(source.path)]
        // Data that changed while it was read is compared by its checksum the next time.
        const isSame = JSON.stringify(then) === JSON.stringify(now)
        return { ...source, stamp: isSame ? (now ?? null) : null }
      }),
      splits: [...this.writers.values()].map((writer) => {
        const split = attempt('write the cache', this.part, () => writer.finish())
        return { ...split, perRow: [...split.perRow], counts: [...split.counts], blocks: [...split.blocks] }
      }),
    }
    attempt('write the cache', this.folder, () => {
      writeManifest(this.part, given)
      try {
        renameSync(this.part, this.folder)
      } catch {
        // Another run was faster, or an old one lies there. Runs that read it have its files open.
        rmSync(this.folder, { recursive: true, force: true })
        renameSync(this.part, this.folder)
      }
      disown(this.folder)
    })
    this.isDone = true
    return given
  }

  /** Removes what is not whole. */
  discard(): void {
    if (this.isDone) return
    for (const writer of this.writers.values()) writer.close()
    rmSync(this.part, { recursive: true, force: true })
  }
}

/** The splits of a cache. */
function splitsIn(folder: string, { splits }: Manifest, { signal }: StageContext): StoredSplit[] {
  return splits.map((split) => {
    const path = join(folder, split.file)
    const [features, label] = schemaOf(path).fields
    return { name: split.name, fields: [features!, label!], source: openRowFile(path, split, signal) }
  })
}

import { DataType, type Schema, Table, tableFromIPC, tableToIPC } from 'apache-arrow'
import { concat, defer, finalize, ignoreElements, type Observable } from 'rxjs'
import { z } from 'zod'
import {
  defineStage,
  openParquet,
  outputPath,
  type ParquetOptions,
  type ParquetProgress,
  type ParquetRows,
  PipelineError,
  positioned,
  type StageContext,
  turn,
  wire,
} from '../../pipeline/stage-kit.js'
import { PartFile } from './part-file.js'
import { SeenTables, seenState } from './seen-tables.js'
import { wireFile } from './wire-file.js'

/** Float features become a column each up to this number; readers are slow on more. */
const MOST_COLUMNS = 1000

const options = z.strictObject({
  path: outputPath
    .optional()
    .describe(
      'File inside the run directory. Default: `metrics.parquet` for metrics, for other wires the id of the stage above, ' +
        'such as `examples.parquet`.',
    ),
  features: z
    .enum(['auto', 'columns', 'one-column'])
    .default('auto')
    .describe(
      'How the features of examples and batches are kept. `columns`: a column per feature, with the names of the data. ' +
        '`one-column`: bytes of a fixed length for uint8, a list for float32. `auto`: a column per feature for float32 up ' +
        `to ${MOST_COLUMNS} of them, else one column.`,
    ),
  compression: z.enum(['snappy', 'none']).default('snappy').describe('How the pages are compressed.'),
  rowGroup: z
    .int()
    .min(1024)
    .max(1 << 28)
    .optional()
    .describe(
      'Bytes of rows that are collected in memory for a row group. Default: 2 MiB, for rows with lists 256 KiB.',
    ),
})

type Options = z.output<typeof options> & { readonly path: string }

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array)

/** What a checkpoint holds: the tables in the file, and where it stood. */
const state = z.strictObject({
  ...seenState.shape,
  /** The schema of the rows as an Arrow IPC stream, once there were rows. */
  schema: bytes.optional(),
  bytes: z.int().nonnegative(),
  groups: z.string(),
  pending: bytes,
})

/**
 * Writes any wire as a Parquet file. Rows are collected into row groups of about 2 MiB; each group is written as soon as it is
 * complete. A Parquet file cannot be read before its end is written, so it grows as `NAME.part` and gets its name at the
 * end of the run, also of one that fails or is interrupted. A killed run leaves `NAME.part`; `resume` goes on with it, and
 * gives the bytes of a run that was never killed.
 */
export const parquet = defineStage({
  name: 'sink/parquet',
  summary: 'Writes the tables of any wire to a Parquet file.',
  options,
  inputs: { tables: wire.any },
  outputs: {},
  parallel: 'first',
  complete: ({ path, ...rest }, { tables }) => ({ ...rest, path: path ?? wireFile(tables, 'parquet') }),
  example: '- use: sink/parquet\n  from: metrics\n  with: { path: metrics.parquet }',
  holds: 'the rows of one row group, 2 MiB unless told otherwise',
  run: ({ path: name = '', ...rest }, context) => {
    const path = context.file(name)
    const options = { ...rest, path: name }
    return (tables) =>
      defer(() => {
        const file = new ParquetSink(context, path, options)
        return concat(
          tables.pipe(context.flow.concatMap((table) => file.write(table))),
          defer(() => file.end()),
        ).pipe(
          finalize(() => file.close()),
          ignoreElements(),
        ) as Observable<never>
      })
  },
})

class ParquetSink {
  private readonly context: StageContext
  private readonly options: Options
  private readonly file: PartFile
  private readonly seen = new SeenTables()
  private schema: Schema | undefined
  private rows: ParquetRows | undefined
  /** Where the file stood when it was last closed, by this run or by the one that it goes on with. */
  private saved: ParquetProgress | undefined

  constructor(context: StageContext, path: string, options: Options) {
    this.context = context
    this.options = options
    this.file = new PartFile(path)
    context.state(state, {
      snapshot: () => this.snapshot(),
      restore: ({ schema, bytes, groups, pending, ...seen }) => {
        this.seen.restore(seen)
        if (!schema) return
        this.file.check(bytes)
        this.schema = tableFromIPC(schema).schema
        this.saved = { bytes, groups, pending }
      },
      begin: () => (this.saved ? this.file.takeBack() : this.file.create()),
      sync: () => this.file.sync(),
    })
  }

  private snapshot(): z.output<typeof state> {
    const none = { bytes: 0, groups: '[]', pending: new Uint8Array(0) }
    return {
      ...this.seen.now,
      ...(this.schema && { schema: tableToIPC(new Table(this.schema), 'stream') }),
      ...(this.rows?.progress() ?? this.saved ?? none),
    }
  }

  /** Writes a table, unless a resumed run has it already. */
  write(table: Table): [] | Promise<[]> {
    return this.seen.isNew(table) ? this.append(table) : []
  }

  private async append(table: Table): Promise<[]> {
    // Examples of a whole split have no place in the run: columns of zeros would be taken for features.
    const isWhole = table.schema.metadata.get('wire') === 'examples'
    for (const batch of positioned(table, { place: !isWhole })) {
      this.keepTo(batch.schema)
      const rows = await this.opened()
      for (const _ of rows.add(batch)) await turn(this.context)
    }
    this.seen.count(table)
    return []
  }

  /** Takes the first schema; throws a PipelineError `DATA` if another one comes later. */
  private keepTo(schema: Schema): void {
    this.schema ??= schema
    const [before, now] = [this.schema, schema].map(layoutText)
    if (before === now) return
    throw new PipelineError(
      'DATA',
      `${this.options.path} has rows of ${before}, and now come rows of ${now}; ` +
        'put the stage back that makes them, or begin a new run',
    )
  }

  private async opened(): Promise<ParquetRows> {
    if (this.rows) return this.rows
    if (this.saved) this.file.openAt(this.saved.bytes)
    const append = (bytes: Uint8Array): void => this.file.append(bytes)
    this.rows = await openParquet(append, this.schema!, writing(this.schema!, this.options), this.saved)
    return this.rows
  }

  /** Finishes the file, once all tables have come. */
  async end(): Promise<[]> {
    if (this.schema) await this.opened()
    else this.context.note(`no rows came, so there is no ${this.options.path}`)
    this.finish()
    return []
  }

  /** Closes the file however the run ends. If it fails, the file has the rows that came until then. */
  close(): void {
    try {
      this.finish()
    } catch {
      // The error that ended the run is the one to report. The rows are in NAME.part.
      this.file.close()
    }
  }

  private finish(): void {
    if (this.rows) {
      this.saved = this.rows.progress()
      this.rows.finish()
      this.rows = undefined
      this.file.finish()
    } else if (this.saved) this.file.close()
    else this.file.discard()
  }
}

function layoutText({ fields }: Schema): string {
  return fields.map(({ name, type }) => `${name}: ${type}`).join(', ')
}

/** How the rows of a schema are written. */
function writing({ fields }: Schema, { features, compression, rowGroup }: Options): ParquetOptions {
  const field = fields.find(({ name }) => name === 'features')
  if (!field || !DataType.isFixedSizeList(field.type)) return { compression, rowGroup }
  const { listSize, valueType } = field.type
  const isSpread =
    features === 'auto' ? DataType.isFloat(valueType) && listSize <= MOST_COLUMNS : features === 'columns'
  if (!isSpread) return { compression, rowGroup }
  const given = field.metadata.get('names')
  const names = given ? (JSON.parse(given) as string[]) : Array.from({ length: listSize }, (_, i) => `feature_${i}`)
  return { compression, rowGroup, spread: { features: names } }
}

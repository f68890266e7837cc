import { type Cell, listed, PipelineError, type StageContext, turn } from '../../../pipeline/stage-kit.js'
import { labelColumn } from '../tabular/columns.js'
import type { TabularOptions } from '../tabular/options.js'
import type { TableRows } from '../tabular/table-rows.js'
import { chooseWhole } from '../tabular/whole.js'
import { damaged, openParquet, type ParquetFile } from './file.js'
import { GroupReader } from './group.js'
import { columnsOf, type ParquetColumn } from './schema.js'

/** The most rows that are decoded before they are copied. */
const AT_ONCE = 1 << 17

/** What decoded values may take where `memory:` is given: this share of it, but so many bytes in any case. */
const DECODED = { share: 1 / 4, bytes: 128 << 20 }

/** The most bytes of whole rows, and the most of these rows, that are taken between two turns of the event loop. */
const MOST = { bytes: 1 << 23, rows: 1 << 16 }

/** Reads the rows of a Parquet file. Throws a PipelineError `DATA` that names the row of the first wrong cell. */
export async function readParquet(
  path: string,
  options: TabularOptions,
  rows: TableRows,
  context: StageContext,
): Promise<void> {
  const file = await openParquet(path, context)
  try {
    const all = attempted(path, () => columnsOf(file.metadata))
    const names = all.map(({ name }) => name)
    const label = labelColumn(names)
    const areWhole = all.map(({ kind }) => kind === 'bytes' || kind === 'list')
    const whole = chooseWhole(
      path,
      names,
      areWhole,
      { ...options, label: options.label ?? label },
      rows.model !== undefined,
    )
    if (whole) {
      const { kind, length } = all[whole.features[0]!]!
      const first = kind === 'bytes' ? length! : await widthOfList(path, file, all[whole.features[0]!]!, context)
      rows.beginWhole(path, whole, first, kind === 'bytes' ? 'uint8' : 'float32')
    } else rows.begin(path, { names, count: names.length, label, declared: declaredOf(all), unusable: unusableIn(all) })
    const { features, label: labels, weight, group } = rows.columns!
    const used = [...new Set([...features, labels, weight, group].filter((column) => column >= 0))]
    checkKinds(
      path,
      used.map((column) => all[column]!),
      whole !== undefined,
    )
    const times = used.filter((column) => all[column]!.kind === 'time').map((column) => names[column]!)
    if (times.length > 0)
      context.note(
        `${path}: ${listed(times, 'and')} ${times.length === 1 ? 'has' : 'have'} times, which are read as milliseconds since 1970`,
      )
    const usedNames = used.map((column) => names[column]!)
    const most = Math.max(context.memory.limit * DECODED.share, DECODED.bytes)
    const perRow = used.reduce((sum, column) => sum + (all[column]!.kind === 'bytes' ? all[column]!.length! : 8), 0)
    // The pages in which the rows lie may be as much again.
    const atOnce = Math.max(1, Math.min(AT_ONCE, Math.floor(most / (2 * perRow))))
    let start = 0
    for (const group of file.metadata.row_groups) {
      const reader = new GroupReader(path, file, group, all, context, most)
      const step = whole && all[whole.features[0]!]!.kind === 'list' ? reader.count : atOnce
      for (let from = 0; from < reader.count; from += step)
        await readRows(reader, from, Math.min(from + step, reader.count), start)
      reader.close()
      start += reader.count
    }
    const sha256 = await file.bytes.digest().catch((error: unknown) => {
      context.signal.throwIfAborted()
      throw damaged(path, error)
    })
    context.source({ path, bytes: file.bytes.byteLength, sha256 })

    async function readRows(reader: GroupReader, from: number, to: number, start: number): Promise<void> {
      const cells = await reader.read(usedNames, from, to)
      const byColumn: (ArrayLike<Cell> | undefined)[] = names.map(
        (name) => cells.get(name) as ArrayLike<Cell> | undefined,
      )
      for (const column of used) {
        if (byColumn[column]?.length !== to - from)
          throw new PipelineError(
            'DATA',
            `${path} is damaged: the column ${names[column]} has not as many values as there are rows`,
          )
        if (all[column]!.kind === 'time') byColumn[column] = Array.from(byColumn[column]!, timeOf)
      }
      const placeOf = (row: number): string => `${path}: row ${start + from + row}`
      if (!whole) return rows.addColumns(byColumn, to - from, placeOf)
      const values = byColumn[whole.features[0]!] as unknown as ArrayLike<ArrayLike<number> | null>
      let row = 0
      const place = (): string => placeOf(row)
      const perRow = { labels: byColumn[whole.label], weights: byColumn[whole.weight], splits: undefined }
      while (row < to - from) {
        const run = bytesFrom(values, row, rows.rows!.width)
        const count = run ? run.length / rows.rows!.width : 1
        if (run) rows.addWholeRun(run, row, count, perRow, placeOf)
        else {
          const { labels, weights } = perRow
          const weight = weights ? (weights[row] ?? null) : undefined
          rows.addWhole(wholeRow(values[row], place), labels ? labels[row] : null, weight, place)
        }
        row += count
        await turn(context)
      }
    }
  } finally {
    await file.handle.close()
  }
  rows.endFile(path)
}

function declaredOf(columns: readonly ParquetColumn[]) {
  return columns.map(({ kind }) => (kind === 'text' || kind === 'nested' ? undefined : ({ type: 'number' } as const)))
}

/** The columns that are no features of their own. */
function unusableIn(columns: readonly ParquetColumn[]): number[] {
  return [...columns.keys()].filter((column) => ['nested', 'bytes', 'list'].includes(columns[column]!.kind))
}

/** Throws if a column cannot become features or a label. */
function checkKinds(path: string, used: readonly ParquetColumn[], isWhole: boolean): void {
  for (const { name, kind } of used)
    if (kind === 'nested' || (!isWhole && (kind === 'bytes' || kind === 'list')))
      throw new PipelineError(
        'DATA',
        kind === 'nested'
          ? `${path}: the column ${name} has values inside values, or of a type that is no number and no text; leave it out with drop`
          : `${path}: the column ${name} has many numbers in each row, so it must be the only feature column; select: [${name}]`,
      )
}

/** The bytes of a row and of those after it that follow it in memory; undefined if the row has no bytes of this width. */
function bytesFrom(values: ArrayLike<unknown>, row: number, width: number): Uint8Array | undefined {
  const first = values[row]
  if (!(first instanceof Uint8Array) || first.length !== width) return undefined
  const { buffer, byteOffset } = first
  const end = Math.min(values.length, row + Math.min(MOST.rows, Math.ceil(MOST.bytes / width)))
  let next = row + 1
  for (; next < end; next++) {
    const value = values[next]
    if (!(value instanceof Uint8Array) || value.buffer !== buffer || value.length !== width) break
    if (value.byteOffset !== byteOffset + (next - row) * width) break
  }
  return new Uint8Array(buffer, byteOffset, (next - row) * width)
}

/** The features of a row of one column. Bytes come as texts if the reader finds that they are some. */
function wholeRow(value: ArrayLike<number> | null | undefined, place: () => string): ArrayLike<number> {
  if (value === null || value === undefined)
    throw new PipelineError('DATA', `${place()}: expected features, got nothing`)
  if (value instanceof Uint8Array) return value
  for (let i = 0; i < value.length; i++)
    if (typeof value[i] !== 'number' && typeof value[i] !== 'bigint')
      throw new PipelineError('DATA', `${place()}: feature ${i}: expected a finite number, got nothing`)
    else if (!Number.isFinite(Math.fround(Number(value[i]))))
      throw new PipelineError(
        'DATA',
        `${place()}: feature ${i}: expected a number that float32 can hold, got ${value[i]}`,
      )
  return typeof value[0] === 'bigint' ? Array.from(value, Number) : value
}

/** The number of features of the first row of a column of lists. */
async function widthOfList(
  path: string,
  file: ParquetFile,
  column: ParquetColumn,
  context: StageContext,
): Promise<number> {
  const group = file.metadata.row_groups.find(({ num_rows: count }) => count > 0)
  if (!group) throw new PipelineError('DATA', `${path} has no rows`)
  const reader = new GroupReader(path, file, group, [column], context, Number.POSITIVE_INFINITY)
  const cells = await reader.read([column.name], 0, 1)
  const first = cells.get(column.name)?.[0] as ArrayLike<number> | null | undefined
  if (!first?.length) throw new PipelineError('DATA', `${path}: row 0: expected features, got nothing`)
  return first.length
}

/** Milliseconds since 1970. */
function timeOf(cell: unknown): Cell {
  return cell instanceof Date ? cell.getTime() : (cell as Cell)
}

function attempted<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw damaged(path, error)
  }
}

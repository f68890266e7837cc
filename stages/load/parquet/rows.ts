import type { DecodedArray } from 'hyparquet'
import { type Cell, listed, PipelineError, type StageContext, turn } from '../../../pipeline/stage-kit.js'
import { labelColumn } from '../tabular/columns.js'
import type { TabularOptions } from '../tabular/options.js'
import type { TableRows } from '../tabular/table-rows.js'
import { chooseWhole } from '../tabular/whole.js'
import { damaged, openParquet, type ParquetFile } from './file.js'
import { columnsOf, type ParquetColumn } from './schema.js'

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
      const first = kind === 'bytes' ? length! : await widthOfList(path, file, names[whole.features[0]!]!)
      rows.beginWhole(path, whole, first, kind === 'bytes' ? 'uint8' : 'float32')
    } else rows.begin(path, { names, count: names.length, label, declared: declaredOf(all) })
    const { features, label: labels, weight } = rows.columns!
    const used = [...new Set([...features, labels, weight].filter((column) => column >= 0))]
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
    let start = 0
    for (const { num_rows: count } of file.metadata.row_groups) {
      const end = start + Number(count)
      if (end > start) await readGroup(start, end)
      start = end
    }

    async function readGroup(from: number, to: number): Promise<void> {
      const cells = await columnsBetween(
        path,
        file,
        used.map((column) => names[column]!),
        from,
        to,
      )
      await turn(context)
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
      const placeOf = (row: number): string => `${path}: row ${from + row}`
      if (!whole) return rows.addColumns(byColumn, to - from, placeOf)
      const values = byColumn[whole.features[0]!] as unknown as ArrayLike<ArrayLike<number> | null>
      for (let row = 0; row < to - from; row++) {
        const place = (): string => placeOf(row)
        rows.addWhole(
          wholeRow(values[row], place),
          whole.label < 0 ? null : byColumn[whole.label]![row],
          whole.weight < 0 ? undefined : (byColumn[whole.weight]![row] ?? null),
          place,
        )
        if (row % 256 === 0) await turn(context)
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
async function widthOfList(path: string, file: ParquetFile, name: string): Promise<number> {
  if (Number(file.metadata.num_rows) === 0) throw new PipelineError('DATA', `${path} has no rows`)
  const first = (await columnsBetween(path, file, [name], 0, 1)).get(name)?.[0] as ArrayLike<number> | null | undefined
  if (!first?.length) throw new PipelineError('DATA', `${path}: row 0: expected features, got nothing`)
  return first.length
}

/** Reads some columns of some rows. */
async function columnsBetween(
  path: string,
  { buffer, metadata }: ParquetFile,
  columns: string[],
  rowStart: number,
  rowEnd: number,
): Promise<Map<string, DecodedArray>> {
  const { parquetRead } = await import('hyparquet')
  const isPlain = metadata.row_groups.every(({ columns }) =>
    columns.every(({ meta_data }) => meta_data?.codec === 'SNAPPY' || meta_data?.codec === 'UNCOMPRESSED'),
  )
  const compressors = isPlain ? {} : { compressors: (await import('hyparquet-compressors')).compressors }
  const parts = new Map<string, { at: number; data: DecodedArray }[]>()
  try {
    await parquetRead({
      file: buffer,
      metadata,
      columns,
      rowStart,
      rowEnd,
      ...compressors,
      onChunk: ({ columnName, columnData, rowStart: at }) => {
        const list = parts.get(columnName) ?? []
        list.push({ at, data: columnData })
        parts.set(columnName, list)
      },
    })
  } catch (error) {
    throw damaged(path, error)
  }
  return new Map([...parts].map(([name, list]) => [name, between(list, rowStart, rowEnd)]))
}

/** The values of some rows, of chunks that may begin before them and end after them. */
function between(chunks: { at: number; data: DecodedArray }[], from: number, to: number): DecodedArray {
  chunks.sort((a, b) => a.at - b.at)
  const [first] = chunks
  if (chunks.length === 1 && first!.at === from && first!.data.length === to - from) return first!.data
  const values: unknown[] = []
  for (const { at, data } of chunks)
    for (let i = Math.max(0, from - at); i < data.length && at + i < to; i++) values.push(data[i])
  return values as DecodedArray
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

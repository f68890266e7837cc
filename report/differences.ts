import { counted } from '../pipeline/base/words.js'
import { hasInside } from '../pipeline/files/inside.js'
import { comparedFiles, differingFiles } from './compared-files.js'
import type { StoredRecord } from './record.js'
import type { Sheet } from './sheets.js'
import { isTable, sheetOf } from './tables-of-run.js'

/** The first cell in which a table of two runs differs. */
export interface Difference {
  /** The name of the file. */
  readonly file: string
  /** The number of the row, from 1, without the head. */
  readonly row: number
  /** The cells that identify the row: `epoch`, `step`, `array`, `index`. */
  readonly at: Readonly<{ [column: string]: string }>
  /** The column that differs; undefined if one side lacks the row. */
  readonly column: string | undefined
  /** The cell of the first run, or `a row`; undefined if the first run lacks it. */
  readonly before: string | undefined
  /** The cell of the second run, or `a row`; undefined if the second run lacks it. */
  readonly after: string | undefined
  /** |before - after| / max(|before|, |after|), if both are numbers. */
  readonly relative: number | undefined
}

/** The result of comparing two runs. */
export interface RunComparison {
  /** The number of evaluations that were compared. */
  readonly rows: number
  /** The files that were compared. */
  readonly files: readonly string[]
  /** The files that differ. If the first run did not end, only the rows that it has are compared. */
  readonly differing: readonly string[]
  /** The first cell that differs; undefined if none does. */
  readonly first: Difference | undefined
}

/**
 * Compares the files of two runs. If the first run did not end, only the rows that it has are compared, and no files
 * that are written at the end. Throws a PipelineError `DATA` if a file cannot be read.
 *
 * @param record of the first run
 */
export function compareRuns(
  before: string,
  after: string,
  record: Pick<StoredRecord, 'status' | 'files'>,
): RunComparison {
  const present = comparedFiles(before)
  const listed = record.files.length > 0 ? record.files : [...present]
  // Both runs have the same definition, but it names files relative to its folder.
  const files = listed.filter((name) => present.has(name) && name !== 'pipeline.yaml').sort(metricsFirst)
  const isWhole = record.status === 'done'
  const compared = isWhole ? files : files.filter((name) => isTable(name) && hasInside(after, name))
  const unequal = new Set(differingFiles(before, after))
  const differing: string[] = []
  let rows = 0
  let first: Difference | undefined
  for (const name of compared) {
    const old = isTable(name) ? sheetOf(before, name) : undefined
    if (old?.columns.includes('epoch')) rows += old.rows.length
    if (!unequal.has(name)) continue
    const now = old && sheetOf(after, name)
    const found = now && firstDifference(name, old, now, isWhole)
    // A table that cannot be read may differ in the rows that both have.
    if (found || isWhole || !now) differing.push(name)
    first ??= found
  }
  return { rows, files: compared, differing, first }
}

function metricsFirst(a: string, b: string): number {
  const rank = (name: string): number => (name.startsWith('metrics.') ? 0 : isTable(name) ? 1 : 2)
  return rank(a) - rank(b) || (a < b ? -1 : 1)
}

function firstDifference(file: string, before: Sheet, after: Sheet, isWhole: boolean): Difference | undefined {
  const columns = [...new Set([...before.columns, ...after.columns])]
  const count = isWhole ? Math.max(before.rows.length, after.rows.length) : before.rows.length
  for (let i = 0; i < count; i++) {
    const [old, now] = [cellsOf(before, i), cellsOf(after, i)]
    const column = columns.find((name) => old?.get(name) !== now?.get(name))
    if (column === undefined) continue
    const isHere = old !== undefined && now !== undefined
    const [a, b] = [old?.get(column), now?.get(column)]
    const position = ['epoch', 'step', 'array', 'index'].flatMap((name) => {
      const cell = (old ?? now)!.get(name)
      return cell === undefined || (isHere && name === column) ? [] : [[name, cell]]
    })
    return {
      file,
      row: i + 1,
      at: Object.fromEntries(position),
      column: isHere ? column : undefined,
      before: isHere ? a : old && 'a row',
      after: isHere ? b : now && 'a row',
      relative: isHere ? relative(a, b) : undefined,
    }
  }
  return undefined
}

function cellsOf({ columns, rows }: Sheet, row: number): Map<string, string> | undefined {
  const cells = rows[row]
  return cells && new Map(columns.map((name, i) => [name, cells[i]!]))
}

function relative(a: string | undefined, b: string | undefined): number | undefined {
  const [x, y] = [Number(a), Number(b)]
  if (!(Number.isFinite(x) && Number.isFinite(y)) || a === '' || b === '') return undefined
  return Math.abs(x - y) / Math.max(Math.abs(x), Math.abs(y))
}

/**
 * Lists the differences between the circumstances of two runs: definition, seed, data, kernel, versions and machine.
 *
 * @param definition the SHA-256 of the definition of the second run
 */
export function changesBetween(before: StoredRecord, after: StoredRecord, definition: string): string[] {
  const changes: string[] = []
  const compare = (what: string, a: string | number | undefined, b: string | number | undefined): void => {
    if (a !== undefined && a !== b) changes.push(`${what}: was ${a}, is ${b ?? 'unknown'}`)
  }
  if (before.definition !== undefined && before.definition !== definition)
    changes.push('definition: pipeline.yaml is not what the run was made from')
  compare('seed', before.seed, after.seed)
  const sources = new Map(after.data.map((source) => [source.path, source]))
  for (const { path, bytes, sha256 } of before.data) {
    // From another folder, the same file has another path.
    const now = sources.get(path) ?? after.data.find((source) => source.sha256 === sha256 && sources.has(source.path))
    if (!now) changes.push(`data: ${path} was read, is not any more`)
    else if (now.sha256 !== sha256)
      changes.push(
        `data: ${path} was ${counted(bytes, 'byte')}, SHA-256 ${sha256}; is ${counted(now.bytes, 'byte')}, ${now.sha256}`,
      )
    sources.delete(now?.path ?? path)
  }
  for (const path of sources.keys()) changes.push(`data: ${path} was not read, is now`)
  compare('kernel', formatKernel(before), formatKernel(after))
  for (const name of Object.keys(before.versions)) compare(name, before.versions[name], after.versions[name])
  compare('platform', before.machine?.platform, after.machine?.platform)
  compare('processor', before.machine?.cpu, after.machine?.cpu)
  return changes
}

function formatKernel({ kernel }: StoredRecord): string | undefined {
  return kernel && `${kernel.name} (${kernel.detail})`
}

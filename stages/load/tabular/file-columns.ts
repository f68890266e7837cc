import { counted, PipelineError, someOf } from '../../../pipeline/stage-kit.js'
import { type Columns, columnTitle } from './columns.js'
import type { TabularOptions } from './options.js'

/** What a file says of its columns. */
export interface FileColumns {
  /** Their names; undefined if it names none. */
  readonly names: readonly string[] | undefined
  /** Their number. */
  readonly count: number
  /** The types and categories that the file declares, by column. */
  readonly declared?: readonly (DeclaredColumn | undefined)[] | undefined
  /** The label column if no option names one. */
  readonly label?: number | undefined
  /** The character before the fraction of numbers that are texts. Default: a full stop. */
  readonly decimal?: '.' | ',' | undefined
  /** Columns that can be no features, such as values inside values. */
  readonly unusable?: readonly number[] | undefined
  /** Ends the message that there is no feature column. */
  readonly hint?: string | undefined
}

/** What a file declares of a column. */
export interface DeclaredColumn {
  /** Its type. A declared column of texts needs no option `text`: it becomes one-hot features. */
  readonly type: 'number' | 'category'
  /** The categories in their order, if the file lists them. */
  readonly categories?: readonly string[] | undefined
}

/** The first file, to compare others with. */
export interface FirstFile {
  /** Its path. */
  readonly path: string
  /** Its columns. */
  readonly columns: Columns
}

/** The names of the columns of a file, to look one up. */
const nameSets = new WeakMap<readonly string[], ReadonlySet<string>>()

/** The name and the index of a column, by which options name it. An index that is the name of a column is no other one's. */
export function keysOf({ names }: Columns, column: number): string[] {
  const name = names?.[column]
  if (!names || name === undefined) return [`${column}`]
  const all = nameSets.get(names) ?? new Set(names)
  nameSets.set(names, all)
  return all.has(`${column}`) ? [name] : [name, `${column}`]
}

/** Throws a PipelineError `DATA` if an option has a rule for a column that does not exist. */
export function checkRules(path: string, columns: Columns, options: TabularOptions): void {
  const keys = new Set(columns.features.flatMap((column) => keysOf(columns, column)))
  const { types, missing, text, offsets } = options
  for (const [option, rules] of Object.entries({ types, missing, text, offsets })) {
    if (typeof rules !== 'object' || Object.hasOwn(rules, 'constant')) continue
    const wrong = Object.keys(rules).filter((key) => key !== '*' && !keys.has(key))
    if (wrong.length > 0)
      throw new PipelineError(
        'DATA',
        `${path}: ${option}: no feature column ${someOf(wrong)}; columns: ${someOf(columns.features.map((each) => columnTitle(columns, each)))}`,
      )
  }
}

/** Throws a PipelineError `DATA` if two files have different numbers of features, or different names of features. */
export function checkColumns(path: string, columns: Columns, first: FirstFile): void {
  const [found, expected] = [columns.features.length, first.columns.features.length]
  if (found !== expected)
    throw new PipelineError('DATA', `${path} has ${counted(found, 'feature')}, ${first.path} has ${expected}`)
  const nameOf = ({ names, features }: Columns, i: number): string | undefined => names?.[features[i]!]
  const at = columns.names ? columns.features.findIndex((_, i) => nameOf(columns, i) !== nameOf(first.columns, i)) : -1
  if (at >= 0)
    throw new PipelineError(
      'DATA',
      `${path} has the column "${nameOf(columns, at)}" where ${first.path} has "${nameOf(first.columns, at)}"`,
    )
}

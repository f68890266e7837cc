import { PipelineError } from '../../../pipeline/stage-kit.js'
import { type ColumnChoice, type Columns, chooseColumns } from './columns.js'

/** Columns that recorded examples have beside features and label, and that are no features. */
const PER_ROW = ['row', 'weight']

/**
 * Finds the column that has all features of a row. Returns undefined if there is none that is used: then each column is a
 * feature. Throws a PipelineError `DATA` if other columns are beside it, or if there is no label column.
 *
 * @param areWhole whether a column has many numbers in each row, by column
 * @param isForModel whether the rows are for a trained model, so that they need no label
 */
export function chooseWhole(
  path: string,
  names: readonly string[],
  areWhole: readonly boolean[],
  choice: ColumnChoice,
  isForModel: boolean,
): Columns | undefined {
  if (!areWhole.includes(true)) return undefined
  const label = choice.label ?? -1
  if (isForModel && label === -1) {
    const found = [...areWhole.keys()].filter((column) => areWhole[column] && !choice.drop.includes(names[column]!))
    if (found.length === 1) return { count: names.length, names, label: -1, weight: -1, group: -1, features: found }
  }
  const dropped = PER_ROW.filter((name) => names.includes(name) && name !== choice.weight && name !== choice.label)
  const drop = choice.select ? choice.drop : [...choice.drop, ...dropped]
  const columns = chooseColumns(path, names, names.length, { ...choice, drop })
  const whole = columns.features.filter((column) => areWhole[column])
  if (whole.length === 0) return undefined
  if (columns.group >= 0)
    throw new PipelineError(
      'DATA',
      `${path}: group: the column ${names[whole[0]!]} has many numbers in each row, and such rows are not grouped; split/rows groups them by features`,
    )
  if (columns.features.length > 1)
    throw new PipelineError(
      'DATA',
      `${path}: the column ${names[whole[0]!]} has many numbers in each row, so it must be the only feature column; select: [${names[whole[0]!]}]`,
    )
  return columns
}

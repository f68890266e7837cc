import { counted, listed } from '../../pipeline/base/words.js'
import type { FoundColumn, FoundTable } from './table-file.js'
import type { Options } from './wiring.js'

/** The options of a load stage for a table, and what was found out about each. */
export interface TableOptions {
  /** The options. */
  readonly options: Options
  /** What was found out, by option. */
  readonly notes: Readonly<Record<string, string>>
  /** What the user should look at. */
  readonly remarks: readonly string[]
  /** How many classes were seen. */
  readonly classes: number
  /** True if most rows are of one class, so that the accuracy alone says little. */
  readonly isUnbalanced: boolean
}

/** Names that label columns often have. */
const LABELS =
  /^(label|labels|class|classes|target|y|species|kind|category|cultivar|outcome|diagnosis|survived|income|result)$/i

/** Names of columns that number the rows. */
const IDS = /^(id|index|row|nr|no|number|key|uuid|unnamed: ?0|)$|[_\s-]id$/i

/** More classes than this are no classes, most likely. */
const MOST_CLASSES = 100

/** A class with a smaller share of the rows is rare: it could be missing in a split that is drawn at random. */
const RARE = 0.1

/** A class with a larger share of the rows makes the accuracy high whatever is learned. */
const COMMON = 0.7

/** A column with more different texts than this becomes no features. */
const MOST_TEXTS = 50

/** Chooses the options of `load/csv` for a table; those that the stage does not `know` are left out, and texts then dropped. */
export function tableOptions(path: string, table: FoundTable, knows: (option: string) => boolean): TableOptions {
  const { columns, header, skip, skipped, delimiter, decimal, encoding, rows } = table
  const indexOf = new Map(columns.map(({ name, index }) => [name, index]))
  const ambiguous = new Set(columns.filter(({ name, index }) => indexOf.get(name) !== index).map(({ name }) => name))
  const nameOf = ({ name, index }: FoundColumn): string | number =>
    name === undefined || ambiguous.has(name) ? index : name
  const label = labelOf(table)
  const others = columns.filter((column) => column !== label)
  const isId = (column: FoundColumn): boolean =>
    column.distinct === rows && rows > 1 && (column.isNumeric ? column.isWhole && IDS.test(column.name ?? 'x') : true)
  const isDropped = (column: FoundColumn): boolean =>
    column.distinct === 0 ||
    (column.distinct === 1 && column.missing === 0 && rows > 1) ||
    isId(column) ||
    column.isDate ||
    (!column.isNumeric && (!knows('text') || column.distinct > MOST_TEXTS))
  const dropped = others.filter(isDropped)
  const kept = others.filter((column) => !isDropped(column))
  const texts = kept.filter(({ isNumeric }) => !isNumeric)
  const holes = kept.filter(({ missing }) => missing > 0)
  const ruleOf = (found: readonly FoundColumn[], rule: (column: FoundColumn) => unknown): Options =>
    Object.fromEntries(found.map((column) => [String(nameOf(column)), rule(column)]))
  // Of one text, it matters whether it is there.
  const missing = ruleOf(holes, ({ isNumeric, distinct }) =>
    isNumeric ? 'median' : distinct === 1 ? { constant: 'none' } : 'mode',
  )
  const isUnbalanced = label.distinct >= 2 && label.distinct <= MOST_CLASSES && label.most > COMMON * rows
  const isRare = label.distinct >= 2 && label.distinct <= MOST_CLASSES && label.rarest < RARE * rows
  const wanted: Record<string, unknown> = {
    path,
    ...(!header && { header }),
    ...(skip > 0 && { skip }),
    ...(delimiter !== ',' && { delimiter }),
    ...(decimal !== '.' && { decimal }),
    ...(encoding !== undefined && { encoding }),
    label: nameOf(label),
    ...(isRare && { stratify: true }),
    ...(dropped.length > 0 && { drop: dropped.map(nameOf) }),
    ...(texts.length > 0 && { text: ruleOf(texts, () => 'one-hot'), unseen: 'ignore' }),
    ...(Object.keys(missing).length > 0 && { missing }),
  }
  const unknown = Object.keys(wanted).filter((option) => !knows(option))
  const reasonOf = (column: FoundColumn): string => {
    if (column.distinct === 0) return 'empty'
    if (column.distinct === 1) return 'one value'
    if (column.isDate) return 'dates'
    return column.isNumeric ? 'numbers the rows' : counted(column.distinct, 'different text')
  }
  const told = (found: readonly FoundColumn[]): string =>
    listed(
      found.slice(0, 10).map((column) => `"${nameOf(column)}" (${reasonOf(column)})`),
      'and',
    )
  return {
    options: Object.fromEntries(Object.entries(wanted).filter(([option]) => knows(option))),
    notes: {
      label: `Found: ${label.distinct} different values.`,
      ...(isRare && {
        stratify: `Found: a class with ${label.rarest} of ${counted(rows, 'row')}. Each split has its share of every class.`,
      }),
      ...(dropped.length > 0 && {
        drop: `Found: ${told(dropped)}.`,
      }),
      ...(texts.length > 0 && { text: 'Found: columns with texts.' }),
      ...(holes.length > 0 && { missing: 'Found: cells without a value.' }),
    },
    remarks: [
      ...(skip > 0
        ? [`Not in the table: the first ${skip === 1 ? 'line' : counted(skip, 'line')} ("${shortened(skipped!)}").`]
        : []),
      ...(label.distinct > MOST_CLASSES
        ? [`The label has ${label.distinct} different values: is it a class? Millrace trains classifiers.`]
        : []),
      ...(label.distinct < 2 ? ['The label has one value only: there is nothing to learn.'] : []),
      ...(label.missing > 0
        ? [`${counted(label.missing, 'row')} without a label: to be taken out of the file before training.`]
        : []),
      ...(kept.length === 0 ? ['No column is left that can be a feature.'] : []),
      ...(dropped.length > 0 ? [`Left out: ${told(dropped)}.`] : []),
      ...(dropped.some(({ isDate }) => isDate)
        ? [
            'Dates are texts; to learn from them, write what matters as numbers: the month, the hour, or days since a day.',
          ]
        : []),
      ...(isUnbalanced
        ? [
            `${Math.floor((100 * label.most) / rows)} % of the rows are "${label.commonest}", so look at balanced_accuracy; classWeights: balanced trains for it.`,
          ]
        : []),
      ...unknown.map((option) => `The file needs the option "${option}", which the load stage does not have.`),
    ],
    classes: label.distinct,
    isUnbalanced,
  }
}

function shortened(line: string): string {
  return line.length > 60 ? `${line.slice(0, 59)}…` : line
}

/**
 * The column that is the label, most likely: one with such a name, else the last one if its values recur, else the one with
 * texts of which there are fewest, else the last.
 */
function labelOf({ columns, rows }: FoundTable): FoundColumn {
  const last = columns.at(-1)!
  const recurs = ({ distinct, isNumeric, isWhole }: FoundColumn): boolean =>
    distinct >= 2 && distinct <= Math.min(MOST_CLASSES, Math.max(2, rows / 2)) && (!isNumeric || isWhole)
  const named = columns.filter(({ name }) => LABELS.test(name ?? 'none'))
  const texts = columns.filter((column) => recurs(column) && !column.isNumeric).sort((a, b) => a.distinct - b.distinct)
  return named.find(recurs) ?? (recurs(last) ? last : (texts[0] ?? named[0] ?? last))
}

import type { Table } from 'apache-arrow'
import type { Observable } from 'rxjs'
import { widthOf } from '../../kernels/network-shape.js'
import { counted, cutName, someOf } from '../base/words.js'
import type { Node } from '../graph/node.js'
import { kernelRows, layoutOf, splitOf } from '../wires/examples.js'
import { shareOf } from '../wires/shares.js'
import { rowSourceOf } from '../wires/unread.js'

/** What a load stage has loaded. */
export interface DataSummary {
  /** The shape of one example; its product is the number of features. */
  readonly shape: readonly number[]
  /** The names of the classes, in the order of the labels. */
  readonly classes: readonly string[]
  /** The splits, in the order in which they were loaded. */
  readonly splits: readonly SplitSummary[]
}

/** The rows of one split. */
export interface SplitSummary {
  /** The name of the split. */
  readonly name: string
  /** The number of its rows. */
  readonly rows: number
  /** The number of rows of each class. Left out in a divided run, whose processes have a part of the rows each. */
  readonly perClass?: readonly number[]
}

/** From this number on, classes that have fewer than two rows on average are probably ids. */
const MANY_CLASSES = 10

/** Whether an output of a stage is examples that it loads: the stage has no inputs. */
export function isLoader({ stage, inputs }: Node, port: string): boolean {
  return inputs.size === 0 && stage.outputs[port]?.type === 'examples'
}

/** Whether an output of a stage is examples that it has divided into other splits than those that it was given. */
export function isDivider({ stage, inputs, facts, inputFacts }: Node, port: string): boolean {
  const { splits } = facts[port] ?? {}
  if (inputs.size === 0 || stage.outputs[port]?.type !== 'examples' || !splits) return false
  return !Object.values(inputFacts).some((given) => given.splits?.join('\n') === splits.join('\n'))
}

/** Counts the examples on a wire, and reports them when it completes. Reports nothing if no table came. */
export function watchData(wire: Observable<Table>, report: (summary: DataSummary) => void): void {
  const splits = new Map<string, { rows: number; perClass?: number[] }>()
  let layout: Pick<DataSummary, 'shape' | 'classes'> | undefined
  wire.subscribe({
    next: (table) => {
      layout ??= layoutOf(table)
      const name = splitOf(table)
      const share = shareOf(table)
      const split = splits.get(name) ?? { rows: 0, ...(!share && { perClass: layout.classes.map(() => 0) }) }
      splits.set(name, split)
      const unread = rowSourceOf(table)
      split.rows = share ? share.rows : split.rows + table.numRows
      if (unread) for (const [c, count] of unread.counts.entries()) split.perClass![c]! += count
      else if (split.perClass) for (const label of kernelRows(table).labels) if (label >= 0) split.perClass[label]!++
    },
    error: () => {},
    complete: () => {
      if (!layout) return
      const { shape, classes } = layout
      report({ shape, classes, splits: [...splits].map(([name, split]) => ({ name, ...split })) })
    },
  })
}

/**
 * Returns what the user should know of the classes: labels that look like ids or measurements, and classes of one split
 * alone.
 */
export function classRemarks({ classes, splits }: DataSummary): string[] {
  const rows = rowsIn(splits)
  const remarks: string[] = []
  if (classes.length >= MANY_CLASSES && classes.length > rows / 2)
    remarks.push(`${counted(classes.length, 'class')} for ${counted(rows, 'row')}: is the label column one of ids?`)
  else if (areMeasurements(classes, rows))
    remarks.push(
      `${classes.length} classes, all of them numbers such as ${classes.find((name) => /[.e]/i.test(name)) ?? classes[0]}: is ` +
        'the label column a measurement?',
    )
  const filled = splits.filter((split) => split.rows > 0)
  if (filled.length < 2) return remarks
  for (const { name, perClass } of filled) {
    const alone = classes.filter(
      (_, c) => perClass?.[c] && filled.every((other) => other.name === name || !other.perClass?.[c]),
    )
    if (alone.length === 0) continue
    const occur = alone.length === 1 ? 'occurs' : 'occur'
    remarks.push(`${alone.length} of ${classes.length} classes ${occur} in ${name} alone: ${someOf(alone)}`)
  }
  return remarks
}

/** Whether labels are numbers of which few occur as often as classes do: with fractions, or hundreds of them. */
function areMeasurements(classes: readonly string[], rows: number): boolean {
  if (classes.length < MANY_CLASSES || !classes.every((name) => name !== '' && Number.isFinite(Number(name))))
    return false
  const isRare = rows / classes.length < 20
  return classes.some((name) => !Number.isInteger(Number(name))) || (isRare && classes.length >= 5 * MANY_CLASSES)
}

function rowsIn(splits: readonly SplitSummary[]): number {
  return splits.reduce((sum, { rows }) => sum + rows, 0)
}

/** Classes that `formatSummary` shows. */
const SHOWN = 12

/**
 * Formats a summary as one line: `40 rows × 2 features (train 32, test 8), 2 classes: x (15 + 4), y (17 + 4)`. The rows of
 * a class are counted by split, in the order in which the splits are named.
 *
 * @param shown whether the rows of each split are shown too
 */
export function formatSummary({ shape, classes, splits }: DataSummary, shown = { splits: true }): string {
  const rows = rowsIn(splits)
  const features = widthOf(shape)
  const parts = shown.splits ? ` (${splits.map((split) => `${split.name} ${split.rows}`).join(', ')})` : ''
  const areCounted = splits.every(({ perClass }) => perClass)
  const names = classes.slice(0, SHOWN).map((name, c) => {
    const count = splits.map(({ perClass }) => perClass?.[c] ?? 0).join(' + ')
    return areCounted ? `${cutName(name)} (${count})` : cutName(name)
  })
  const rest = classes.length > SHOWN ? ' …' : ''
  const size = `${counted(rows, 'row')} × ${counted(features, 'feature')}`
  return `${size}${parts}, ${counted(classes.length, 'class')}: ${names.join(', ')}${rest}`
}

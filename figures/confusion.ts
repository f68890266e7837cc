import { heatmap } from './heatmap.js'
import { drawing, text } from './svg.js'
import { fitted, textWidth, theme } from './theme.js'

/** How the rows of a split were classified. Shares without a denominator (a class never predicted, say) are NaN. */
export interface Confusion {
  readonly classes: readonly string[]
  /** Row-major `[true class, predicted class]`: numbers of rows. */
  readonly counts: Uint32Array
  readonly perClass: readonly {
    /** Rows of this class. */
    readonly rows: number
    /** Of the rows predicted as this class, the share that is of it. */
    readonly precision: number
    /** Of the rows of this class, the share predicted as it. */
    readonly recall: number
    /** Harmonic mean of the two: `2 · right / (rows + predicted)`. */
    readonly f1: number
  }[]
  readonly rows: number
  readonly accuracy: number
}

/** Counts predictions against labels, both class indices. Throws a RangeError for an index that is no class. */
export function confusionOf(
  labels: ArrayLike<number>,
  predicted: ArrayLike<number>,
  classes: readonly string[],
): Confusion {
  const k = classes.length
  const counts = new Uint32Array(k * k)
  for (let i = 0; i < labels.length; i++) {
    if (!(labels[i]! >= 0 && labels[i]! < k && predicted[i]! >= 0 && predicted[i]! < k))
      throw new RangeError(`expected class indices below ${k}, got ${labels[i]} and ${predicted[i]}`)
    counts[labels[i]! * k + predicted[i]!]!++
  }
  const sum = (index: (j: number) => number): number => {
    let total = 0
    for (let j = 0; j < k; j++) total += counts[index(j)]!
    return total
  }
  const perClass = classes.map((_, c) => {
    const [right, rows, called] = [counts[c * k + c]!, sum((j) => c * k + j), sum((j) => j * k + c)]
    return { rows, precision: right / called, recall: right / rows, f1: (2 * right) / (rows + called) }
  })
  return { classes, counts, perClass, rows: labels.length, accuracy: sum((c) => c * k + c) / labels.length }
}

export interface ConfusionOptions {
  readonly title?: string
}

const MARGIN = 20
/** The longest class name that is written out, in pixels. */
const NAME = 150
const COLUMN = 62

/**
 * The matrix of counts, true classes down and predicted ones across, each row shaded by its shares; precision, recall
 * and F1 of each class beside it. With many classes the cells shrink: first the counts go, then every other name.
 */
export async function confusionFigure(confusion: Confusion, { title }: ConfusionOptions = {}): Promise<string> {
  const { classes, counts, perClass } = confusion
  const k = classes.length
  const cell = k <= 12 ? 46 : k <= 24 ? 34 : Math.max(2, Math.min(22, Math.floor(1000 / k)))
  const size = Math.max(7, Math.min(theme.sizes.text, cell - 1))
  const step = Math.max(1, Math.ceil(8 / cell))
  const names = classes.map((name) => fitted(name, NAME, size))
  const nameWidth = Math.max(...names.map((name) => textWidth(name, size)))
  const isSlanted = Math.max(...names.map((name) => textWidth(name, size))) > cell - 4
  const angle = cell >= 20 ? -45 : -90
  const rise = !isSlanted ? size : angle === -90 ? nameWidth : nameWidth * Math.SQRT1_2 + size
  const { sizes, muted } = theme

  const heading = title ?? `Accuracy ${percent(confusion.accuracy)} on ${confusion.rows.toLocaleString('en')} rows`
  const x = MARGIN + 22 + nameWidth + 8
  const y = MARGIN + sizes.title + 18 + 16 + rise + 8
  const [width, height] = [k * cell, k * cell]
  const middle = (i: number): number => (i + 0.5) * cell
  const columns = ['precision', 'recall', 'F1', 'rows']
  const shown = classes.map((_, c) => c).filter((c) => c % step === 0)
  const parts = [
    text(MARGIN, MARGIN + sizes.title - 2, heading, { size: sizes.title, bold: true }),
    text(x + width / 2, MARGIN + sizes.title + 24, 'predicted class', { anchor: 'middle', fill: muted }),
    text(MARGIN + 10, y + height / 2, 'true class', { anchor: 'middle', fill: muted, rotate: -90 }),
    ...shown.flatMap((c) => [
      text(x - 8, y + middle(c) + size / 2.8, names[c]!, { size, anchor: 'end' }),
      isSlanted
        ? text(x + middle(c) + (angle === -90 ? size / 2.8 : 0), y - 7, names[c]!, { size, rotate: angle })
        : text(x + middle(c), y - 7, names[c]!, { size, anchor: 'middle' }),
    ]),
    await heatmap(
      {
        rows: k,
        columns: k,
        shares: Float64Array.from(counts, (count, i) => count / perClass[Math.floor(i / k)]!.rows),
        ...(cell >= 30 && {
          textOf: (row, column) => counts[row * k + column]!.toLocaleString('en').replace(/^0$/, ''),
        }),
      },
      x,
      y,
      cell,
    ),
    ...columns.map((name, i) => text(x + width + 4 + (i + 1) * COLUMN, y - 7, name, { anchor: 'end', fill: muted })),
    ...shown.flatMap((c) => {
      const { precision, recall, f1, rows } = perClass[c]!
      const cells = [precision, recall, f1].map(percent).concat(rows.toLocaleString('en'))
      return cells.map((words, i) =>
        text(x + width + 4 + (i + 1) * COLUMN, y + middle(c) + size / 2.8, words, { size, anchor: 'end' }),
      )
    }),
  ]
  const foot = 'shaded by the share of the row'
  parts.push(text(x, y + height + 18, foot, { fill: muted, size: sizes.small }))
  const right = Math.max(
    x + width + 4 + columns.length * COLUMN,
    MARGIN + textWidth(heading, sizes.title * 1.1),
    isSlanted && angle === -45 ? x + width + nameWidth * Math.SQRT1_2 - cell / 2 : 0,
  )
  return drawing(right + MARGIN, y + height + 18 + MARGIN, `Confusion matrix. ${heading}`, parts)
}

function percent(share: number): string {
  return Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : '–'
}

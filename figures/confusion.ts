import { largest } from '../pipeline/base/largest.js'
import { counted } from '../pipeline/base/words.js'
import { heatmap } from './heatmap.js'
import { drawing, text } from './svg.js'
import { textWidth, theme, truncateText } from './theme.js'

/** The confusion matrix of a split. Shares with the denominator 0 are NaN, for example of a class never predicted. */
export interface Confusion {
  /** The names of the classes. */
  readonly classes: readonly string[]
  /** The numbers of rows, row-major `[true class, predicted class]`. */
  readonly counts: Uint32Array
  /** Numbers of each class, in the order of `classes`. */
  readonly perClass: readonly {
    /** The number of rows of the class. */
    readonly rows: number
    /** The share of the rows predicted as this class that are of it. */
    readonly precision: number
    /** The share of the rows of this class that are predicted as it. */
    readonly recall: number
    /** The harmonic mean of precision and recall: `2 · right / (rows + predicted)`. */
    readonly f1: number
  }[]
  /** The number of all rows. */
  readonly rows: number
  /** The share of the rows that are predicted as their class. */
  readonly accuracy: number
}

/** The counts of so many classes take 256 MB, and each is a pixel at least. */
const MOST_CLASSES = 8192

/**
 * Counts predictions against labels, both class indices. Throws a RangeError for an index that is no class, and for more
 * than 8,192 classes.
 */
export function confusionOf(
  labels: ArrayLike<number>,
  predicted: ArrayLike<number>,
  classes: readonly string[],
): Confusion {
  const k = classes.length
  if (k > MOST_CLASSES)
    throw new RangeError(
      `${k} classes: a confusion matrix has ${MOST_CLASSES} at most, with ${MOST_CLASSES ** 2} counts`,
    )
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

/** How to draw a confusion matrix. */
export interface ConfusionOptions {
  /** The title. Default: the accuracy and the number of rows. */
  readonly title?: string
}

const MARGIN = 20
/** The width in pixels beyond which class names are cut. */
const NAME = 150
const COLUMN = 62

/**
 * Draws a confusion matrix as SVG: true classes down, predicted classes across, each row shaded by its shares, with
 * precision, recall and F1 of each class beside it. With many classes the cells are small: then the counts are left
 * out, and names, too.
 */
export async function confusionFigure(confusion: Confusion, { title }: ConfusionOptions = {}): Promise<string> {
  const { classes, counts, perClass } = confusion
  const k = classes.length
  const cell = k <= 12 ? 46 : k <= 24 ? 34 : Math.max(2, Math.min(22, Math.floor(1000 / k)))
  const size = Math.max(7, Math.min(theme.sizes.text, cell - 1))
  const step = Math.max(1, Math.ceil(8 / cell))
  const names = classes.map((name) => truncateText(name, NAME, size))
  const nameWidth = largest(names.map((name) => textWidth(name, size)))
  const isSlanted = nameWidth > cell - 4
  const angle = cell >= 20 ? -45 : -90
  const rise = !isSlanted ? size : angle === -90 ? nameWidth : nameWidth * Math.SQRT1_2 + size
  const { sizes, muted } = theme

  const heading =
    title ??
    `Accuracy ${percent(confusion.accuracy)} on ${counted(confusion.rows, 'row', confusion.rows.toLocaleString('en'))}`
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

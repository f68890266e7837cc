import { counted, listed, someOf } from '../../../pipeline/stage-kit.js'
import { asKey } from './column-cells.js'
import type { FeatureRange } from './column-remarks.js'
import { MOST_OFFSET } from './options.js'

/** Columns that a note names. */
const MOST_TOLD = 5

/** A feature of which a file has numbers that lose digits as float32. */
interface Lossy {
  readonly path: string
  readonly changed: number
}

/** A feature whose numbers keep their digits if a number is subtracted before they become float32. */
export interface Offset {
  /** The index of the feature. */
  readonly feature: number
  /** The name or the index of its column. */
  readonly title: string
  /** What is subtracted. */
  readonly offset: number
}

/** Finds the columns of all files whose numbers lose digits as float32, and what to subtract from them first. */
export class LostDigits {
  private readonly ranges: { min: number; max: number }[] = []
  private readonly lossy = new Map<number, Lossy>()

  /** Takes what the remarks have found in a file. */
  add(path: string, found: readonly FeatureRange[]): void {
    for (const [j, { min, max, changed }] of found.entries()) {
      const known = this.ranges[j]
      this.ranges[j] = known ? { min: Math.min(known.min, min), max: Math.max(known.max, max) } : { min, max }
      if (changed !== undefined && !this.lossy.has(j)) this.lossy.set(j, { path, changed })
    }
  }

  /**
   * The features to which an offset gives their digits back: numbers that lie close together, far from 0.
   *
   * @param canHave whether a feature may get an offset
   */
  offsets(titleOf: (feature: number) => string, canHave: (feature: number) => boolean): Offset[] {
    return [...this.lossy.keys()].flatMap((feature) => {
      const { min, max } = this.ranges[feature]!
      const size = Math.max(Math.abs(min), Math.abs(max))
      const helps = canHave(feature) && size <= MOST_OFFSET && size >= 2 * (max - min)
      return helps ? [{ feature, title: titleOf(feature), offset: min }] : []
    })
  }

  /** A note on features that get offsets; undefined if there are none. */
  noteOn(offsets: readonly Offset[]): string | undefined {
    const [first] = offsets
    if (!first) return undefined
    const { path, changed } = this.lossy.get(first.feature)!
    const list = listed(
      offsets
        .slice(0, MOST_TOLD)
        .map(({ title, offset }) => (offset < 0 ? `${title} + ${-offset}` : `${title} − ${offset}`)),
      'and',
    )
    const others = offsets.length > MOST_TOLD ? `, and so on for ${offsets.length} columns` : ''
    return (
      `${path}: features are ${list}${others}, in float64, because float32 would lose digits: ` +
      `${changed} would become ${Math.fround(changed)}; the model does the same to new rows`
    )
  }

  /** A note on features that lose digits and get no offset, because they have no columns of their own; undefined if there are none. */
  noteOnArrays(): string | undefined {
    const [first] = this.lossy
    if (!first) return undefined
    const [feature, { path, changed }] = first
    const loses = this.lossy.size === 1 ? 'loses' : 'lose'
    return (
      `${path}: ${this.lossy.size} of ${counted(this.ranges.length, 'feature')} ${loses} digits, because features are float32: ` +
      `in feature ${feature}, ${changed} becomes ${Math.fround(changed)}; subtract a number near them, such as ` +
      `${this.ranges[feature]!.min}, in float64 before they are saved`
    )
  }

  /**
   * A note on the other features that lose digits; undefined if there are none.
   *
   * @param offsetOf what was subtracted from a feature already
   */
  noteOnOthers(
    offsets: readonly Offset[],
    titleOf: (feature: number) => string,
    offsetOf: (feature: number) => number,
  ): string | undefined {
    const found = [...this.lossy.keys()].filter((j) => !offsets.some(({ feature }) => feature === j))
    const [first] = found
    if (first === undefined) return undefined
    const { path, changed } = this.lossy.get(first)!
    const [columns, loses] = found.length === 1 ? ['column', 'loses'] : ['columns', 'lose']
    const offset = offsetOf(first)
    const [whole, title] = [changed + offset, titleOf(first)]
    return (
      `${path}: the ${columns} ${someOf(found.map(titleOf))} ${loses} digits, because features are float32: ` +
      `${whole} becomes ${Math.fround(changed) + offset}; offsets: { ${asKey(title)}: ${whole} } subtracts a number from ${title} before that, ` +
      `or leave the ${columns} out with drop`
    )
  }
}

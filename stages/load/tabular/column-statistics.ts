import { PipelineError } from '../../../pipeline/stage-kit.js'

/** A statistic that missing cells may be filled with. */
export type Statistic = 'mean' | 'median' | 'mode'

/** Most different values of a column whose mode is sought. */
const MOST_VALUES = 1 << 20

/**
 * A statistic of numbers that pass one by one, once or twice.
 *
 * The median is the middle of the sorted values; the mean of the two in the middle if their number is even. It is found without
 * sorting: by the first 16 bits of the float32 numbers, then by the others. The mode is the smallest of the most frequent values.
 */
export class ColumnStatistic {
  /** How often the numbers have to pass. */
  readonly passes: number
  private readonly name: Statistic
  private count = 0
  private sum = 0
  private readonly counts = new Map<number, number>()
  /** How many numbers have these first 16 bits. */
  private readonly high = new Uint32Array(0)
  /** The two values in the middle, which may be one. */
  private middle: Ranked[] | undefined

  constructor(name: Statistic) {
    this.name = name
    this.passes = name === 'median' ? 2 : 1
    if (name === 'median') this.high = new Uint32Array(1 << 16)
  }

  /** Takes a number. */
  take(value: number, pass: number): void {
    if (pass === 0) this.count++
    if (this.name === 'median') this.takeForMedian(value, pass)
    else if (this.name === 'mean') this.sum += value
    else if (this.counts.size <= MOST_VALUES) this.counts.set(value, (this.counts.get(value) ?? 0) + 1)
  }

  /**
   * The statistic; undefined if no number passed. Throws a PipelineError `DATA` if there are too many different values for the
   * mode.
   *
   * @param title names the column, for the message
   */
  value(title: string): number | undefined {
    if (this.count === 0) return undefined
    if (this.name === 'mean') return this.sum / this.count
    if (this.name === 'mode') return this.mode(title)
    const [lower, upper = lower] = this.middle!.map(rankedValue)
    return (lower! + upper!) / 2
  }

  private takeForMedian(value: number, pass: number): void {
    const order = orderOf(value)
    if (pass === 0) {
      this.high[order >>> 16]!++
      return
    }
    this.middle ??= this.middleBins()
    for (const { bin, low } of this.middle) if (order >>> 16 === bin) low[order & 0xffff]!++
  }

  private middleBins(): Ranked[] {
    const { count } = this
    const ranks = [Math.floor((count - 1) / 2), ...(count % 2 === 1 ? [] : [count / 2])]
    return ranks.map((rank) => {
      const [bin, left] = binOf(this.high, rank)
      return { bin, left, low: new Uint32Array(1 << 16) }
    })
  }

  private mode(title: string): number | undefined {
    if (this.counts.size > MOST_VALUES)
      throw new PipelineError('DATA', `${title}: more than ${MOST_VALUES} different values; take missing: median`)
    let best: number | undefined
    for (const [value, count] of this.counts) {
      const most = best === undefined ? 0 : this.counts.get(best)!
      if (count > most || (count === most && value < best!)) best = value
    }
    return best
  }
}

/** A value that is sought by its rank. */
interface Ranked {
  /** Its first 16 bits. */
  readonly bin: number
  /** Its rank among the values of this bin. */
  readonly left: number
  /** How many values of this bin have these last 16 bits. */
  readonly low: Uint32Array
}

function rankedValue({ bin, left, low }: Ranked): number {
  const [second] = binOf(low, left)
  return numberAt(((bin << 16) | second) >>> 0)
}

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** A whole number that is in the order of the float32 numbers: the sign bit is turned, and all bits of negative ones. */
function orderOf(value: number): number {
  float[0] = value
  const pattern = bits[0]!
  return (pattern & 0x80000000 ? ~pattern : pattern | 0x80000000) >>> 0
}

function numberAt(order: number): number {
  bits[0] = order & 0x80000000 ? order & 0x7fffffff : ~order
  return float[0]!
}

/** The bin in which a rank lies, and its rank inside. */
function binOf(bins: Uint32Array, rank: number): [bin: number, rank: number] {
  let left = rank
  let bin = 0
  while (left >= bins[bin]!) left -= bins[bin++]!
  return [bin, left]
}

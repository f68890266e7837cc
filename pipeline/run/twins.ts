import { performance } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Table } from 'apache-arrow'
import { hashOfNumbers } from '../base/hash.js'
import { kernelRows, splitOf } from '../wires/examples.js'
import type { ExampleRows } from '../wires/per-row.js'

/** The most rows that are compared, and the most bytes of features that are kept for it. More are only sampled. */
const MOST = { rows: 1 << 21, bytes: 1 << 30 }

/** Features of a row that are hashed at first, spread over the row. Only rows that agree in them are hashed whole. */
const FIRST_LOOK = 64

/** Milliseconds that the search takes at a time, so that the event loop is not blocked. */
const SLICE = 5

/** One table that arrived: its rows, its split, and the number of its first row among all rows. */
interface Piece {
  readonly rows: ExampleRows
  readonly split: number
  readonly first: number
  readonly width: number
}

/**
 * Finds rows with equal features in different splits: a model that has seen a test row in training is tested on what it
 * remembers. Memory is bounded; beyond the bound, rows are sampled by the hash of their features, so that equal rows are
 * both in the sample or both left out (P. Gibbons, Distinct sampling for highly-accurate answers, VLDB 2001).
 */
export class Twins {
  private readonly splits: string[] = []
  private readonly pieces: Piece[] = []
  private readonly mostRows: number
  private rows = 0
  private bytes = 0
  private isCut = false

  /** @param mostRows the most rows that are compared */
  constructor(mostRows = MOST.rows) {
    this.mostRows = mostRows
  }

  /** Takes the rows of a table. They are kept, by reference, until `find` has ended. */
  add(table: Table): void {
    const name = splitOf(table)
    if (!this.splits.includes(name)) this.splits.push(name)
    const rows = kernelRows(table)
    const count = rows.labels.length
    if (count === 0) return
    this.bytes += rows.values.byteLength
    if (this.bytes > MOST.bytes) {
      this.isCut = true
      return
    }
    const width = rows.values.length / count
    this.pieces.push({ rows, split: this.splits.indexOf(name), first: this.rows, width })
    this.rows += count
  }

  /** Returns what the user should know, a sentence for each pair of splits that share rows. Ends early after `signal`. */
  async find(signal?: AbortSignal): Promise<string[]> {
    if (this.splits.length < 2 || this.rows === 0) return []
    const every = Math.ceil(this.rows / this.mostRows)
    const breathe = breather(signal)
    const chains = await this.chained(every, breathe)
    const found = await this.counted(chains, breathe)
    this.pieces.length = 0
    const note = [
      ...(every > 1 ? [`in a sample of one row in ${every}`] : []),
      ...(this.isCut ? [`among the first ${this.rows} rows`] : []),
    ].join(', ')
    return [...found.values()].map(({ split, other, rows, relabelled, of }) => {
      const are = rows === 1 ? 'is' : 'are'
      const have = relabelled === 1 ? 'has' : 'have'
      const also = `${rows} of ${of} rows of ${split} ${are} in ${other} too, with equal features`
      return `${also}${relabelled > 0 ? `; ${relabelled} of them ${have} another label there` : ''}${note && ` (${note})`}`
    })
  }

  /** The rows that agree at a first look, by the hash of it. */
  private async chained(every: number, breathe: () => Promise<void> | undefined): Promise<Map<number, number[]>> {
    // A map from each hash to its first row, and lists only for hashes that occur again: most rows are alone.
    const first = new HashTable(Math.min(this.rows, 2 * this.mostRows))
    const chains = new Map<number, number[]>()
    for (const { rows, first: start, width } of this.pieces) {
      const step = Math.max(1, Math.floor(width / FIRST_LOOK))
      for (let i = 0; i < rows.labels.length; i++) {
        if (i % 64 === 0) await breathe()
        const hash = hashOfNumbers(rows.values, i * width, (i + 1) * width, 0, step)
        if (every > 1 && hash % every !== 0) continue
        const before = first.put(hash, start + i)
        if (before < 0) continue
        const chain = chains.get(hash)
        if (chain) chain.push(start + i)
        else chains.set(hash, [before, start + i])
      }
    }
    return chains
  }

  private async counted(chains: ReadonlyMap<number, number[]>, breathe: () => Promise<void> | undefined) {
    const found = new Map<
      string,
      { split: string; other: string; rows: number; relabelled: number; readonly of: number }
    >()
    const sizes = this.splits.map((_, split) =>
      this.pieces.reduce((sum, piece) => sum + (piece.split === split ? piece.rows.labels.length : 0), 0),
    )
    for (const chain of chains.values()) {
      await breathe()
      if (new Set(chain.map((row) => this.pieceOf(row).split)).size < 2) continue
      const equal = new Map<number, { readonly piece: Piece; readonly label: number }[]>()
      for (const row of chain) {
        await breathe()
        const piece = this.pieceOf(row)
        const { rows, width, first } = piece
        const i = row - first
        const hash = hashOfNumbers(rows.values, i * width, (i + 1) * width, 1)
        const label = rows.labels[i]!
        const group = equal.get(hash)
        if (!group) {
          equal.set(hash, [{ piece, label }])
          continue
        }
        const other = group.find((each) => each.piece.split !== piece.split)
        // One of each split and label is enough to compare others with.
        if (!group.some((each) => each.piece.split === piece.split && each.label === label))
          group.push({ piece, label })
        if (!other) continue
        const names = [this.splits[piece.split]!, this.splits[other.piece.split]!] as const
        const key = JSON.stringify(names)
        const pair = found.get(key) ?? {
          split: names[0],
          other: names[1],
          rows: 0,
          relabelled: 0,
          of: sizes[piece.split]!,
        }
        pair.rows++
        if (label >= 0 && other.label >= 0 && label !== other.label) pair.relabelled++
        found.set(key, pair)
      }
    }
    return found
  }

  private pieceOf(row: number): Piece {
    let [low, high] = [0, this.pieces.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.pieces[middle]!.first <= row) low = middle
      else high = middle - 1
    }
    return this.pieces[low]!
  }
}

/** Maps hashes to rows: an open table in typed arrays, which takes a fifth of the memory of a Map. */
class HashTable {
  private readonly hashes: Float64Array
  private readonly rows: Int32Array
  private readonly mask: number

  constructor(rows: number) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(4, 2 * rows)))
    this.hashes = new Float64Array(size)
    this.rows = new Int32Array(size).fill(-1)
    this.mask = size - 1
  }

  /** Returns the first row with this hash, or -1 after it has put this one there. */
  put(hash: number, row: number): number {
    let at = (hash >>> 0) & this.mask
    while (this.rows[at]! >= 0) {
      if (this.hashes[at] === hash) return this.rows[at]!
      at = (at + 1) & this.mask
    }
    this.hashes[at] = hash
    this.rows[at] = row
    return -1
  }
}

function breather(signal?: AbortSignal): () => Promise<void> | undefined {
  let until = performance.now() + SLICE
  return () => {
    if (performance.now() < until) return undefined
    return nextTurn().then(() => {
      signal?.throwIfAborted()
      until = performance.now() + SLICE
    })
  }
}

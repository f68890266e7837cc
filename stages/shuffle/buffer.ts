import type { Table } from 'apache-arrow'
import { defer, type OperatorFunction } from 'rxjs'
import {
  copyPerRow,
  defineStage,
  type ExampleRows,
  endsEpoch,
  examplesTable,
  fieldsOf,
  kernelRows,
  layoutOf,
  newPerRow,
  type Position,
  perRowColumns,
  perRowOf,
  positionOf,
  type Random,
  type StageContext,
  sharedMemory,
  splitOf,
  widthOf,
  wire,
  withOrigin,
  z,
} from '../../pipeline/stage-kit.js'
import { lookingAt } from './sorted.js'

/**
 * Mixes rows as they come: a buffer holds `size` rows, each row of a batch takes the place of a random one of them, which goes
 * into the batch instead. At the end of the epoch the buffer is emptied in random order. Batches keep their sizes, and an epoch
 * has all its rows once.
 *
 * A row that arrives is not emitted before those in front of it have filled the buffer, so rows move forward by `size` at most. Use
 * it for splits that do not fit into memory and are not sorted by label; `docs/data.md` says how well it mixes.
 */
export const buffer = defineStage({
  name: 'shuffle/buffer',
  summary: 'Mixes rows in a buffer of a fixed number of rows as they come.',
  options: z.strictObject({ size: z.int().min(2).describe('Rows in the buffer.') }),
  inputs: { batches: wire.batch },
  outputs: { batches: wire.batch },
  example: '- id: shuffle\n  use: shuffle/buffer\n  with: { size: 10000 }',
  holds: 'a copy of `size` rows',
  asks: () => ({ batches: { borrowed: true } }),
  run:
    ({ size }, context) =>
    (batches) =>
      batches.pipe(
        mixed(size, context),
        lookingAt(context, (look) => look.hardlyMixed(size)),
      ),
})

function mixed(size: number, context: StageContext): OperatorFunction<Table, Table> {
  return (batches) =>
    defer(() => {
      let epoch: Epoch | undefined
      let isTaken = false
      return batches.pipe(
        context.flow.concatMap((batch) => {
          const position = positionOf(batch)
          // The first batch of a resumed run is of a later epoch.
          if (!isTaken)
            context.memory.take(
              size * bytesOfRow(batch),
              'the rows of the buffer',
              'give a smaller size, or raise memory (--memory)',
            )
          isTaken = true
          epoch ??= new Epoch(size, batch, context.random('buffer', position.epoch))
          const ready = epoch.take(batch)
          if (!endsEpoch(position)) return ready
          const last = epoch.rest()
          epoch = undefined
          return context.flow.pull(inTurn(ready, last))
        }),
      )
    })
}

function* inTurn(...all: Iterable<Table>[]): Generator<Table> {
  for (const tables of all) yield* tables
}

/** A batch without its rows. */
interface Empty {
  readonly fields: ReturnType<typeof fieldsOf>
  readonly split: string
  readonly position: Position
  readonly count: number
}

/** The buffer during one epoch, and the batches that are yet to be filled. */
class Epoch {
  private readonly size: number
  private readonly random: Random
  private readonly width: number
  private readonly first: ExampleRows
  private readonly held: ExampleRows
  /** Whether all rows so far are views of the memory of the first. */
  private isOneMemory: boolean
  private filled = 0
  /** Batches whose rows have not been drawn yet. */
  private readonly waiting: Empty[] = []
  private open: (Empty & { readonly rows: ExampleRows; at: number }) | undefined

  constructor(size: number, like: Table, random: Random) {
    this.size = size
    this.random = random
    this.width = widthOf(layoutOf(like).shape)
    this.first = kernelRows(like)
    const memory = sharedMemory([this.first], this.width)
    this.isOneMemory = memory !== undefined
    const origin = memory && { values: memory.values, rows: new Uint32Array(0) }
    this.held = roomFor(size, this.width, { ...this.first, origin })
  }

  /** Takes the rows of a batch. Returns the batches that are full now. */
  take(batch: Table): Table[] {
    this.waiting.push({
      fields: fieldsOf(batch),
      split: splitOf(batch),
      position: positionOf(batch),
      count: batch.numRows,
    })
    const rows = this.placed(kernelRows(batch))
    const ready: Table[] = []
    for (let i = 0; i < rows.labels.length; i++) {
      if (this.filled < this.size) this.copy(rows, i, this.held, this.filled++)
      else {
        const place = this.random.below(this.size)
        ready.push(...this.emit(place))
        this.copy(rows, i, this.held, place)
      }
    }
    return ready
  }

  /** Adds to rows where they lie in the memory of all. */
  private placed(rows: ExampleRows): ExampleRows {
    if (!this.isOneMemory) return rows
    const memory = sharedMemory([this.first, rows], this.width)
    this.isOneMemory = memory !== undefined
    if (!memory) return rows
    const first = memory.firsts[1]!
    return { ...rows, origin: { values: memory.values, rows: Uint32Array.from(rows.labels, (_, i) => first + i) } }
  }

  /** Empties the buffer. */
  *rest(): Generator<Table> {
    while (this.filled > 0) {
      const place = this.random.below(this.filled)
      yield* this.emit(place)
      this.copy(this.held, --this.filled, this.held, place)
    }
  }

  /** Puts a row of the buffer into the batch that is being filled. Returns the batch if it is full. */
  private emit(place: number): Table[] {
    if (!this.open) {
      const empty = this.waiting.shift()!
      this.open = { ...empty, rows: roomFor(empty.count, this.width, this.held), at: 0 }
    }
    const { rows, fields, split, position } = this.open
    this.copy(this.held, place, rows, this.open.at++)
    if (this.open.at < rows.labels.length) return []
    this.open = undefined
    const table = examplesTable(fields, rows.values, rows.labels, split, position, undefined, perRowOf(rows))
    return [this.isOneMemory ? withOrigin(table, rows.origin) : table]
  }

  private copy(from: ExampleRows, i: number, to: ExampleRows, at: number): void {
    const { width } = this
    to.values.set(from.values.subarray(i * width, (i + 1) * width), at * width)
    to.labels[at] = from.labels[i]!
    if (from.origin && to.origin) to.origin.rows[at] = from.origin.rows[i]!
    copyPerRow(from, i, to, at)
  }
}

function bytesOfRow(batch: Table): number {
  const rows = kernelRows(batch)
  return widthOf(layoutOf(batch).shape) * rows.values.BYTES_PER_ELEMENT + 4 + 4 * perRowColumns(rows).length
}

/** Memory for rows of the kind of others. */
function roomFor(count: number, width: number, like: ExampleRows): ExampleRows {
  const values = like.values instanceof Uint8Array ? new Uint8Array(count * width) : new Float32Array(count * width)
  const origin = like.origin && { ...like.origin, rows: new Uint32Array(count) }
  return { values, labels: new Int32Array(count), origin, ...newPerRow(count, perRowColumns(like)) }
}

import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { basename } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Field, Table } from 'apache-arrow'
import { widthOf } from '../../kernels/network-shape.js'
import { PipelineError } from '../base/errors.js'
import type { StageContext } from '../stage/context.js'
import { turn } from '../stage/turn.js'
import { ArrowFileBytes } from '../wires/arrow-internals.js'
import { countsOf, examplesTable, fieldsOf, kernelRows, layoutOf, splitOf } from '../wires/examples.js'
import { newPerRow, type PerRow, type PerRowName, perRowColumns, slicePerRow } from '../wires/per-row.js'
import type { RowFile, RowFileBlock } from './row-file.js'

/** Bytes of a record batch. */
const BLOCK = 4 << 20

/** Writes the rows of a split as an Arrow file of equal record batches, so that every row has an address. */
export class RowFileWriter {
  private readonly name: string
  private readonly file: string
  private readonly descriptor: number
  private readonly fields: [Field, Field]
  private readonly width: number
  private readonly perBlock: number
  private readonly perRow: PerRowName[]
  private readonly counts: number[]
  private readonly blocks: RowFileBlock[] = []
  private readonly arrow: ArrowFileBytes
  private readonly type: 'uint8' | 'float32'
  private values: Uint8Array | Float32Array
  private labels: Int32Array
  private rest: PerRow
  private filled = 0
  private rows = 0
  private bytes = 0
  /** The checksum of the bytes since the last batch. */
  private crc = 0
  private readonly isNamed: boolean
  private isOpen = true
  /** Where the memory of the batch that is being written begins in the file. */
  private readonly places = new Map<ArrayBufferLike, number>()

  /**
   * Throws the error of the system if there is such a file, or it cannot be made.
   *
   * @param like the first table of the split
   * @param perBlock rows of a record batch; default: those of 4 MiB
   * @param nameless the open file, if its name is gone; it stays open
   */
  constructor(path: string, like: Table, perBlock?: number, nameless?: number) {
    const rows = kernelRows(like)
    this.name = splitOf(like)
    this.file = basename(path)
    this.fields = fieldsOf(like)
    this.width = widthOf(layoutOf(like).shape)
    this.type = rows.values instanceof Uint8Array ? 'uint8' : 'float32'
    this.perRow = perRowColumns(rows)
    const bytes = this.width * (this.type === 'uint8' ? 1 : 4) + 4 + 4 * this.perRow.length
    this.perBlock = perBlock ?? Math.max(1, Math.floor(BLOCK / bytes))
    this.counts = layoutOf(like).classes.map(() => 0)
    this.isNamed = nameless === undefined
    this.descriptor = nameless ?? openSync(path, 'wx')
    this.arrow = new ArrowFileBytes((bytes) => this.append(bytes))
    ;[this.values, this.labels, this.rest] = this.room()
  }

  /** Adds the rows of a table. Throws a PipelineError `DATA` if its rows are not as those before. */
  async add(table: Table, context: StageContext): Promise<void> {
    const rows = kernelRows(table)
    const { values, labels } = rows
    if (values.constructor !== this.values.constructor || values.length !== labels.length * this.width)
      throw new PipelineError('DATA', `the tables of the split "${this.name}" have different features`)
    for (const [c, count] of countsOf([labels], this.counts.length).entries()) this.counts[c]! += count
    for (let from = 0; from < labels.length; ) {
      const to = Math.min(labels.length, from + this.perBlock - this.filled)
      this.values.set(values.subarray(from * this.width, to * this.width), this.filled * this.width)
      this.labels.set(labels.subarray(from, to), this.filled)
      if (this.rest.row) this.rest.row.set(rows.row!.subarray(from, to), this.filled)
      if (this.rest.weight) this.rest.weight.set(rows.weight!.subarray(from, to), this.filled)
      this.filled += to - from
      from = to
      if (this.filled === this.perBlock) this.flush()
      await turn(context)
    }
  }

  /** Writes what is left. Returns what a reader must know of the file. */
  finish(): RowFile {
    if (this.filled > 0 || this.rows === 0) this.flush()
    this.arrow.finish()
    if (this.isNamed) {
      fsyncSync(this.descriptor)
      this.close()
    }
    const { name, file, bytes, rows, width, type, perRow, counts, perBlock, blocks, crc } = this
    return { name, file, bytes, rows, width, type, perRow, counts, perBlock, blocks, crc }
  }

  /** Closes the file, if it is open and has a name. */
  close(): void {
    if (!this.isNamed || !this.isOpen) return
    this.isOpen = false
    closeSync(this.descriptor)
  }

  private room(): [Uint8Array | Float32Array, Int32Array, PerRow] {
    const size = this.perBlock * this.width
    const values = this.type === 'uint8' ? new Uint8Array(size) : new Float32Array(size)
    return [values, new Int32Array(this.perBlock), newPerRow(this.perBlock, this.perRow)]
  }

  private flush(): void {
    const { filled } = this
    const values = this.values.subarray(0, filled * this.width)
    const rest = slicePerRow(this.rest, 0, filled)
    const perRow = this.perRow.length > 0 ? rest : undefined
    this.places.clear()
    const table = examplesTable(
      this.fields,
      values,
      this.labels.subarray(0, filled),
      this.name,
      undefined,
      undefined,
      perRow,
    )
    for (const batch of table.batches) this.arrow.write(batch)
    const at = (array: { buffer: ArrayBufferLike } | undefined): number => (array && this.places.get(array.buffer)) ?? 0
    this.blocks.push({
      values: at(this.values),
      labels: at(this.labels),
      ...(rest.row && { row: at(rest.row) }),
      ...(rest.weight && { weight: at(rest.weight) }),
      end: this.bytes,
      crc: this.crc,
    })
    this.crc = 0
    this.rows += filled
    this.filled = 0
  }

  private append(bytes: Uint8Array): void {
    if (bytes.length > 0 && bytes.byteOffset === 0 && !this.places.has(bytes.buffer))
      this.places.set(bytes.buffer, this.bytes)
    this.crc = crc32(bytes, this.crc)
    for (let at = 0; at < bytes.length; ) at += writeSync(this.descriptor, bytes, at)
    this.bytes += bytes.length
  }
}

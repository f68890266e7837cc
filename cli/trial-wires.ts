import type { Table } from 'apache-arrow'
import { tap } from 'rxjs'
import { widthOf } from '../kernels/network-shape.js'
import type { Pipeline } from '../pipeline/graph/pipeline.js'
import type { Ports } from '../pipeline/stage/port.js'
import { layoutOf } from '../pipeline/wires/examples.js'
import { changing } from './trial.js'

/** What passed a wire. */
export interface SeenWire {
  /** The id of the stage that emits. */
  readonly stage: string
  /** Its output. */
  readonly port: string
  /** The type of its tables. */
  readonly type: string
  /** The number of tables. */
  tables: number
  /** The rows of all tables; of parameters and metrics, 0. */
  rows: number
  /** The most rows of one table. */
  rowsPerTable: number
  /** The number of features of a row; undefined if rows are no examples. */
  width: number | undefined
  /** The bytes of the largest table. Tables may share them with those of other wires; rows that are read from a file take none. */
  bytes: number
}

/** Returns a pipeline that counts what passes its wires, and the function that tells it. */
export function watchingWires(given: Pipeline): { readonly pipeline: Pipeline; readonly wires: () => SeenWire[] } {
  const seen: SeenWire[] = []
  let pipeline = given
  for (const node of given.graph.nodes) {
    const ports = node.stage.outputs as Ports
    if (Object.keys(ports).length === 0) continue
    const byPort = new Map(
      Object.entries(ports).map(([port, { type }]): [string, SeenWire] => [
        port,
        { stage: node.id, port, type, tables: 0, rows: 0, rowsPerTable: 0, width: undefined, bytes: 0 },
      ]),
    )
    seen.push(...byPort.values())
    pipeline = changing(pipeline, node, (wire, port) => wire.pipe(tap((table) => count(byPort.get(port)!, table))))
  }
  return { pipeline, wires: () => seen }
}

function count(wire: SeenWire, table: Table): void {
  wire.tables++
  wire.bytes = Math.max(
    wire.bytes,
    table.batches.reduce((sum, { data }) => sum + data.byteLength, 0),
  )
  if (wire.type === 'parameters' || wire.type === 'metrics') return
  wire.rows += table.numRows
  wire.rowsPerTable = Math.max(wire.rowsPerTable, table.numRows)
  if (wire.type === 'examples' || wire.type === 'batch') wire.width ??= widthOf(layoutOf(table).shape)
}

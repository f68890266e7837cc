import { existsSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type RecordBatch, tableFromIPC } from 'apache-arrow'
import { Pipeline, start } from '../index.js'
import { PipelineError } from '../pipeline/base/errors.js'
import { cutName, listed, shortPath } from '../pipeline/base/words.js'
import { batchesOf } from '../pipeline/formats/ipc-batches.js'
import type { Node } from '../pipeline/graph/node.js'
import { askRun } from '../pipeline/live/client.js'
import { wireId } from '../pipeline/live/observer.js'
import { unknownWire } from '../pipeline/live/wire-taps.js'
import { positioned } from '../pipeline/wires/positioned.js'
import { type ReadingFlags, readOptions } from './options.js'
import { upTo } from './part-of-pipeline.js'
import { type TableSink, tableSink } from './table-sink.js'
import { interruption, type Output } from './terminal.js'

/** The flags of `millrace tap`. */
export interface TapFlags extends ReadingFlags {
  /** The wire: `model.parameters`, or `model`. */
  readonly wire: string
  /** Number of tables. */
  readonly tables: number
  /** The form of the tables. */
  readonly format: 'table' | 'json' | 'arrow'
  /** The file to write. */
  readonly out?: string
  /** Replaces the file of `out`. */
  readonly force?: boolean
}

/**
 * `millrace tap`: shows tables of a wire of a running run, of a pipeline, or of what a finished run recorded. Throws a
 * PipelineError `ARGUMENTS` if there is no such wire, or if it was not recorded.
 */
export async function tapCommand(target: string, flags: TapFlags, output: Output): Promise<void> {
  const { wire, tables: n } = flags
  const sink = tableSink(flags, output)
  const stop = interruption(output)
  try {
    const isRun = existsSync(join(target, 'run.json'))
    const count = !isRun
      ? await tapPipeline(await Pipeline.load(target, readOptions(flags)), flags, sink, stop.signal)
      : ((await tapRunning(resolve(target), flags, sink, stop.signal)) ??
        (await tapRecorded(resolve(target), flags, sink, stop.signal)))
    if (stop.signal.aborted) throw new PipelineError('ABORTED', `interrupted after ${count} of ${n} tables`)
    if (count < n)
      output.warn(
        `note: ${cutName(wire)} ended after ${count} ${count === 1 ? 'table' : 'tables'}, ${n} were asked for\n`,
      )
    sink.end()
  } finally {
    sink.close()
    stop.release()
  }
}

/** Taps a run under way through its socket. Returns the number of tables; undefined if no process runs it. */
async function tapRunning(
  directory: string,
  { wire, tables: n }: TapFlags,
  sink: TableSink,
  signal: AbortSignal,
): Promise<number | undefined> {
  const messages = await askRun(directory, { type: 'tap', wire, n }, signal)
  if (!messages) return undefined
  let count = 0
  let skipped = 0
  let name = wire
  let bytes = new Uint8Array()
  let filled = 0
  for await (const message of messages) {
    if (message.type === 'table') {
      bytes = new Uint8Array(message.bytes)
      filled = 0
      skipped = message.skipped
      name = message.wire
    } else if (message.type === 'bytes') {
      const piece = Buffer.from(message.data, 'base64')
      bytes.set(piece, filled)
      filled += piece.length
      if (filled < bytes.length) continue
      await sink.add(tableFromIPC(bytes).batches, { wire: name, index: count++, skipped })
    }
  }
  return count
}

/** Runs a pipeline up to the wire until enough tables have passed. Returns the number of tables. */
async function tapPipeline(
  whole: Pipeline,
  { wire, tables: n }: TapFlags,
  sink: TableSink,
  signal: AbortSignal,
): Promise<number> {
  const pipeline = whole.undivided()
  const { nodes } = pipeline.graph
  const node = nodes.find((each) => wiresOf(each).includes(wire) || (each.id === wire && wiresOf(each).length === 1))
  if (!node) throw unknownWire(wire, nodes.flatMap(wiresOf))
  const name = wire === node.id ? wiresOf(node)[0]! : wire
  const ending = new AbortController()
  const run = start(upTo(pipeline, node), { directory: false, signal: AbortSignal.any([signal, ending.signal]) })
  let count = 0
  const tapped = new Promise<void>((done, fail) => {
    run.wires
      .every(name, async (table) => {
        if (count >= n) return
        await sink.add(positioned(table), { wire: name, index: count++, skipped: 0 })
        if (count === n) ending.abort()
      })
      .subscribe({ error: fail, complete: done })
  })
  // An error of the sink ends the run.
  tapped.catch(() => ending.abort())
  try {
    await run.result
  } catch (error) {
    if (!ending.signal.aborted || signal.aborted) throw error
  }
  await tapped
  return count
}

function wiresOf({ id, stage }: Node): string[] {
  return Object.keys(stage.outputs).map((port) => wireId(id, port))
}

/** Shows what a run has recorded of a wire. Returns the number of tables. */
async function tapRecorded(directory: string, flags: TapFlags, sink: TableSink, signal: AbortSignal): Promise<number> {
  const { wire, tables: n } = flags
  const { graph } = await Pipeline.load(join(directory, 'pipeline.yaml'), readOptions(flags))
  const recorded = graph.nodes.flatMap(({ entry, options, inputs }) => {
    const [source] = inputs.values()
    if (entry.use !== 'sink/arrow' || !source) return []
    return [{ wire: wireId(source.id, source.port), stage: source.id, path: resolve(directory, String(options.path)) }]
  })
  const found = recorded.find((each) => each.wire === wire) ?? recorded.find(({ stage }) => stage === wire)
  if (!found) {
    const names = listed(recorded.map((each) => each.wire))
    throw new PipelineError(
      'ARGUMENTS',
      `${shortPath(directory)} is not running, and has no record of the wire "${cutName(wire)}"; ` +
        (names ? `expected ${names}` : 'it recorded no wire: sink/arrow does') +
        '. A pipeline can be tapped by running it: millrace tap PIPELINE',
    )
  }
  const file = await open(found.path)
  let count = 0
  try {
    for await (const read of batchesOf(file, statSync(found.path).size)) {
      if ('isCutOff' in read || count >= n || signal.aborted) break
      await sink.add([read.batch as RecordBatch], { wire: found.wire, index: count++, skipped: 0 })
    }
  } finally {
    await file.close()
  }
  return count
}

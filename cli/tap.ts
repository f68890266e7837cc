import { existsSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { RecordBatch, Table } from 'apache-arrow'
import { Pipeline, start } from '../index.js'
import { fileReason, messageOf, PipelineError } from '../pipeline/base/errors.js'
import { counted, cutName, listed, shortPath } from '../pipeline/base/words.js'
import { entryInside } from '../pipeline/files/inside.js'
import { openRegularFile } from '../pipeline/files/regular-file.js'
import { tableFromFile } from '../pipeline/formats/ipc.js'
import { batchesOf } from '../pipeline/formats/ipc-batches.js'
import type { Node } from '../pipeline/graph/node.js'
import { askRun } from '../pipeline/live/client.js'
import type { TappedHead } from '../pipeline/live/contract.js'
import { wireId } from '../pipeline/live/observer.js'
import { unknownWire } from '../pipeline/live/wire-taps.js'
import { positioned } from '../pipeline/wires/positioned.js'
import { upTo } from '../testing/part-of-pipeline.js'
import { type ReadingFlags, readOptions } from './options.js'
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
    if (stop.signal.aborted) throw new PipelineError('ABORTED', `interrupted after ${count} of ${counted(n, 'table')}`)
    if (count < n) output.warn(`note: ${cutName(wire)} ended after ${counted(count, 'table')}, ${n} were asked for\n`)
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
  const wrong = (why: string): PipelineError =>
    new PipelineError('DATA', `${shortPath(directory)}: the table that its socket sent cannot be read: ${why}`)
  let count = 0
  let head: TappedHead | undefined
  let pieces: Buffer[] = []
  let filled = 0
  for await (const message of messages) {
    if (message.type === 'table') {
      head = message
      pieces = []
      filled = 0
    } else if (message.type === 'bytes' && head) {
      const piece = Buffer.from(message.data, 'base64')
      pieces.push(piece)
      filled += piece.length
      if (filled < head.bytes) continue
      if (filled > head.bytes) throw wrong(`it has more than the ${head.bytes} bytes that were announced`)
      const { wire, skipped } = head
      await sink.add(readTable(Buffer.concat(pieces), wrong).batches, { wire, index: count++, skipped })
      head = undefined
      if (count === n) break
    }
  }
  return count
}

/** Reads a table from a socket, whose bytes may be anything. */
function readTable(bytes: Uint8Array, wrong: (why: string) => PipelineError): Table {
  try {
    return tableFromFile(bytes)
  } catch (error) {
    throw wrong(messageOf(error))
  }
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
  const run = start(upTo(pipeline, node.id), { directory: false, signal: AbortSignal.any([signal, ending.signal]) })
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
    return [{ wire: wireId(source.id, source.port), stage: source.id, name: String(options.path) }]
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
  const path = join(directory, found.name)
  const fail = (error: unknown): PipelineError =>
    new PipelineError('DATA', `cannot read ${shortPath(path)}: ${fileReason(error)}`, { cause: error })
  const file = await openInside(directory, found.name).catch((error) => Promise.reject(fail(error)))
  let count = 0
  try {
    const batches = batchesOf(file, (await file.stat()).size)
    while (count < n && !signal.aborted) {
      const { value, done } = await batches.next().catch((error) => Promise.reject(fail(error)))
      if (done || 'isCutOff' in value) break
      await sink.add([value.batch as RecordBatch], { wire: found.wire, index: count++, skipped: 0 })
    }
  } finally {
    await file.close()
  }
  return count
}

/** Opens a file of a run directory. Rejects if it is a link, which may lead to a private file, or no regular file. */
async function openInside(directory: string, name: string): Promise<FileHandle> {
  if (entryInside(directory, name)?.isSymbolicLink()) throw new Error('it is a symbolic link, which is not followed')
  return openRegularFile(join(directory, name))
}

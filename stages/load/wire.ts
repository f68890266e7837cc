import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import type { RecordBatch, Table } from 'apache-arrow'
import { z } from 'zod'
import {
  batchesOf,
  defineStage,
  fileProblem,
  inputPath,
  messageOf,
  openRegularFile,
  PipelineError,
  type StageContext,
  turn,
} from '../../pipeline/stage-kit.js'
import { checkRecorded, fieldsKept, joinsWith, lengthOf, placeOf, type RunLength, replayed, wires } from './recorded.js'
import { checkParameters, learnerInFile } from './stored-learner.js'

const help = 'record a wire with `sink/arrow`, and give the path of that file'

const options = z.strictObject({
  path: inputPath(help).describe('A file that `sink/arrow` wrote: an Arrow IPC stream, or an Arrow IPC file.'),
  wire: z.enum(wires).describe('What was recorded. The output is a wire of this type.'),
})

/**
 * Replays what `sink/arrow` recorded: the same tables, in the same order, with their split, epoch, step and layout. The
 * length of the run is that of the recording: its last epoch, and the steps of its first one. The file is read twice, once
 * to check it and to find its length; only one table is in memory. A recording that was cut off is replayed up to its last
 * whole table, and a note says so.
 */
export const wire = defineStage({
  name: 'load/wire',
  summary: 'Replays the tables of a wire that sink/arrow recorded.',
  options,
  inputs: {},
  outputs: { tables: { type: 'any' } },
  outputsFor: ({ wire }) => ({ tables: { type: wire } }),
  example: '- use: load/wire\n  with: { path: runs/digits-001/rows.arrows, wire: batch }',
  holds: 'one table',
  sources: ({ path }) => [path],
  facts: ({ options: { path, wire }, problem }) => {
    if (wire !== 'parameters' || !existsSync(path)) return { tables: {} }
    try {
      return { tables: learnerInFile(path) }
    } catch (error) {
      problem('path', messageOf(error))
      return { tables: {} }
    }
  },
  run: (options, context) => context.flow.pull(tables(options, context)),
})

type Options = z.output<typeof options>

async function* tables({ path, wire }: Options, context: StageContext): AsyncGenerator<Table> {
  const length = await checked(path, wire, context)
  const kept = fieldsKept(wire)
  let waiting: RecordBatch[] = []
  const replay = (): Table => {
    const table = replayed(waiting, wire, length, kept)
    if (wire === 'parameters') reading(path, () => checkParameters(table, path))
    return table
  }
  for await (const batch of recorded(path, context)) {
    if (waiting.length > 0 && !joinsWith(waiting[0]!, batch, wire)) {
      yield replay()
      waiting = []
    }
    waiting.push(batch)
    await turn(context)
  }
  if (waiting.length > 0) yield replay()
}

/** Checks the whole file, records its checksum, and returns how long the recorded run was. */
async function checked(path: string, wire: Options['wire'], context: StageContext): Promise<RunLength> {
  const hash = createHash('sha256')
  let bytes = 0
  const places: { epoch: number; step: number }[] = []
  let count = 0
  const onBytes = (piece: Uint8Array): void => {
    hash.update(piece)
    bytes += piece.length
  }
  const onCut = (): void =>
    context.note(`${path} ends within a table: the recording was cut off, what is replayed ends with table ${count}`)
  for await (const batch of recorded(path, context, onBytes, onCut)) {
    reading(path, () => checkRecorded(batch, wire))
    count++
    const place = placeOf(batch, wire)
    const last = places.at(-1)
    if (last?.epoch === place.epoch) last.step = Math.max(last.step, place.step)
    else places.push(place)
    await turn(context)
  }
  if (count === 0) throw new PipelineError('DATA', `${path} has no tables`)
  context.source({ path, bytes, sha256: hash.digest('hex') })
  return lengthOf(places)
}

/** The record batches of a file. Throws a PipelineError `DATA` that names the file. */
async function* recorded(
  path: string,
  { signal }: StageContext,
  onBytes?: (bytes: Uint8Array) => void,
  onCut: () => void = () => {},
): AsyncGenerator<RecordBatch> {
  const file = await openRegularFile(path).catch((cause) => {
    throw new PipelineError('DATA', `${fileProblem('read', path, cause)}; ${help}`, { cause })
  })
  try {
    const { size } = await file.stat()
    if (size === 0) throw new PipelineError('DATA', `${path} is empty`)
    const batches = batchesOf(file, size, onBytes)
    for (;;) {
      const next = await batches.next().catch((cause) => {
        throw unreadable(path, cause)
      })
      if (next.done) return
      signal.throwIfAborted()
      if ('isCutOff' in next.value) onCut()
      else yield next.value.batch
    }
  } finally {
    await file.close()
  }
}

function reading<T>(path: string, operation: () => T): T {
  try {
    return operation()
  } catch (error) {
    throw unreadable(path, error)
  }
}

function unreadable(path: string, cause: unknown): PipelineError {
  if (cause instanceof PipelineError) return cause
  return new PipelineError('DATA', `${path} cannot be replayed: ${messageOf(cause)}`, { cause })
}

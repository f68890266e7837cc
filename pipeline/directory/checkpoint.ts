import { createHash } from 'node:crypto'
import { lstatSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { dataSource } from '../base/data-source.js'
import { messageOf, PipelineError } from '../base/errors.js'
import { shortPath } from '../base/words.js'
import { removeFile } from '../files/files.js'
import { readInside } from '../files/inside.js'
import { decodeTensors, encodeTensors, MOST_BYTES, type Tensor } from '../formats/safetensors.js'
import { configuration, optionChange } from './configuration.js'
import { readState, writeState } from './state.js'

/** The version of the format. It grows when an older Millrace cannot read the checkpoints any more. */
const VERSION = 2
/** The oldest version that is read: that of Millrace 0.1.0, without `configuration`, `changes` and `files`. */
const OLDEST = 1
const FOLDER = 'checkpoint'
/** The names of checkpoints. A user's own file beside them has another name, and is left alone. */
const CHECKPOINT = /^step-\d{9,}\.safetensors$/
const HALF_WRITTEN = /^step-\d{9,}\.safetensors\.part$/

const content = z.strictObject({
  epoch: z.int().nonnegative(),
  step: z.int().positive(),
  /** True at the end of training: the stages behind it have seen its last step. */
  isLast: z.boolean(),
  /** SHA-256 of the run's `pipeline.yaml`. */
  definition: z.string(),
  /** The files that the run had read. */
  data: z.array(dataSource),
  /** True if `data` has every file of the run: all loading had ended. */
  isAllRead: z.boolean().optional(),
  /** What the states were made with. */
  configuration: configuration.optional(),
  /** The options that were changed on the way. */
  changes: z.array(optionChange).optional(),
  /** The output files so far, relative to the run directory. */
  files: z.array(z.string()).optional(),
  /** The states of the stages, by id. */
  states: z.record(z.string(), z.unknown()),
})

/** Everything that a run needs to go on from a step with the same bytes. */
export type Checkpoint = Readonly<z.output<typeof content>>

/** A copy of a checkpoint, with memory of its own, ready to be encoded. The stages can go on meanwhile. */
export interface CheckpointCopy {
  /** The step that the states are from. */
  readonly step: number
  /** The checkpoint as JSON. Its arrays are references to `tensors`. */
  readonly content: unknown
  /** The arrays of the states, by path: `model.W`. */
  readonly tensors: ReadonlyMap<string, Tensor>
}

/** Copies a checkpoint, with the arrays of its states. */
export function copyCheckpoint(checkpoint: Checkpoint): CheckpointCopy {
  const tensors = new Map<string, Tensor>()
  const states = Object.entries(checkpoint.states).map(([id, state]) => [id, writeState(state, id, tensors)])
  return { step: checkpoint.step, content: { ...checkpoint, states: Object.fromEntries(states) }, tensors }
}

/**
 * Encodes a checkpoint as a safetensors file: the arrays of the states are its tensors, everything else is JSON in the
 * metadata. A checksum covers both.
 */
export function encodeCheckpoint({ content, tensors }: CheckpointCopy): Uint8Array {
  const text = JSON.stringify(content)
  return encodeTensors(
    tensors,
    new Map([
      ['format', 'millrace-checkpoint'],
      ['version', String(VERSION)],
      ['content', text],
      ['sha256', checksum(text, tensors)],
    ]),
  )
}

/** A checkpoint of a newer Millrace. It is sound, so no older checkpoint may be used instead of it. */
class NewerVersion extends Error {}

/** Decodes a checkpoint. Throws an Error that says what is wrong with it. */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint {
  const { tensors, metadata } = decodeTensors(bytes)
  if (metadata.get('format') !== 'millrace-checkpoint') throw new Error('it is no checkpoint')
  const version = Number(metadata.get('version'))
  if (version > VERSION)
    throw new NewerVersion(
      `a newer Millrace wrote it: it has version ${version}, this Millrace reads up to version ${VERSION}`,
    )
  if (!Number.isInteger(version) || version < OLDEST)
    throw new Error(`it has version ${metadata.get('version')}, expected ${OLDEST} to ${VERSION}`)
  const text = metadata.get('content') ?? ''
  if (metadata.get('sha256') !== checksum(text, tensors)) throw new Error('its checksum is wrong')
  const checked = content.safeParse(JSON.parse(text))
  if (!checked.success) throw new Error(z.prettifyError(checked.error))
  const states = Object.entries(checked.data.states).map(([id, state]) => [id, readState(state, tensors)])
  return { ...checked.data, states: Object.fromEntries(states) }
}

function checksum(text: string, tensors: ReadonlyMap<string, Tensor>): string {
  const hash = createHash('sha256').update(text)
  for (const [name, { shape, values }] of tensors) {
    hash.update(JSON.stringify([name, values.constructor.name, shape]))
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  }
  return hash.digest('hex')
}

/** Returns the path of a checkpoint, relative to the run directory. */
export function checkpointFile({ step }: Pick<Checkpoint, 'step'>): string {
  return `${FOLDER}/step-${String(step).padStart(9, '0')}.safetensors`
}

/**
 * Removes all but the newest `keep` checkpoints of a run, and the half-written files of a killed process.
 *
 * @param written the checkpoint that was just written. Later steps are removed, too: they are damaged, or the run has
 *   gone back to an earlier step. Throws `WRITE` if something else stands in the place of the folder: no checkpoint
 * could be written.
 */
export function pruneCheckpoints(directory: string, keep: number, written?: Pick<Checkpoint, 'step'>): void {
  const folder = join(directory, FOLDER)
  const names = namesIn(folder)
  const checkpoints = names.filter((name) => CHECKPOINT.test(name))
  const first = written ? Math.max(0, checkpoints.indexOf(basename(checkpointFile(written)))) : 0
  const old = checkpoints.filter((_, i) => i < first || i >= first + keep)
  for (const name of [...old, ...names.filter((name) => HALF_WRITTEN.test(name))]) removeFile(join(folder, name))
}

/**
 * Returns the sound checkpoints of a run, the newest first. Each is read when it is asked for. Passes the problems of
 * damaged ones to `warn`. Throws a PipelineError `DATA` if a newer Millrace wrote one: the run would otherwise silently
 * go back to an earlier step. Throws `WRITE` if something else stands in the place of the folder: no checkpoint
 * could be written.
 */
export function* soundCheckpoints(directory: string, warn: (message: string) => void): Generator<Checkpoint> {
  const folder = join(directory, FOLDER)
  if (lstatSync(folder, { throwIfNoEntry: false })?.isFile())
    throw new PipelineError(
      'WRITE',
      `cannot write checkpoints: expected ${shortPath(folder)} to be a folder, found a file; remove it`,
    )
  for (const name of namesIn(folder).filter((name) => CHECKPOINT.test(name))) {
    let checkpoint: Checkpoint
    try {
      checkpoint = decodeCheckpoint(readInside(directory, `${FOLDER}/${name}`, MOST_BYTES))
    } catch (error) {
      const problem = `the checkpoint ${shortPath(join(folder, name))} cannot be used: ${messageOf(error)}`
      if (error instanceof NewerVersion)
        throw new PipelineError(
          'DATA',
          `${problem}; resume the run with that Millrace, or remove the file to go on from an earlier step`,
          { cause: error },
        )
      warn(`${problem}; the one before it is taken`)
      continue
    }
    yield checkpoint
  }
}

/** True if there are checkpoints of a run in a directory. */
export function hasCheckpoints(directory: string): boolean {
  return namesIn(join(directory, FOLDER)).some((name) => CHECKPOINT.test(name))
}

/** Returns the names in a folder, the last one first; none if it is no folder, or a link to one. */
function namesIn(folder: string): string[] {
  try {
    if (!lstatSync(folder).isDirectory()) return []
    return readdirSync(folder).sort().reverse()
  } catch {
    return []
  }
}

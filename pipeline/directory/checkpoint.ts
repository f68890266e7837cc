import { createHash } from 'node:crypto'
import { lstatSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { dataSource } from '../base/data-source.js'
import { messageOf } from '../base/errors.js'
import { shortPath } from '../base/words.js'
import { removeFile } from '../files/files.js'
import { readRegularFile } from '../files/regular-file.js'
import { decodeTensors, encodeTensors, type Tensor } from '../formats/safetensors.js'
import { readState, writeState } from './state.js'

/** Changes when older checkpoints can no longer be read. */
const VERSION = '1'
/** What is larger was not written by a run. */
const MAX_BYTES = 2 ** 31
const FOLDER = 'checkpoint'
const ENDING = '.safetensors'

const content = z.strictObject({
  epoch: z.int().nonnegative(),
  step: z.int().positive(),
  /** True where training had come to its end. */
  isLast: z.boolean(),
  /** SHA-256 of the run's `pipeline.yaml`. */
  definition: z.string(),
  /** The files that were read. */
  data: z.array(dataSource),
  states: z.record(z.string(), z.unknown()),
})

/** All that a run needs to go on from a step as if nothing had happened. States are by the ids of their stages. */
export type Checkpoint = Readonly<z.output<typeof content>>

/** A checkpoint with memory of its own, while the stages go on. */
export interface CheckpointCopy {
  readonly step: number
  readonly content: unknown
  readonly tensors: ReadonlyMap<string, Tensor>
}

/** Copies the states. */
export function copyCheckpoint(checkpoint: Checkpoint): CheckpointCopy {
  const tensors = new Map<string, Tensor>()
  const states = Object.entries(checkpoint.states).map(([id, state]) => [id, writeState(state, id, tensors)])
  return { step: checkpoint.step, content: { ...checkpoint, states: Object.fromEntries(states) }, tensors }
}

/**
 * A checkpoint is a safetensors file: the arrays of the states as tensors, all else as JSON in the metadata, with a
 * checksum over both.
 */
export function encodeCheckpoint({ content, tensors }: CheckpointCopy): Uint8Array {
  const text = JSON.stringify(content)
  return encodeTensors(
    tensors,
    new Map([
      ['format', 'millrace-checkpoint'],
      ['version', VERSION],
      ['content', text],
      ['sha256', checksum(text, tensors)],
    ]),
  )
}

/** Throws an Error that says what is wrong with it. */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint {
  const { tensors, metadata } = decodeTensors(bytes)
  if (metadata.get('format') !== 'millrace-checkpoint') throw new Error('it is no checkpoint')
  const version = metadata.get('version')
  if (version !== VERSION) throw new Error(`it has version ${version}, this Millrace reads version ${VERSION}`)
  const text = metadata.get('content') ?? ''
  if (metadata.get('sha256') !== checksum(text, tensors)) throw new Error('its checksum does not fit')
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

/** Where the checkpoints of a run lie, relative to its directory. */
export function checkpointFile({ step }: Pick<Checkpoint, 'step'>): string {
  return `${FOLDER}/step-${String(step).padStart(9, '0')}${ENDING}`
}

/**
 * Removes all but the newest `keep` checkpoints of a run, and what a killed run left half-written. After `written` comes
 * none: what has a later step is damaged, or of a past that the run went back from.
 */
export function pruneCheckpoints(directory: string, keep: number, written?: Pick<Checkpoint, 'step'>): void {
  const folder = join(directory, FOLDER)
  const names = namesIn(folder)
  const checkpoints = names.filter((name) => name.endsWith(ENDING))
  const first = written ? Math.max(0, checkpoints.indexOf(basename(checkpointFile(written)))) : 0
  const old = checkpoints.filter((_, i) => i < first || i >= first + keep)
  for (const name of [...old, ...names.filter((name) => name.endsWith('.part'))]) removeFile(join(folder, name))
}

/**
 * The newest checkpoint of a run that is sound and that `accept` takes. What is wrong with newer ones is told to `warn`.
 */
export function newestCheckpoint(
  directory: string,
  warn: (message: string) => void,
  accept: (checkpoint: Checkpoint) => boolean = () => true,
): Checkpoint | undefined {
  const folder = join(directory, FOLDER)
  for (const name of namesIn(folder).filter((name) => name.endsWith(ENDING))) {
    try {
      const checkpoint = decodeCheckpoint(readRegularFile(join(folder, name), MAX_BYTES))
      if (accept(checkpoint)) return checkpoint
    } catch (error) {
      warn(
        `the checkpoint ${shortPath(join(folder, name))} cannot be used: ${messageOf(error)}; the one before it is taken`,
      )
    }
  }
  return undefined
}

/** Whether a run left checkpoints in a directory. */
export function hasCheckpoints(directory: string): boolean {
  return namesIn(join(directory, FOLDER)).some((name) => name.endsWith(ENDING))
}

/** The files in a folder, the last name first; none where there is no folder, or a link to another one. */
function namesIn(folder: string): string[] {
  try {
    if (!lstatSync(folder).isDirectory()) return []
    return readdirSync(folder).sort().reverse()
  } catch {
    return []
  }
}

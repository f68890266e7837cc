import { join } from 'node:path'
import { z } from 'zod'
import { fileReason, PipelineError } from '../pipeline/base/errors.js'
import { shortPath, show } from '../pipeline/base/words.js'
import { replaceFile } from '../pipeline/files/files.js'
import { hasInside, readInside } from '../pipeline/files/inside.js'
import { lockNotes } from '../pipeline/files/lock.js'
import { RUN_NOTES } from '../pipeline/files/output-path.js'

/*
 * Tags and a note of a run lie in a file of their own, because `run.json` is a record: what people think of a run may
 * change after it has ended.
 */

/** What people have written about a run. */
export interface RunNotes {
  /** The tags, sorted. */
  readonly tags: readonly string[]
  /** The note; undefined if there is none. */
  readonly note?: string | undefined
}

/** A change of the notes of a run. */
export interface NotesChange {
  /** Tags to add. */
  readonly add?: readonly string[]
  /** Tags to remove. */
  readonly remove?: readonly string[]
  /** The new note; an empty text removes it. Default: the note stays. */
  readonly note?: string | undefined
}

/** A tag: letters, digits and `. _ : / -`, at most 40 characters. */
const tagSchema = z.string().regex(/^[\p{L}\p{N}][\p{L}\p{N}._:/-]{0,39}$/u)
/** The longest note, in characters. */
const MAX_NOTE = 2000
/** The most tags of a run. */
const MAX_TAGS = 50
/** The largest file, in bytes. */
const MAX_BYTES = 1 << 16

const stored = z.object({
  tags: z.array(tagSchema).max(MAX_TAGS).default([]),
  note: z.string().max(MAX_NOTE).exactOptional(),
})

/**
 * Reads tags and note of a run. A run without such a file has none.
 *
 * @param remarks gets what could not be read, in words
 */
export function readNotes(directory: string, remarks: string[] = []): RunNotes {
  if (!hasInside(directory, RUN_NOTES)) return { tags: [] }
  try {
    return stored.parse(JSON.parse(String(readInside(directory, RUN_NOTES, MAX_BYTES))))
  } catch (error) {
    remarks.push(`${RUN_NOTES} cannot be read: ${error instanceof z.ZodError ? 'it is damaged' : fileReason(error)}`)
    return { tags: [] }
  }
}

/** Throws a PipelineError `ARGUMENTS` that names every tag and note that a run cannot have. */
export function checkNotes({ add = [], note = '' }: NotesChange): void {
  const problems = add
    .filter((tag) => !tagSchema.safeParse(tag).success)
    .map((tag) => ({
      message: `tag ${show(tag)}: expected 1 to 40 letters, digits or . _ : / -, beginning with a letter or digit`,
    }))
  if (note.length > MAX_NOTE)
    problems.push({ message: `the note has ${note.length} characters, expected at most ${MAX_NOTE}` })
  if (problems.length > 0) throw new PipelineError('ARGUMENTS', problems)
}

/**
 * Changes tags and note of a run, and returns them. The file is replaced as a whole, and several processes do so one after the
 * other. Rejects with a PipelineError: `ARGUMENTS` for a tag or note that cannot be, `WRITE` if the file cannot be written, or has
 * something that cannot be read and would be lost.
 */
export async function changeNotes(directory: string, change: NotesChange): Promise<RunNotes> {
  checkNotes(change)
  const release = await lockNotes(directory)
  try {
    return changed(directory, change)
  } finally {
    release()
  }
}

function changed(directory: string, change: NotesChange): RunNotes {
  const remarks: string[] = []
  const { tags, note: before } = readNotes(directory, remarks)
  if (remarks.length > 0)
    throw new PipelineError('WRITE', `${shortPath(directory)}: ${remarks[0]}; it is not changed; mend or remove it`)
  const { add = [], remove = [], note = before } = change
  const all = [...new Set([...tags, ...add])].filter((tag) => !remove.includes(tag)).sort()
  if (all.length > MAX_TAGS)
    throw new PipelineError(
      'ARGUMENTS',
      `${shortPath(directory)} would have ${all.length} tags, expected at most ${MAX_TAGS}`,
    )
  const notes: RunNotes = { tags: all, ...(note && { note }) }
  replaceFile(join(directory, RUN_NOTES), `${JSON.stringify(notes, null, 2)}\n`)
  return notes
}

import { existsSync } from 'node:fs'
import { PipelineError } from '../pipeline/base/errors.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import { shortPath } from '../pipeline/base/words.js'
import { readRecord } from '../report/index.js'
import { changeNotes, checkNotes, type NotesChange, type RunNotes, readNotes } from '../report/run-notes.js'
import type { Output } from './terminal.js'

/** The flags of `millrace tag` and `millrace note`. */
export interface NotesFlags {
  /** True if tags and note are printed as JSON. */
  readonly json?: boolean
}

/** `millrace tag RUN… +a -b`: adds tags to runs and removes tags. Without changes, prints the tags. */
export async function tagCommand(words: readonly string[], flags: NotesFlags, output: Output): Promise<void> {
  const named = (sign: string): string[] => words.filter((word) => word.startsWith(sign)).map((word) => word.slice(1))
  const [add, remove] = [named('+'), named('-')]
  const runs = words.filter((word) => !/^[+-]/.test(word))
  if (runs.length === 0)
    throw new PipelineError(
      'ARGUMENTS',
      'no run is named; expected run directories and changes, such as runs/a-001 +good',
    )
  const both = add.filter((tag) => remove.includes(tag))
  if (both.length > 0) throw new PipelineError('ARGUMENTS', `${both.join(', ')}: expected +TAG or -TAG, found both`)
  const tag = runs.length > 1 ? runs.find((word) => !existsSync(word)) : undefined
  if (tag !== undefined)
    throw new PipelineError('ARGUMENTS', `there is no run ${tag}; +${tag} adds a tag, -${tag} removes it`)
  await change(runs, { add, remove }, flags, output)
}

/** `millrace note RUN TEXT`: writes a note about a run. Without a text, prints the note. */
export async function noteCommand(
  run: string,
  note: string | undefined,
  flags: NotesFlags,
  output: Output,
): Promise<void> {
  await change([run], { note }, flags, output)
}

/** Changes the notes of all runs, or of none if one of them is no run, and prints them. */
async function change(runs: readonly string[], given: NotesChange, flags: NotesFlags, output: Output): Promise<void> {
  checkNotes(given)
  for (const run of runs) readRecord(run)
  const isChange = given.note !== undefined || [given.add, given.remove].some((tags) => tags && tags.length > 0)
  const all: (RunNotes & { readonly directory: string })[] = []
  for (const run of runs)
    all.push({ directory: shortPath(run), ...(isChange ? await changeNotes(run, given) : readNotes(run)) })
  if (flags.json) output.write(`${JSON.stringify(all)}\n`)
  else for (const { directory, ...notes } of all) output.write(`${directory}: ${formatNotes(notes)}\n`)
}

function formatNotes({ tags, note }: RunNotes): string {
  return oneLine([tags.join(' '), note].filter(Boolean).join(' – ')) || 'no tags and no note'
}

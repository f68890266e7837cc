import { basename, isAbsolute, resolve, sep } from 'node:path'
import { fileProblem, PipelineError, type Problem } from '../base/errors.js'
import { listed } from '../base/words.js'
import { optionSchema } from '../definition/option-schema.js'
import { formatOrigin, locate } from '../definition/value.js'
import { openRegularFile } from '../files/regular-file.js'
import { folderOf, foldersOf, type InputFolders, inputsOf } from './input-files.js'
import type { Node } from './node.js'
import type { Pipeline } from './pipeline.js'

/** Files that are opened at a time: there may be thousands. */
const AT_ONCE = 8

/**
 * Rejects with a PipelineError `DATA` if a file that the load stages will read is missing or cannot be opened. To be
 * called before anything is written: a run that cannot start leaves nothing behind.
 *
 * @param signal ends the check if it aborts: the run then stops before it reads anything
 */
export async function checkInputFiles(
  { graph, definition }: Pick<Pipeline, 'graph' | 'definition'>,
  signal?: AbortSignal,
): Promise<void> {
  const folders = foldersOf(definition)
  const problems: Problem[] = []
  for (const node of graph.nodes) {
    const unread = new Map<string | number, Unread>()
    const paths = [...new Set((node.stage?.sources?.(node.located()) ?? []) as readonly string[])]
    for (let first = 0; first < paths.length; first += AT_ONCE) {
      if (signal?.aborted) return
      const some = paths.slice(first, first + AT_ONCE)
      const errors = await Promise.all(some.map(errorOfOpening))
      for (const [i, path] of some.entries()) {
        const error = errors[i]
        if (!error) continue
        const at = inputOf(node, path)
        const isAlike = at >= 0 && (error as NodeJS.ErrnoException).code === 'ENOENT'
        const key = isAlike ? at : path
        const known = unread.get(key)
        if (known) known.others.push(basename(path))
        else unread.set(key, { path, error, at, others: [] })
      }
    }
    for (const each of unread.values()) problems.push(problemOf(node, each, folders))
  }
  if (problems.length > 0) throw new PipelineError('DATA', problems)
}

async function errorOfOpening(path: string): Promise<unknown> {
  try {
    const file = await openRegularFile(path)
    await file.close()
    return undefined
  } catch (error) {
    return error ?? true
  }
}

/** A file that cannot be opened, and those that are missing from the same folder, which are told with it. */
interface Unread {
  readonly path: string
  readonly error: unknown
  /** The place of the option that names the file or its folder, among the inputs of the stage; -1 if there is none. */
  readonly at: number
  readonly others: string[]
}

/** Names that are told. */
const MOST_NAMES = 4

function inputOf({ stage, located }: Node, file: string): number {
  return inputsOf(optionSchema(stage.options), located()).findIndex(
    ({ path }) => path === file || resolve(file).startsWith(resolve(path) + sep),
  )
}

function problemOf(
  { stage, entry, title, where, options }: Node,
  { path: file, error, at, others }: Unread,
  folders: InputFolders,
): Problem {
  const input = inputsOf(optionSchema(stage.options), options)[at]
  const help = input?.help === undefined ? '' : `; ${input.help}`
  const names = [...others.slice(0, MOST_NAMES), ...(others.length > MOST_NAMES ? ['…'] : [])].join(', ')
  const alike = others.length === 0 ? '' : ` (nor ${others.length} more: ${names})`
  const problem = `${title}: ${fileProblem('read', file, error)}${alike}`
  if (!input) return { where, message: problem }
  const { origin } = locate(entry.with, input.steps)
  const position = origin.kind === 'default' || input.steps.length === 0 ? where : formatOrigin(origin)
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return { where: position, message: problem }
  if (isAbsolute(input.path)) return { where: position, message: problem + help }
  const beside = folderOf(origin, entry)
  const places = [...folders.map((folder) => resolve(folder)), ...(beside === undefined ? [] : [beside])]
  const searched = [...new Set(places)].map((folder) =>
    folder === process.cwd()
      ? `the current folder (${folder})`
      : folder === beside
        ? `the folder of the definition (${folder})`
        : folder,
  )
  const here =
    origin.kind !== 'file' ? '' : `; "\${here}/${input.path}" would be beside the definition wherever it runs`
  return { where: position, message: `${problem}; looked in ${listed(searched, 'and')}${here}${help}` }
}

import { isAbsolute, resolve, sep } from 'node:path'
import { fileProblem, PipelineError, type Problem } from '../base/errors.js'
import { listed } from '../base/words.js'
import { optionSchema } from '../definition/option-schema.js'
import { formatOrigin, locate } from '../definition/value.js'
import { openRegularFile } from '../files/regular-file.js'
import { folderOf, foldersOf, type InputFolders, inputsOf } from './input-files.js'
import type { Node } from './node.js'
import type { Pipeline } from './pipeline.js'

/**
 * Rejects with a PipelineError `DATA` if a file that the load stages will read is missing or cannot be opened. To be
 * called before anything is written: a run that cannot start leaves nothing behind.
 */
export async function checkInputFiles({ graph, definition }: Pick<Pipeline, 'graph' | 'definition'>): Promise<void> {
  const folders = foldersOf(definition)
  const problems: Problem[] = []
  for (const node of graph.nodes)
    for (const path of (node.stage?.sources?.(node.located()) ?? []) as readonly string[]) {
      const error = await openRegularFile(path).then(
        (file) => file.close(),
        (error: unknown) => error ?? true,
      )
      if (error) problems.push(problemOf(node, path, error, folders))
    }
  if (problems.length > 0) throw new PipelineError('DATA', problems)
}

function problemOf(
  { stage, entry, title, where, options, located }: Node,
  file: string,
  error: unknown,
  folders: InputFolders,
): Problem {
  const schema = optionSchema(stage.options)
  const opened = inputsOf(schema, located())
  const at = opened.findIndex(({ path }) => path === file || resolve(file).startsWith(resolve(path) + sep))
  const input = inputsOf(schema, options)[at]
  const help = input?.help === undefined ? '' : `; ${input.help}`
  const problem = `${title}: ${fileProblem('read', file, error)}`
  if (!input) return { where, message: problem }
  const { origin } = locate(entry.with, input.steps)
  const position = origin.kind === 'default' || input.steps.length === 0 ? where : formatOrigin(origin)
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return { where: position, message: problem }
  if (isAbsolute(input.path)) return { where: position, message: problem + help }
  const beside = folderOf(origin, entry)
  const places = [...folders.map((folder) => resolve(folder)), ...(beside === undefined ? [] : [beside])]
  const names = [...new Set(places)].map((folder) =>
    folder === process.cwd()
      ? `the current folder (${folder})`
      : folder === beside
        ? `the folder of the definition (${folder})`
        : folder,
  )
  const here =
    origin.kind !== 'file' ? '' : `; "\${here}/${input.path}" would be beside the definition wherever it runs`
  return { where: position, message: `${problem}; looked in ${listed(names, 'and')}${here}${help}` }
}

import { PipelineError } from '../base/errors.js'
import type { RunDirectory } from '../directory/run-directory.js'
import { outputFilesOf } from '../graph/outputs.js'
import type { Pipeline } from '../graph/pipeline.js'
import type { RunOptions } from './contract.js'

const remedy = 'but the run has no directory (directory: false); remove the stage, or leave the option out'

/**
 * Checks the options of a run for `directory`. Throws a PipelineError `ARGUMENTS` if it is not false, or if other options
 * need a directory, and a PipelineError `DEFINITION` that names every stage that writes files.
 */
export function checkDirectoryOption(pipeline: Pipeline, options: RunOptions): void {
  const { directory, out, force, checkpoint } = options
  if (directory === undefined) return
  if (directory !== false)
    throw new PipelineError(
      'ARGUMENTS',
      `directory: expected false or nothing, got ${JSON.stringify(directory)}; \`out\` names the run directory`,
    )
  const others = { out, force: force || undefined, checkpoint: checkpoint === 'none' ? undefined : checkpoint }
  for (const [name, value] of Object.entries(others))
    if (value !== undefined)
      throw new PipelineError(
        'ARGUMENTS',
        `${name}: it needs a run directory, and directory: false says that there is none; leave out one of the two`,
      )
  const problems = pipeline.graph.nodes.flatMap(({ stage, options, title, where }) => {
    const files = outputFilesOf(stage, options)
    return files.length > 0 ? [{ where, message: `${title}: it writes ${files.join(', ')}, ${remedy}` }] : []
  })
  if (problems.length > 0) throw new PipelineError('DEFINITION', problems)
}

/** The directory of a run that has none: nothing is written, and a stage that asks for a file is refused. */
export function noDirectory(): RunDirectory {
  const refuse = (name: string): never => {
    throw new PipelineError('DEFINITION', `it writes ${name}, ${remedy}`)
  }
  return {
    path: '',
    file: refuse,
    unlisted: refuse,
    files: new Set(),
    write: () => {},
    remove: () => {},
    release: () => {},
  }
}

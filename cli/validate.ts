import { Pipeline } from '../index.js'
import { countProblems, PipelineError, type Problem } from '../pipeline/base/errors.js'
import { counted } from '../pipeline/base/words.js'
import { reportProblems } from './code-frame.js'
import { type ReadingFlags, readOptions } from './options.js'
import type { Output } from './terminal.js'

/** `millrace validate`: prints a line for each sound pipeline and every problem of the others. */
export async function validateCommand(
  names: readonly string[],
  flags: ReadingFlags & { readonly json?: boolean },
  output: Output,
): Promise<void> {
  const problems: Problem[] = []
  const sound: string[] = []
  for (const name of names) {
    try {
      const pipeline = await Pipeline.load(name, readOptions(flags))
      sound.push(`${name}: sound, ${counted(pipeline.graph.nodes.length, 'stage')}`)
    } catch (error) {
      if (!(error instanceof PipelineError)) throw error
      problems.push(...error.problems)
    }
  }
  if (flags.json) output.write(`${JSON.stringify({ valid: problems.length === 0, problems })}\n`)
  else {
    for (const line of sound) output.write(`${line}\n`)
    reportProblems(problems, output)
    const count = countProblems(problems)
    if (problems.length > 0) output.warn(`${counted(count, 'problem')}\n`)
  }
  if (problems.length > 0) process.exitCode = 2
}

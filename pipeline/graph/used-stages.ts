import { messageOf, PipelineError, type Problem } from '../base/errors.js'
import type { NamedStage } from '../definition/editor-schema.js'
import { type Definition, DefinitionProblems, type ReadOptions, readDefinition } from '../definition/read.js'
import { formatOrigin } from '../definition/value.js'
import { builtInStages, resolveStage } from './registry.js'

/**
 * Returns the stages that a pipeline names, by the text of `use`, each once. The pipeline may have mistakes elsewhere.
 * Rejects with a PipelineError `DEFINITION` if the file cannot be read, or if one of its stages cannot be loaded.
 */
export async function usedStages(file: string, options: ReadOptions = {}): Promise<NamedStage[]> {
  const { stages, trust } = definitionIn(file, options)
  const found = new Map<string, NamedStage>()
  const problems: Problem[] = []
  for (const { use, useOrigin, folder } of stages) {
    if (found.has(use) || useOrigin.kind === 'unresolved') continue
    try {
      found.set(use, { use, stage: await resolveStage(use, folder, trust) })
    } catch (error) {
      problems.push({ where: formatOrigin(useOrigin), message: messageOf(error) })
    }
  }
  if (problems.length > 0) throw new PipelineError('DEFINITION', problems)
  return [...found.values()]
}

function definitionIn(file: string, options: ReadOptions): Definition {
  try {
    return readDefinition(file, options)
  } catch (error) {
    if (error instanceof DefinitionProblems) return error.definition
    throw error
  }
}

/** The built-in stages, by their names. */
export async function namedStages(): Promise<NamedStage[]> {
  return [...(await builtInStages())].map(([use, stage]) => ({ use, stage }))
}

import { relative, resolve } from 'node:path'
import { Document, isMap, type YAMLMap } from 'yaml'
import { PipelineError } from '../base/errors.js'
import { formatCheckpointRule } from '../definition/checkpoint.js'
import { defaultId, type StageEntry } from '../definition/entries.js'
import type { Definition } from '../definition/read.js'
import { serialise, serialiseVars } from '../definition/serialise.js'
import { plain } from '../definition/value.js'
import { isFile } from './registry.js'

/** How a definition is written as YAML. */
export interface DocumentOptions {
  /** The paths of stage files are relative to this folder. Default: the current one. */
  readonly base?: string
  /** Whether references to vars are replaced by their values, and the vars left out. Default: false. */
  readonly resolved?: boolean
  /** Whether stages are written although `load` does not find them by their name. Default: false. */
  readonly allowObjects?: boolean
}

/**
 * Makes a YAML document from a definition. `isNamed` tells whether `load` finds a stage by what the entry uses.
 * Throws a PipelineError `ARGUMENTS` if it does not find one, unless `allowObjects` is set.
 */
export function documentOf(
  definition: Definition,
  isNamed: (entry: StageEntry) => boolean,
  { base = process.cwd(), resolved = false, allowObjects = false }: DocumentOptions,
): Document<YAMLMap> {
  const { name, description, seed, splitSeed, seedReference, published, parallelValue, stages } = definition
  const vars = resolved ? {} : serialiseVars(definition)
  const references = resolved ? undefined : definition.vars
  const checkpoint = formatCheckpointRule(definition.checkpoint)
  const unnamed = stages.find((entry) => !isNamed(entry))
  if (unnamed && !allowObjects)
    throw new PipelineError(
      'ARGUMENTS',
      `the stage "${unnamed.id}" (${unnamed.use}) was given as an object and cannot be written as YAML; ` +
        'put it into a file and use "./file.js"',
    )
  const document = new Document({
    name,
    ...(description !== undefined && { description }),
    seed: seedReference === undefined || resolved ? seed : `\${${seedReference}}`,
    ...(splitSeed !== seed && { splitSeed }),
    ...(Object.keys(vars).length > 0 && { vars }),
    ...(checkpoint && { checkpoint }),
    ...(definition.memory !== undefined && { memory: definition.memory }),
    ...(published && { published: plain(published) }),
    ...(parallelValue && { parallel: plain(parallelValue) }),
    stages: stages.map((entry) => stageOf(entry, base, references)),
  }) as unknown as Document<YAMLMap>
  if (!isMap(document.contents)) throw new PipelineError('INTERNAL', 'the definition did not become a mapping')
  return document
}

function stageOf(entry: StageEntry, base: string, vars: Definition['vars'] | undefined): Record<string, unknown> {
  const options = serialise(entry.with, vars) as Record<string, unknown>
  return {
    ...(entry.id !== defaultId(entry.use) && { id: entry.id }),
    use: isFile(entry.use) ? pathFrom(base, resolve(entry.folder, entry.use)) : entry.use,
    ...(entry.from && { from: serialise(entry.from, vars) }),
    ...(Object.keys(options).length > 0 && { with: options }),
  }
}

/** The path of a file as a definition in the folder `base` gives it: `./file.js` or `../file.js`. */
function pathFrom(base: string, file: string): string {
  const path = relative(base, file).replaceAll('\\', '/')
  return path.startsWith('.') ? path : `./${path}`
}

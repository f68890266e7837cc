import { messageOf, PipelineError, type Problem } from '../base/errors.js'
import { readCheckpointRule } from '../definition/checkpoint.js'
import { defaultId, type StageEntry } from '../definition/entries.js'
import { memoryOf } from '../definition/memory.js'
import { parallelOf } from '../definition/parallel.js'
import { checkPublished } from '../definition/published.js'
import { type Definition, nameOf, seedOf } from '../definition/read.js'
import { decideTrust } from '../definition/trust.js'
import { type Origin, type Value, valueFrom } from '../definition/value.js'
import { type AnyStage, isStage } from '../stage/stage.js'
import type { PipelineSpec, StageSpec } from './spec.js'

const code: Origin = { kind: 'code' }

/**
 * Makes a definition from what a program gives. Adds mistakes to `problems`, and stages given as objects to `given`.
 * Throws a PipelineError `ARGUMENTS` if `use` is not a stage, if there is no name or no list of stages, or if something is not
 * plain data. What is undefined or null counts as left out.
 */
export function definitionFrom(spec: PipelineSpec, given: Map<StageEntry, AnyStage>, problems: Problem[]): Definition {
  if (typeof spec.name !== 'string') throw wrongType('name', 'a text, which also names the run directory', spec.name)
  if (!Array.isArray(spec.stages)) throw wrongType('stages', 'a list of stages', spec.stages)
  const stages: StageEntry[] = []
  for (const stage of spec.stages) stages.push(entryFrom(stage, stages, given))
  const published = partOf('published', spec.published)
  if (published) checkPublished(published, problems)
  const parallelValue = partOf('parallel', spec.parallel)
  const name = nameOf(partOf('name', spec.name), '', problems)
  const seed = seedOf(partOf('seed', spec.seed ?? 0), problems)
  return {
    name,
    description: spec.description,
    seed,
    splitSeed: seedOf(partOf('splitSeed', spec.splitSeed ?? seed), problems, 'splitSeed'),
    seedOrigin: code,
    vars: new Map(),
    checkpoint: readCheckpointRule(partOf('checkpoint', spec.checkpoint), problems),
    memory: memoryOf(partOf('memory', spec.memory), problems),
    published,
    parallel: parallelOf(parallelValue, problems),
    parallelValue,
    stages,
    trust: decideTrust({ allowAbsolutePaths: spec.allowAbsolutePaths }),
  }
}

/**
 * Makes the entry of one stage, with an id that no entry of `others` has. Adds a stage given as an object to `given`.
 * Throws as `definitionFrom`.
 */
export function entryFrom(
  spec: StageSpec,
  others: readonly StageEntry[],
  given: Map<StageEntry, AnyStage>,
): StageEntry {
  if (typeof spec?.use !== 'string' && !isStage(spec?.use))
    throw new PipelineError('ARGUMENTS', 'use: expected the name of a stage, or what defineStage() returns')
  const use = typeof spec.use === 'string' ? spec.use : spec.use.name
  const entry: StageEntry = {
    id: spec.id ?? defaultId(use, others),
    use,
    with: optionsFrom(spec.with ?? {}),
    from: partOf('from', spec.from),
    origin: code,
    idOrigin: code,
    useOrigin: code,
    folder: typeof spec.use === 'string' ? process.cwd() : '',
  }
  if (typeof spec.use !== 'string') given.set(entry, spec.use)
  return entry
}

function wrongType(key: string, expected: string, found: unknown): PipelineError {
  return new PipelineError('ARGUMENTS', `${key}: expected ${expected}, got ${found === null ? 'null' : typeof found}`)
}

/** What stands at a key; undefined if it is left out. Throws a PipelineError `ARGUMENTS` if it is not plain data. */
function partOf(key: string, data: unknown): Value | undefined {
  if (data === undefined || data === null) return undefined
  try {
    return valueFrom(data, code, key)
  } catch (error) {
    throw new PipelineError('ARGUMENTS', messageOf(error))
  }
}

/** Makes a value from options. Throws a PipelineError `ARGUMENTS` if one of them is not plain data. */
export function optionsFrom(options: Readonly<Record<string, unknown>>): Value {
  try {
    return valueFrom(options, code)
  } catch (error) {
    throw new PipelineError('ARGUMENTS', `with: ${messageOf(error)}`)
  }
}

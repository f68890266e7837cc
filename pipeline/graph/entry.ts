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
 * Throws a PipelineError `ARGUMENTS` if `use` is not a stage, or if an option is not plain data.
 */
export function definitionFrom(spec: PipelineSpec, given: Map<StageEntry, AnyStage>, problems: Problem[]): Definition {
  const stages: StageEntry[] = []
  for (const stage of spec.stages) stages.push(entryFrom(stage, stages, given))
  const published = spec.published && valueFrom(spec.published, code)
  if (published) checkPublished(published, problems)
  const parallelValue = spec.parallel && valueFrom(spec.parallel, code)
  const name = nameOf(valueFrom(spec.name, code), '', problems)
  const seed = seedOf(valueFrom(spec.seed ?? 0, code), problems)
  return {
    name,
    description: spec.description,
    seed,
    splitSeed: seedOf(valueFrom(spec.splitSeed ?? seed, code), problems, 'splitSeed'),
    seedOrigin: code,
    vars: new Map(),
    checkpoint: readCheckpointRule(spec.checkpoint && valueFrom(spec.checkpoint, code), problems),
    memory: memoryOf(spec.memory === undefined ? undefined : valueFrom(spec.memory, code), problems),
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
  if (typeof spec.use !== 'string' && !isStage(spec.use))
    throw new PipelineError('ARGUMENTS', 'use: expected the name of a stage, or what defineStage() returns')
  const use = typeof spec.use === 'string' ? spec.use : spec.use.name
  const entry: StageEntry = {
    id: spec.id ?? defaultId(use, others),
    use,
    with: optionsFrom(spec.with ?? {}),
    from: spec.from === undefined ? undefined : valueFrom(spec.from, code),
    origin: code,
    idOrigin: code,
    useOrigin: code,
    folder: typeof spec.use === 'string' ? process.cwd() : '',
  }
  if (typeof spec.use !== 'string') given.set(entry, spec.use)
  return entry
}

/** Makes a value from options. Throws a PipelineError `ARGUMENTS` if one of them is not plain data. */
export function optionsFrom(options: Readonly<Record<string, unknown>>): Value {
  try {
    return valueFrom(options, code)
  } catch (error) {
    throw new PipelineError('ARGUMENTS', `with: ${messageOf(error)}`)
  }
}

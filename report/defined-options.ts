import { join } from 'node:path'
// Gives the built-in stages to the registry.
import '../index.js'
import { messageOf } from '../pipeline/base/errors.js'
import type { StageEntry } from '../pipeline/definition/entries.js'
import { type Definition, readDefinition } from '../pipeline/definition/read.js'
import { entriesOf, plain, type Value } from '../pipeline/definition/value.js'
import { entryInside } from '../pipeline/files/inside.js'
import { builtInStages, type Registry } from '../pipeline/graph/registry.js'

/** An option of a definition: its value, and the line that sets it. */
export interface DefinedOption {
  /** The value, as JSON. */
  readonly value: unknown
  /** The line of `pipeline.yaml`, from 1; undefined if the value is a default. */
  readonly line: number | undefined
  /** The id of the stage that has the option; undefined for `seed` and the like. */
  readonly stage?: string
}

/** The options of a definition, defaults included, by name: `seed`, `model.use`, `model.from`, `model.eta`. */
export type DefinedOptions = ReadonlyMap<string, DefinedOption>

/**
 * Reads the options of a run from its `pipeline.yaml`. Built-in stages have their defaults; code that the definition
 * names is not loaded, so other stages have what is written. Empty if there is no definition that can be read.
 *
 * @param remarks gets what could not be read, in words
 */
export async function definedOptions(directory: string, remarks: string[]): Promise<DefinedOptions> {
  try {
    if (!entryInside(directory, 'pipeline.yaml')?.isFile()) throw new Error('there is no such file')
    const definition = readDefinition(join(directory, 'pipeline.yaml'), {
      plugins: false,
      runDirectory: directory,
      environment: {},
    })
    return optionsOf(definition, await builtInStages())
  } catch (error) {
    remarks.push(`pipeline.yaml cannot be read: ${messageOf(error)}`)
    return new Map()
  }
}

function optionsOf(definition: Definition, stages: Registry): DefinedOptions {
  const { name, seed, splitSeed, seedOrigin, checkpoint, parallel, parallelValue } = definition
  const options = new Map<string, DefinedOption>([
    ['name', { value: name, line: undefined }],
    ['seed', { value: seed, line: lineOf(seedOrigin) }],
    ['splitSeed', { value: splitSeed, line: undefined }],
    ['checkpoint', { value: checkpoint, line: undefined }],
    ['parallel', { value: parallel ?? null, line: parallelValue && lineOf(parallelValue.origin) }],
    ['stages', { value: definition.stages.map(({ id }) => id), line: undefined }],
  ])
  for (const entry of definition.stages) addStage(entry, stages, options)
  return options
}

function addStage(entry: StageEntry, stages: Registry, options: Map<string, DefinedOption>): void {
  const { id: stage, use, useOrigin, from } = entry
  options.set(`${stage}.use`, { value: use, line: lineOf(useOrigin), stage })
  if (from) options.set(`${stage}.from`, { value: plain(from), line: lineOf(from.origin), stage })
  const written = plain(entry.with)
  const checked = stages.get(use)?.options.safeParse(written)
  addOption(stage, checked?.success ? checked.data : written, entry.with)

  /** Adds a value, or the parts of a mapping. */
  function addOption(name: string, value: unknown, at: Value | undefined): void {
    if (isRecord(value))
      for (const [key, part] of Object.entries(value)) addOption(`${name}.${key}`, part, entriesOf(at).get(key)?.value)
    else if (value !== undefined) options.set(name, { value, line: at && lineOf(at.origin), stage })
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

function lineOf(origin: Value['origin']): number | undefined {
  return origin.kind === 'file' ? origin.line : undefined
}

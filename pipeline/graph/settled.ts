import type { StageEntry } from '../definition/entries.js'
import type { Definition } from '../definition/read.js'
import { withReadings } from '../definition/readings.js'
import { entriesOf, isList, type Value } from '../definition/value.js'
import type { AnyStage } from '../stage/stage.js'
import { foldersOf, withFilesBeside } from './input-files.js'

/** A definition and its stages. */
interface Settled {
  readonly definition: Definition
  readonly stages: ReadonlyMap<StageEntry, AnyStage>
}

/**
 * Reads the text from outside in the options of each stage as the stage needs it, so that the definition means the same
 * when it is written down and read again; paths of files beside the definition become absolute for the same reason. A
 * var that options refer to becomes what the first of them has made of it.
 */
export function settle({ definition, stages }: Settled): Settled {
  const settledStages = new Map(stages)
  const entries = definition.stages.map((entry) => {
    const stage = stages.get(entry)
    if (!stage) return entry
    const read = { ...entry, with: withReadings(stage.options, entry.with) }
    // A definition from elsewhere lies in a folder by chance, and must not find out what is there.
    const settled = definition.trust.isDetached
      ? read
      : { ...read, with: withFilesBeside(read, stage, foldersOf(definition)) }
    if (settled.with === entry.with) return entry
    settledStages.delete(entry)
    settledStages.set(settled, stage)
    return settled
  })
  return {
    definition: { ...definition, stages: entries, vars: settledVars(definition, entries) },
    stages: settledStages,
  }
}

function settledVars({ vars, seed, seedReference }: Definition, stages: readonly StageEntry[]): Map<string, Value> {
  const result = new Map(vars)
  const done = new Set<string>()
  function use(name: string, value: Value): void {
    const own = vars.get(name)
    if (!own || done.has(name)) return
    done.add(name)
    const { reference } = own
    const { reference: _, ...content } = value
    result.set(name, { ...content, ...(reference !== undefined && { reference }) })
    if (reference !== undefined) use(reference, value)
  }
  function visit(value: Value): void {
    if (value.reference !== undefined) use(value.reference, value)
    if (isList(value)) value.data.forEach(visit)
    else for (const entry of entriesOf(value).values()) visit(entry.value)
  }
  const seedVar = seedReference === undefined ? undefined : vars.get(seedReference)
  if (seedVar?.otherwise) use(seedReference!, { ...seedVar, data: seed })
  for (const { with: options } of stages) visit(options)
  return result
}

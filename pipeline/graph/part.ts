import { dirname } from 'node:path'
import type { StageEntry } from '../definition/entries.js'
import { type Origin, type Value, valueFrom } from '../definition/value.js'
import type { AnyStage } from '../stage/stage.js'
import { type InputFolders, withFilesBeside } from './input-files.js'
import type { Graph } from './node.js'

/** Which stages of a pipeline stay, and what their inputs read instead of what the pipeline says. */
export interface Part {
  /** The ids of the stages that stay. */
  readonly ids: ReadonlySet<string>
  /** The output `id.port` that an input `id.port` reads from now on. */
  readonly sources: ReadonlyMap<string, string>
  /** Stages that the pipeline does not have. */
  readonly more: readonly AddedStage[]
}

/** A stage that is added to a part. */
export interface AddedStage {
  /** Its id, which no other stage has. */
  readonly id: string
  /** The stage. */
  readonly stage: AnyStage
  /** Its options. Default: none. */
  readonly with?: Value | undefined
  /** The output `id.port` that it reads, if it has an input. */
  readonly from?: string | undefined
  /** The place that is blamed for its mistakes. */
  readonly origin: Origin
}

/**
 * The entries of a part with their stages. Each names its inputs; those of the pipeline keep their number and their place in
 * the definition for messages.
 */
export function entriesOfPart(
  stages: ReadonlyMap<StageEntry, AnyStage>,
  entries: readonly StageEntry[],
  { nodes }: Graph,
  { ids, sources, more }: Part,
  folders: InputFolders,
): Map<StageEntry, AnyStage> {
  const made = new Map<StageEntry, AnyStage>()
  for (const [i, added] of more.entries()) {
    const entry = entryOf(added, entries.length + i)
    made.set({ ...entry, with: withFilesBeside(entry, added.stage, folders) }, added.stage)
  }
  for (const [place, old] of entries.entries()) {
    const node = nodes.find(({ entry }) => entry === old)
    if (!node || !ids.has(old.id)) continue
    const inputs = [...node.inputs].map(([port, source]) => [
      port,
      sources.get(`${node.id}.${port}`) ?? `${source.id}.${source.port}`,
    ])
    const from = inputs.length > 0 ? valueFrom(Object.fromEntries(inputs), old.from?.origin ?? old.origin) : undefined
    made.set({ ...old, from, place }, stages.get(old)!)
  }
  return made
}

function entryOf({ id, stage, with: options, from, origin }: AddedStage, place: number): StageEntry {
  return {
    id,
    use: stage.name,
    with: options ?? { data: new Map(), origin },
    from: from === undefined ? undefined : { data: from, origin },
    origin,
    idOrigin: origin,
    useOrigin: origin,
    folder: origin.kind === 'file' ? dirname(origin.file) : '',
    place,
  }
}

import type { Problem } from '../base/errors.js'
import { nearest, suggestion } from '../base/nearest.js'
import { listed, show } from '../base/words.js'
import type { StageEntry } from '../definition/entries.js'
import { keysOf } from '../definition/issues.js'
import { optionSchema } from '../definition/option-schema.js'
import type { Definition } from '../definition/read.js'
import type { AnyStage } from '../stage/stage.js'

/**
 * The problems of overrides whose name is no var. A name that is an option of stages is most likely meant as one, so the
 * message gives it with the id of the stage.
 */
export function unknownVars(
  { unknown = [], vars, stages: entries }: Definition,
  stages: ReadonlyMap<StageEntry, AnyStage>,
): Problem[] {
  if (unknown.length === 0) return []
  const options = new Map<string, string[]>()
  for (const entry of entries) {
    const stage = stages.get(entry)
    for (const option of stage ? keysOf(optionSchema(stage.options)) : [])
      options.set(option, [...(options.get(option) ?? []), `${entry.id}.${option}`])
  }
  function hintFor(name: string): string {
    if (entries.some(({ id }) => id === name))
      return `; "${name}" is a stage: ${name}.option=value sets one of its options`
    const option = options.has(name) || nearest(name, vars.keys()) ? name : nearest(name, options.keys())
    const meant = option === undefined ? undefined : options.get(option)
    return meant ? `; did you mean ${listed(meant.map(show))}?` : suggestion(name, vars.keys(), 'vars')
  }
  return unknown.map(({ name, text }) => ({ where: text, message: `no var named "${name}"${hintFor(name)}` }))
}

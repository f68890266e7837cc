import { dirname } from 'node:path'
import type { Problem } from '../errors.js'
import { suggestion } from '../nearest.js'
import { entriesOf, isList, type Origin, type Value, withValue, wordOrigin } from './value.js'

/** One entry of `stages`, resolved: no references left, options not yet checked. */
export interface StageEntry {
  readonly id: string
  readonly use: string
  readonly with: Value
  readonly from: Value | undefined
  readonly origin: Origin
  readonly useOrigin: Origin
  /** The folder that `./` in `use` starts from. */
  readonly folder: string
}

/** The stages of a definition, with its patch applied; `with` and `from` may still hold references. */
export function stageEntries(
  source: Map<string, Value>,
  interpolate: (value: Value) => Value,
  problems: Problem[],
): StageEntry[] {
  const stages = source.get('stages')
  const entries = isList(stages) ? stages.data.map((value) => entryOf(value, interpolate)) : []
  const patch = source.get('patch')
  for (const change of isList(patch) ? patch.data : []) applyPatch(entries, change, interpolate, problems)
  if (entries.length === 0 && problems.length === 0)
    problems.push({
      where: stages && wordOrigin(stages.origin),
      message: 'stages: expected at least one stage, got an empty list',
    })
  return entries
}

function entryOf(value: Value, interpolate: (value: Value) => Value): StageEntry {
  const fields = entriesOf(value)
  const use = interpolate(fields.get('use')!.value)
  const name = String(use.data ?? '')
  const id = fields.get('id')?.value.data ?? defaultId(name)
  const options = fields.get('with')?.value
  return {
    id: String(id),
    use: name,
    with: options?.data instanceof Map ? options : { data: new Map(), origin: use.origin },
    from: fields.get('from')?.value,
    origin: value.origin,
    useOrigin: use.origin,
    folder:
      fields.get('use')!.value.origin.kind === 'file'
        ? dirname((fields.get('use')!.value.origin as { file: string }).file)
        : process.cwd(),
  }
}

/** The id of a stage that names none: the last part of its `use`, without an ending. */
export function defaultId(use: string): string {
  return use
    .slice(use.lastIndexOf('/') + 1)
    .replace(/\.[cm]?[jt]s$/, '')
    .replace(/[^\w-]/g, '-')
}

/** One change of `patch:`; the same four verbs as in code: `set`, `replace`, `insertAfter`, `remove`. */
function applyPatch(
  entries: StageEntry[],
  change: Value,
  interpolate: (value: Value) => Value,
  problems: Problem[],
): void {
  const fields = new Map(entriesOf(change))
  const verb = (['set', 'replace', 'insertAfter', 'remove'] as const).find((name) => fields.has(name))!
  const target = fields.get(verb)!.value
  fields.delete(verb)
  const at = entries.findIndex((entry) => entry.id === target.data)
  if (at < 0) {
    const ids = entries.map((entry) => entry.id)
    problems.push({
      where: wordOrigin(target.origin),
      message: `patch: no stage with id "${target.data}"${suggestion(String(target.data), ids, 'ids')}`,
    })
    return
  }
  const entry = entries[at]!
  if (verb === 'remove') entries.splice(at, 1)
  else if (verb === 'set') {
    let options = entry.with
    for (const [name, { value }] of entriesOf(fields.get('with')?.value)) options = withValue(options, [name], value)
    entries[at] = { ...entry, with: options }
  } else {
    const made = entryOf({ data: fields, origin: change.origin }, interpolate)
    if (verb === 'insertAfter') entries.splice(at + 1, 0, made)
    else entries[at] = { ...made, id: entry.id, from: made.from ?? entry.from }
  }
}

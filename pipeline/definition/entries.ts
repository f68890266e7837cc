import { dirname } from 'node:path'
import { inFileOrder, laterProblem, PipelineError, type Problem } from '../base/errors.js'
import { suggestion } from '../base/nearest.js'
import { verbOf } from './schema.js'
import {
  entriesOf,
  formatOrigin,
  isList,
  isMapping,
  isResolved,
  type Origin,
  showValue,
  unresolved,
  type Value,
  withValue,
} from './value.js'

/** One stage of a definition. Its references are resolved, its options are not yet checked. */
export interface StageEntry {
  /** The id of the stage, given or derived from `use`. */
  readonly id: string
  /**
   * The name of the stage, as in `use`. If it contains an error, the text as written; `useOrigin` is then `unresolved`.
   */
  readonly use: string
  /** The options, as in `with`. */
  readonly with: Value
  /** The inputs, as in `from`. Undefined if the stage above is the input. */
  readonly from: Value | undefined
  /** The position of the entry. */
  readonly origin: Origin
  /** The position of the id, or of the entry if it gives no id. */
  readonly idOrigin: Origin
  /** The position of the name in `use`. */
  readonly useOrigin: Origin
  /** The folder that a relative path in `use` starts from. */
  readonly folder: string
  /** The number in messages, from 0, if stages before it were left out. Default: its place in the list. */
  readonly place?: number
}

/**
 * Reads the stages of a definition and applies its patch. `use` is resolved, `with` and `from` may still hold
 * references. Mistakes are added to `problems`.
 */
export function stageEntries(
  source: Map<string, Value>,
  interpolate: (value: Value) => Value,
  problems: Problem[],
): StageEntry[] {
  const stages = source.get('stages')
  checkCount(stages, 'stages', problems)
  checkCount(source.get('patch'), 'patch', problems)
  const entries: StageEntry[] = []
  for (const value of isList(stages) ? stages.data : []) entries.push(entryOf(value, entries, interpolate, problems))
  const patch = source.get('patch')
  for (const change of isList(patch) ? patch.data : []) applyPatch(entries, change, interpolate, problems)
  if (entries.length === 0 && isList(stages))
    problems.push({
      where: formatOrigin(stages.origin),
      message: 'stages: expected at least one stage, got an empty list',
    })
  return entries
}

/** The longest list of stages, and of changes to them. Checking the wires compares stages with each other. */
const MAX_STAGES = 1000

/** Throws a PipelineError `DEFINITION` with all problems so far if a list is too long for a pipeline. */
function checkCount(list: Value | undefined, name: string, problems: readonly Problem[]): void {
  if (!isList(list) || list.data.length <= MAX_STAGES) return
  const message = `${name}: expected at most ${MAX_STAGES}, got ${list.data.length}`
  throw new PipelineError('DEFINITION', inFileOrder([...problems, { where: formatOrigin(list.origin), message }]))
}

function entryOf(
  value: Value,
  others: readonly StageEntry[],
  interpolate: (value: Value) => Value,
  problems: Problem[],
): StageEntry {
  const fields = entriesOf(value)
  const written = fields.get('use')?.value ?? unresolved
  const use = stageName(written, interpolate, problems)
  const name = textOf(isResolved(use) ? use : written)
  const id = fields.get('id')?.value
  const options = fields.get('with')?.value
  return {
    id: id && id.data !== null ? textOf(id) : defaultId(name, others),
    use: name,
    with: isMapping(options) ? options : options?.data ? unresolved : { data: new Map(), origin: use.origin },
    from: fields.get('from')?.value,
    origin: value.origin,
    idOrigin: id?.origin ?? value.origin,
    useOrigin: use.origin,
    folder: written.origin.kind === 'file' ? dirname(written.origin.file) : process.cwd(),
  }
}

/** The value as text, for messages. */
function textOf(value: Value): string {
  return isList(value) || isMapping(value) ? showValue(value) : String(value.data ?? '')
}

/** Resolves `use`. Its type is checked again, because a reference in it may lead to a value of any type. */
function stageName(written: Value, interpolate: (value: Value) => Value, problems: Problem[]): Value {
  if (typeof written.data !== 'string' || written.data === '') return unresolved
  const use = interpolate(written)
  if (typeof use.data === 'string' && use.data !== '') return use
  if (isResolved(use))
    problems.push({
      where: formatOrigin(use.origin),
      message: `use: expected the name of a stage, got ${showValue(use)}`,
    })
  return unresolved
}

/**
 * The id of a stage that gives none: the last part of its `use`, without the ending of a file (`rows`). If another
 * stage has that id, the whole `use` (`shuffle-rows`).
 */
export function defaultId(use: string, others: readonly StageEntry[] = []): string {
  const whole = use.replace(/\.[cm]?[jt]s$/, '').replace(/[^\w/-]/g, '-')
  const last = whole.slice(whole.lastIndexOf('/') + 1)
  return others.some(({ id }) => id === last) ? whole.replaceAll('/', '-') : last
}

/**
 * Applies one change of `patch:` to the entries. Its verbs are those of the class Pipeline: `set`, `replace`,
 * `insertAfter` and `remove`. A change of a wrong shape is ignored here, because it is reported already.
 */
function applyPatch(
  entries: StageEntry[],
  change: Value,
  interpolate: (value: Value) => Value,
  problems: Problem[],
): void {
  const fields = new Map(entriesOf(change))
  const verb = verbOf(change)
  const target = verb && fields.get(verb)?.value
  if (!verb || typeof target?.data !== 'string') return
  fields.delete(verb)
  const at = entries.findIndex((entry) => entry.id === target.data)
  if (at < 0) {
    const ids = entries.map((entry) => entry.id)
    problems.push(
      laterProblem(
        formatOrigin(target.origin),
        () => `patch: no stage with id "${target.data}"${suggestion(String(target.data), ids, 'ids')}`,
      ),
    )
    return
  }
  const entry = entries[at]!
  if (verb === 'remove') entries.splice(at, 1)
  else if (verb === 'set') {
    let options = entry.with
    for (const [name, { value }] of entriesOf(fields.get('with')?.value)) options = withValue(options, [name], value)
    entries[at] = { ...entry, with: options }
  } else {
    const made = entryOf({ data: fields, origin: change.origin }, entries, interpolate, problems)
    if (verb === 'insertAfter') entries.splice(at + 1, 0, made)
    else entries[at] = { ...made, id: entry.id, idOrigin: entry.idOrigin, from: made.from ?? entry.from }
  }
}

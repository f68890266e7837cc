import { laterProblem, type Problem } from '../base/errors.js'
import { suggestion } from '../base/nearest.js'
import { listed } from '../base/words.js'
import type { StageEntry } from '../definition/entries.js'
import { entriesOf, formatOrigin, isMapping, isResolved, showValue, type Value } from '../definition/value.js'
import type { Port } from '../stage/port.js'
import type { AnyStage } from '../stage/stage.js'

/** The output that feeds an input. */
export interface Source {
  /** The id of the stage. */
  readonly id: string
  /** The name of its output. */
  readonly port: string
}

/** A stage before it becomes a node of the graph. Mistakes leave parts of it empty. */
export interface Draft {
  /** The stage as the definition lists it. */
  readonly entry: StageEntry
  /** Undefined if no stage was found. */
  stage: AnyStage | undefined
  /** As in `Node`. */
  readonly title: string
  /** As in `Node`. */
  readonly where: string
  /** The checked options, or undefined if the check failed. */
  options: Record<string, unknown> | undefined
  /** The sources found so far, by input. */
  readonly inputs: Map<string, Source>
}

/** What the definition says about the source of one input. */
interface Request {
  /** The text that names the source. */
  readonly from: Value
  /** What error messages call it: `from`, or `from.examples`. */
  readonly label: string
}

type Report = (where: string, message: () => string) => void

/** Connects each input of a stage to the output that `from` names. Default: the nearest stage above with an output. */
export function wireInputs(
  draft: Draft,
  above: readonly Draft[],
  byId: ReadonlyMap<string, Draft>,
  problems: Problem[],
): void {
  if (!draft.stage) return
  const report: Report = (where, message) => problems.push(laterProblem(where, () => `${draft.title}: ${message()}`))
  for (const [port, { from, label }] of requestsOf(draft, above, report)) {
    const input: Port = draft.stage.inputs[port]!
    const source = findSource(from, input, byId)
    if (typeof source === 'function') report(formatOrigin(from.origin), () => `${label}: ${source()}`)
    if (typeof source !== 'object') continue
    draft.inputs.set(port, source)
    const feeder = byId.get(source.id)!
    const actual = feeder.stage!.outputs[source.port]!.type
    if (!takes(input, actual))
      report(
        formatOrigin(from.origin),
        () =>
          `the input "${port}" takes ${wiresOf(input)} wire, got ${withArticle(actual)} wire ` +
          `from the output "${source.port}" of ${feeder.title} at ${feeder.where}`,
      )
  }
}

function requestsOf({ stage, entry, where }: Draft, above: readonly Draft[], report: Report): Map<string, Request> {
  const requests = new Map<string, Request>()
  const ports = Object.keys(stage!.inputs)
  const { from } = entry
  if (isMapping(from)) {
    for (const [port, { key, value }] of entriesOf(from)) {
      if (ports.includes(port)) requests.set(port, { from: value, label: `from.${port}` })
      else if (ports.length > 0)
        report(formatOrigin(key), () => `from: no input named "${port}"${suggestion(port, ports, 'inputs')}`)
    }
  } else if (from && ports.length === 1) requests.set(ports[0]!, { from, label: 'from' })
  else if (from && ports.length > 1) {
    if (isResolved(from))
      report(
        formatOrigin(from.origin),
        () => `from: expected a mapping of the inputs ${ports.join(', ')}, got ${showValue(from)}`,
      )
    return requests
  }
  if (from && ports.length === 0) report(formatOrigin(from.origin), () => 'from: this stage has no inputs')

  const open = ports.filter((port) => !requests.has(port))
  if (ports.length === 1 && open[0] !== undefined) {
    const previous = above.findLast((other) => !other.stage || Object.keys(other.stage.outputs).length > 0)
    if (previous) requests.set(open[0], { from: { data: previous.entry.id, origin: entry.origin }, label: 'from' })
    else report(where, () => `needs ${wiresOf(stage!.inputs[ports[0]!]!)} wire, but no stage above has an output`)
  } else if (open.length > 0 && entriesOf(from).size < ports.length) {
    const all = ports.map((port) => `${port}: …`).join(', ')
    report(
      where,
      () =>
        `the input${open.length > 1 ? 's' : ''} ${open.join(' and ')} of this stage must be named: from: { ${all} }`,
    )
  }
  return requests
}

/** The output that `id` or `id.port` names. A message if there is none; undefined if that is already reported. */
function findSource(from: Value, input: Port, byId: ReadonlyMap<string, Draft>): Source | (() => string) | undefined {
  if (!isResolved(from)) return undefined
  if (typeof from.data !== 'string' || from.data === '')
    return () => `expected the id of a stage, got ${showValue(from)}`
  const [id = '', port] = from.data.split('.', 2)
  const draft = byId.get(id)
  if (!draft) return () => `no stage with id "${id}"${suggestion(id, byId.keys(), 'ids')}`
  if (!draft.stage) return undefined
  const ports = Object.keys(draft.stage.outputs)
  if (ports.length === 0) return () => `"${id}" (${draft.title}) is a sink and has no output`
  if (port !== undefined)
    return ports.includes(port)
      ? { id, port }
      : () => `"${id}" has no output named "${port}"; outputs: ${ports.join(', ')}`
  const fitting =
    ports.length === 1 ? ports : ports.filter((name) => typesOf(input).includes(draft.stage!.outputs[name]!.type))
  return fitting.length === 1
    ? { id, port: fitting[0]! }
    : () => `"${id}" has the outputs ${ports.join(', ')}; name one: ${id}.${ports[0]}`
}

function typesOf({ type, also = [] }: Port): string[] {
  return [type, ...also]
}

function takes(input: Port, type: string): boolean {
  return input.type === 'any' || typesOf(input).includes(type)
}

function wiresOf(input: Port): string {
  return listed(typesOf(input).map(withArticle))
}

function withArticle(noun: string): string {
  return `${/^[aeiou]/.test(noun) ? 'an' : 'a'} "${noun}"`
}

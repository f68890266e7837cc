import { entriesOf, isList, plain, type Value } from '../definition/value.js'
import type { Graph, Node } from '../graph/graph.js'
import type { Pipeline } from '../graph/pipeline.js'
import type { DataSource } from '../stage/stage.js'

/** What the ranks of a divided run must agree on, by what it is called where they do not. */
type AgreementTerms = Record<string, unknown>

/** What all ranks must run: everything that the definition says but for texts from the environment, which name places. */
export function definitionTerms({ name, seed, definition }: Pipeline): AgreementTerms {
  const facts: AgreementTerms = { name, seed, ...leaves('parallel:', definition.parallelValue) }
  for (const [i, { id, use, with: options, from }] of definition.stages.entries()) {
    facts[`the stage at stages[${i}]`] = `${id}: ${use}`
    Object.assign(facts, leaves(`stages[${i}] ${use}:`, options), leaves(`stages[${i}] ${use}: from`, from))
  }
  return facts
}

function leaves(prefix: string, value: Value | undefined): AgreementTerms {
  if (!value) return {}
  const inner: [string, Value][] = isList(value)
    ? value.data.map((item, i) => [`[${i}]`, item])
    : [...entriesOf(value)].map(([key, entry]) => [` ${key}`, entry.value])
  if (inner.length > 0) return Object.assign({}, ...inner.map(([key, item]) => leaves(prefix + key, item)))
  const { data, origin } = value
  const isPlace = typeof data === 'string' && origin.kind === 'environment'
  return { [prefix]: isPlace ? `\${${origin.name}}` : plain(value) }
}

/** What was read above a stage: all of it, by the time that the stage has something to talk about. */
export function dataTerms(
  node: Node,
  graph: Graph,
  sources: ReadonlyMap<string, readonly DataSource[]>,
): AgreementTerms {
  const facts: AgreementTerms = {}
  const visit = (at: Node): void => {
    for (const [i, { bytes, sha256 }] of (sources.get(at.id) ?? []).entries())
      facts[`the data of ${at.title}, file ${i + 1}`] = `${bytes} bytes, sha256 ${sha256.slice(0, 16)}…`
    for (const source of at.inputs.values()) visit(graph.nodes.find(({ id }) => id === source.id)!)
  }
  visit(node)
  return facts
}

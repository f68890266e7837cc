import type { DataSource } from '../base/data-source.js'
import { entriesOf, isList, plain, type Value } from '../definition/value.js'
import type { Graph, Node } from '../graph/node.js'
import type { Pipeline } from '../graph/pipeline.js'
import type { AgreementTerms } from '../parallel/ranks.js'

/**
 * Returns the values of a definition that must be the same on all ranks. A text from the environment may differ,
 * because it names a place on the rank's machine: its variable is compared instead.
 */
export function definitionTerms({ name, seed, splitSeed, definition }: Pipeline): AgreementTerms {
  const terms: Record<string, unknown> = { name, seed, splitSeed, ...leafTerms('parallel:', definition.parallelValue) }
  for (const [i, { id, use, with: options, from }] of definition.stages.entries()) {
    terms[`the stage at stages[${i}]`] = `${id}: ${use}`
    Object.assign(terms, leafTerms(`stages[${i}] ${use}:`, options), leafTerms(`stages[${i}] ${use}: from`, from))
  }
  return terms
}

function leafTerms(prefix: string, value: Value | undefined): AgreementTerms {
  if (!value) return {}
  const inner: [string, Value][] = isList(value)
    ? value.data.map((item, i) => [`[${i}]`, item])
    : [...entriesOf(value)].map(([key, entry]) => [` ${key}`, entry.value])
  if (inner.length > 0) return Object.assign({}, ...inner.map(([key, item]) => leafTerms(prefix + key, item)))
  const { data, origin } = value
  const isPlace = typeof data === 'string' && origin.kind === 'environment'
  return { [prefix]: isPlace ? `\${${origin.name}}` : plain(value) }
}

/**
 * Returns size and checksum of each file that the stages above a stage have read. Call it when the stage first talks to
 * the other ranks: all of its data has been read by then.
 */
export function dataTerms(
  node: Node,
  graph: Graph,
  sources: ReadonlyMap<string, readonly DataSource[]>,
): AgreementTerms {
  const terms: Record<string, unknown> = {}
  const visit = (at: Node): void => {
    for (const [i, { bytes, sha256 }] of (sources.get(at.id) ?? []).entries())
      terms[`the data of ${at.title}, file ${i + 1}`] = `${bytes} bytes, sha256 ${sha256.slice(0, 16)}…`
    for (const source of at.inputs.values()) visit(graph.nodes.find(({ id }) => id === source.id)!)
  }
  visit(node)
  return terms
}

import { createHash } from 'node:crypto'
import { version } from '../base/package.js'
import type { Above } from '../stage/context.js'
import type { Graph, Node } from './node.js'
import type { Pipeline } from './pipeline.js'

/**
 * What stands above a stage: see `StageContext.above`. It is found when the stage asks for it. Few stages do, and load
 * stages look for their files.
 *
 * @param read returns the files that the run has read so far
 */
export function aboveOf(
  node: Node,
  { graph, seed, splitSeed }: Pick<Pipeline, 'graph' | 'seed' | 'splitSeed'>,
  read: Above['read'],
): Above {
  let [digest, sources]: [string?, string[]?] = []
  return {
    get digest() {
      digest ??= digestOf([version, seed, splitSeed, nodesAbove(node, graph).map(termsOf)])
      return digest
    },
    get sources() {
      sources ??= nodesAbove(node, graph).flatMap(({ stage, located }) => [...(stage.sources?.(located()) ?? [])])
      return sources
    },
    read,
  }
}

function termsOf({ id, entry, options, inputs }: Node): unknown {
  return [id, entry.use, options, [...inputs].map(([port, source]) => [port, source.id, source.port])]
}

function digestOf(terms: unknown): string {
  return createHash('sha256').update(JSON.stringify(terms)).digest('hex')
}

/** All stages that a stage gets tables from, in the order of the graph, in which a stage comes behind those that feed it. */
function nodesAbove(node: Node, { nodes }: Graph): Node[] {
  const found = new Set([node.id])
  for (const { id, inputs } of [...nodes].reverse())
    if (found.has(id)) for (const source of inputs.values()) found.add(source.id)
  return nodes.filter(({ id }) => id !== node.id && found.has(id))
}

import { createHash } from 'node:crypto'
import { version } from '../base/package.js'
import type { Above } from '../stage/stage.js'
import type { Graph, Node } from './node.js'
import type { Pipeline } from './pipeline.js'

/** What stands above a stage: see `StageContext.above`. */
export function aboveOf(
  node: Node,
  { graph, seed, splitSeed }: Pick<Pipeline, 'graph' | 'seed' | 'splitSeed'>,
): Omit<Above, 'read'> {
  const nodes = nodesAbove(node, graph)
  const terms = nodes.map(({ id, entry, options, inputs }) => [
    id,
    entry.use,
    options,
    [...inputs].map(([port, source]) => [port, source.id, source.port]),
  ])
  const digest = createHash('sha256')
    .update(JSON.stringify([version, seed, splitSeed, terms]))
    .digest('hex')
  return { digest, sources: nodes.flatMap(({ stage, located }) => [...(stage.sources?.(located()) ?? [])]) }
}

/** All stages that a stage gets tables from, in the order of the graph. */
export function nodesAbove(node: Node, { nodes }: Graph): Node[] {
  const found = new Set<string>()
  const add = ({ inputs }: Node): void => {
    for (const { id } of inputs.values()) {
      if (found.has(id)) continue
      found.add(id)
      const above = nodes.find((each) => each.id === id)
      if (above) add(above)
    }
  }
  add(node)
  return nodes.filter(({ id }) => found.has(id))
}

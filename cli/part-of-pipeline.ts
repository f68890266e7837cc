import type { Pipeline } from '../index.js'
import type { Node } from '../pipeline/graph/node.js'

/** The pipeline without the stages that do not lead to this one. */
export function upTo(pipeline: Pipeline, last: Node): Pipeline {
  const { nodes } = pipeline.graph
  const needed = new Set<string>()
  const visit = ({ id, inputs }: Node): void => {
    needed.add(id)
    for (const source of inputs.values()) visit(nodes.find((node) => node.id === source.id)!)
  }
  visit(last)
  return [...nodes].reverse().reduce((rest, { id }) => (needed.has(id) ? rest : rest.remove(id)), pipeline)
}

import type { Pipeline } from '../pipeline/graph/pipeline.js'

/** The pipeline without the stages that do not lead to this one. */
export function upTo(pipeline: Pipeline, last: string): Pipeline {
  const { nodes } = pipeline.graph
  const needed = new Set<string>()
  const visit = (id: string): void => {
    needed.add(id)
    const { inputs } = nodes.find((node) => node.id === id)!
    for (const source of inputs.values()) visit(source.id)
  }
  visit(last)
  return [...nodes].reverse().reduce((rest, { id }) => (needed.has(id) ? rest : rest.remove(id)), pipeline)
}

import type { Pipeline } from '../dist/index.js'

/** The same pipeline with figures as SVG alone: PNGs take most of the time of a short run. */
export function svgOnly(pipeline: Pipeline): Pipeline {
  const figures = pipeline.graph.nodes.filter(({ options }) => 'formats' in (options as object))
  return figures.reduce((changed, { id }) => changed.set(id, { formats: ['svg'] }), pipeline)
}

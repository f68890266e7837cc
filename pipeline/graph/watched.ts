import { suggestion } from '../base/nearest.js'
import { listed } from '../base/words.js'
import type { Facts } from '../stage/facts.js'
import type { Graph, Node } from './node.js'

/** An output that carries metrics of a model. */
interface MetricsOutput {
  readonly node: Node
  readonly port: string
  readonly facts: Facts
}

/** The outputs with metrics that are made from the outputs of a stage. */
function metricsBelow(top: Node, { nodes }: Graph): MetricsOutput[] {
  const below = new Set([top.id])
  // Each node comes after the nodes that feed it.
  for (const { id, inputs } of nodes) if ([...inputs.values()].some((source) => below.has(source.id))) below.add(id)
  return nodes
    .filter(({ id, stage }) => id !== top.id && below.has(id) && stage)
    .flatMap((node) =>
      Object.keys(node.stage.outputs)
        .filter((port) => node.stage.outputs[port].type === 'metrics')
        .map((port) => ({ node, port, facts: node.facts[port] ?? {} })),
    )
}

/** The outputs that have the metric, or, if none is known to have it, those of which nothing is known. */
function outputsWith(metric: string, outputs: readonly MetricsOutput[]): readonly MetricsOutput[] {
  const known = outputs.filter(({ facts }) => facts.metrics?.includes(metric))
  return known.length > 0 ? known : outputs.filter(({ facts }) => !facts.metrics)
}

/** The output that carries the metric which a stage watches; undefined if it watches none. */
export function watchedOf(node: Node, graph: Graph): { readonly id: string; readonly port: string } | undefined {
  const watch = node.stage.watches?.(node.options)
  if (!watch) return undefined
  const [found] = outputsWith(watch.metric, metricsBelow(node, graph))
  return found && { id: found.node.id, port: found.port }
}

/** Reports a watched metric that no stage below computes, or several do, or that ranks may have different values of. */
export function checkWatched(
  graph: Graph,
  isDivided: boolean,
  report: (node: Node, option: string, message: string) => void,
): void {
  for (const node of graph.nodes) {
    const watch = node.stage?.watches?.(node.options)
    if (!watch) continue
    const outputs = metricsBelow(node, graph)
    const found = outputsWith(watch.metric, outputs)
    const names = outputs.flatMap(({ facts }) => facts.metrics ?? [])
    const apart = found.find(({ node }) => node.stage.parallel !== 'every')
    if (found.length === 0)
      report(
        node,
        watch.option,
        names.length === 0
          ? 'no stage evaluates this model'
          : `no metric named "${watch.metric}" of this model is computed${suggestion(watch.metric, names, 'metrics')}`,
      )
    else if (found.length > 1)
      report(
        node,
        watch.option,
        `"${watch.metric}" is computed by ${listed(
          found.map(({ node }) => `${node.title} at ${node.where}`),
          'and',
        )}; expected one stage`,
      )
    else if (isDivided && apart)
      report(
        node,
        watch.option,
        `the ranks of a divided run may have different values of "${watch.metric}": ${apart.node.title} does not ` +
          "say that it works on every rank (parallel: 'every')",
      )
  }
}

import type { Asked } from '../stage/asked.js'
import { type Graph, type Node, readersOf } from './node.js'

/** What a stage asks of the stage that feeds one of its inputs; empty if it asks for nothing in particular. */
interface Request {
  readonly from: Node
  /** The id of the stage that is asked. */
  readonly to: string
  readonly asked: Asked
}

/** What `asked` is called in messages. */
const things: Readonly<Partial<Record<keyof Asked, string>>> = {
  start: 'its parameters before the first step',
  gradientNorm: 'the norm of its gradient',
}

function requestsIn({ nodes }: Graph): Request[] {
  return nodes.flatMap((from) => {
    const all: Readonly<Record<string, Asked | undefined>> = from.stage?.asks?.(from.options) ?? {}
    return [...from.inputs].map(([port, { id }]) => ({ from, to: id, asked: all[port] ?? {} }))
  })
}

/** Whether a stage asks for its examples in pieces. */
export function asksForPieces({ stage, options }: Node): boolean {
  const all: Readonly<Record<string, Asked | undefined>> = stage.asks?.(options) ?? {}
  return Object.values(all).some((asked) => asked?.pieces)
}

/** What the stages that a stage feeds ask of it: an entry for each, empty if it asks for nothing. */
export function askedOf(node: Node, graph: Graph): Asked[] {
  const all = requestsIn(graph).flatMap(({ to, asked }) => (to === node.id ? [asked] : []))
  if (!all.some(({ borrowed }) => borrowed)) return all
  const borrowed = isBorrowed(node, graph)
  return all.map((asked) => ({ ...asked, borrowed }))
}

/** Outputs that are no batches. */
const own: ReadonlySet<string> = new Set(['parameters', 'metrics', 'predictions'])

/** Whether no stage keeps the batches of this one. */
function isBorrowed(node: Node, graph: Graph): boolean {
  return readersOf(node, graph).every((reader) => {
    const all: Readonly<Record<string, Asked | undefined>> = reader.stage.asks?.(reader.options) ?? {}
    const ports = [...reader.inputs].filter(([, source]) => source.id === node.id)
    if (!ports.every(([port]) => all[port]?.borrowed)) return false
    return (
      Object.values<{ type: string }>(reader.stage.outputs).every(({ type }) => own.has(type)) ||
      isBorrowed(reader, graph)
    )
  })
}

/** Reports what a stage asks of one that does not answer it. */
export function checkAsked(graph: Graph, report: (node: Node, option: string, message: string) => void): void {
  for (const { from, to, asked } of requestsIn(graph)) {
    const maker = graph.nodes.find(({ id }) => id === to)
    if (!maker?.stage) continue
    // What is not in the list is asked as a favour: a stage may leave it unanswered.
    for (const key of Object.keys(asked) as (keyof Asked)[])
      if (things[key] && !maker.stage.answers?.includes(key))
        report(
          from,
          key,
          `${maker.title} at ${maker.where} does not give ${things[key]}; leave this out, or let the stage answer it ` +
            `(answers: ['${key}'])`,
        )
  }
}

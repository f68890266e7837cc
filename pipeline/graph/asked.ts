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

/** What a stage asks, by input. A stage that also answers for pieces asks for them if it is asked for them. */
function asksOf(node: Node, graph: Graph): Readonly<Record<string, Asked | undefined>> {
  const { stage, options } = node
  const all: Readonly<Record<string, Asked | undefined>> = stage?.asks?.(options) ?? {}
  if (!stage?.answers?.includes('pieces') || readersAskForPieces(node, graph)) return all
  return Object.fromEntries(Object.entries(all).map(([port, asked]) => [port, { ...asked, pieces: false }]))
}

function requestsIn(graph: Graph): Request[] {
  return graph.nodes.flatMap((from) => {
    const all = asksOf(from, graph)
    return [...from.inputs].map(([port, { id }]) => ({ from, to: id, asked: all[port] ?? {} }))
  })
}

/** Whether a stage asks for its examples in pieces. */
export function asksForPieces(node: Node, graph: Graph): boolean {
  return Object.values(asksOf(node, graph)).some((asked) => asked?.pieces)
}

/** Whether all stages that a stage feeds ask for pieces. */
export function readersAskForPieces(node: Node, graph: Graph): boolean {
  const readers = readersOf(node, graph)
  return readers.length > 0 && readers.every((reader) => asksForPieces(reader, graph))
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
    const all = asksOf(reader, graph)
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

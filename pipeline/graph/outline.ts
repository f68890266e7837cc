import { counted } from '../base/words.js'
import type { Facts } from '../stage/facts.js'
import type { Ports } from '../stage/port.js'
import type { Graph } from './node.js'

/** A graph for people: what its stages are, and what is known of its wires before any data is read. */
export interface Outline {
  /** The stages, each after those that feed it. */
  readonly stages: readonly {
    /** Its name in the pipeline. */
    readonly id: string
    /** What it is, as `use` says. */
    readonly use: string
    /** What it keeps in memory; undefined if it holds nothing. */
    readonly holds: string | undefined
    /** The most tables that it worked on at one time, or that waited for that, if that was measured. */
    readonly inFlight?: number | undefined
    /** What it emits. */
    readonly outputs: readonly OutlineOutput[]
  }[]
  /** The wires, from an output to an input. */
  readonly wires: readonly OutlineWire[]
}

/** An output of a stage. */
export interface OutlineOutput {
  /** Its name. */
  readonly port: string
  /** The type of its wire. */
  readonly type: string
  /** What is known of it, in words: `8×8 = 64 features`. */
  readonly known: readonly string[]
}

/** A wire. */
export interface OutlineWire {
  /** The id of the stage that emits. */
  readonly from: string
  /** Its output. */
  readonly output: string
  /** The id of the stage that reads. */
  readonly to: string
  /** Its input. */
  readonly input: string
  /** What goes through it. */
  readonly type: string
}

/** Returns the outline of a graph. */
export function outlineOf({ nodes }: Graph): Outline {
  return {
    stages: nodes.map(({ id, entry, stage, facts }) => ({
      id,
      use: entry.use,
      holds: stage.holds,
      outputs: Object.entries(stage.outputs as Ports).map(([port, { type }]) => ({
        port,
        type,
        known: knownOf(facts[port] ?? {}),
      })),
    })),
    wires: nodes.flatMap(({ id: to, inputs }) =>
      [...inputs].map(([input, { id: from, port: output }]) => {
        const { stage } = nodes.find((node) => node.id === from)!
        return { from, output, to, input, type: (stage.outputs as Ports)[output]!.type }
      }),
    ),
  }
}

/** Names that are told one by one. */
const MOST = 4

function knownOf({ shape, classes, splits, learner, metrics }: Facts): string[] {
  const width = shape?.reduce((product, length) => product * length, 1)
  const some = (names: readonly string[]): string =>
    names.length > MOST ? `${names.slice(0, MOST).join(', ')} and ${names.length - MOST} more` : names.join(', ')
  return [
    ...(learner ? [`learner ${learner.name}`] : []),
    ...(shape ? [`${shape.length > 1 ? `${shape.join('×')} = ` : ''}${width} features`] : []),
    ...(classes ? [counted(classes.length, 'class')] : []),
    ...(splits ? [`splits ${some(splits)}`] : []),
    ...(metrics ? [`columns ${some(metrics)}`] : []),
  ]
}

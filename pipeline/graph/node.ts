import type { StageEntry } from '../definition/entries.js'
import type { Facts } from '../stage/facts.js'
import type { AnyStage } from '../stage/stage.js'
import type { Source } from './inputs.js'

/** One stage of a graph: its checked options, the sources of its inputs, and what is known about its wires. */
export interface Node {
  /** Unique in the graph. */
  readonly id: string
  /** The name of the stage in error messages: `stages[2] batch/rows`. */
  readonly title: string
  /** Where the definition lists the stage: `file:line:column`, or `code`. */
  readonly where: string
  /** The stage as the definition lists it. */
  readonly entry: StageEntry
  /** The stage itself. */
  readonly stage: AnyStage
  /** The options after the check by the schema of the stage, with its defaults. */
  readonly options: Record<string, unknown>
  /** Returns the options with relative paths of files to read as they are found now. */
  readonly located: () => Record<string, unknown>
  /** The output that feeds each input, by port. */
  readonly inputs: ReadonlyMap<string, Source>
  /** What is known about each output, by port. */
  readonly facts: Readonly<Record<string, Facts>>
  /** What is known about each input, by port. */
  readonly inputFacts: Readonly<Record<string, Facts>>
}

/** The stages of a definition, connected by wires. */
export interface Graph {
  /** In topological order: each node comes after the nodes that feed it. */
  readonly nodes: readonly Node[]
}

/** The stages that get tables of a stage, from any of its outputs. */
export function readersOf({ id }: Node, { nodes }: Graph): Node[] {
  return nodes.filter(({ inputs }) => [...inputs.values()].some((source) => source.id === id))
}

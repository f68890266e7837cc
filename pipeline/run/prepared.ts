import type { Table } from 'apache-arrow'
import type { Kernels } from '../../kernels/contract.js'
import { randomStreams } from '../base/random.js'
import type { Graph, Node } from '../graph/graph.js'
import type { Pipeline } from '../graph/pipeline.js'
import type { AnyStage, DataSource, Port, StageContext } from '../stage/stage.js'
import { type ExamplesLayout, exampleFields, examplesTable, layoutOf, rowsOf, splitOf } from '../wires/examples.js'
import { flow, isStop } from './run-graph.js'

/** A table of examples as threads can pass it on: the rows lie in shared memory. */
export interface PreparedTable {
  readonly split: string
  readonly layout: ExamplesLayout
  readonly values: Uint8Array | Float32Array
  readonly labels: Int32Array
}

/** What a stage did that only prepares data. */
export interface PreparedStage {
  readonly sources: readonly DataSource[]
  readonly notes: readonly string[]
  /** By output; only those that the rest of the pipeline reads. */
  readonly outputs: Readonly<Record<string, readonly PreparedTable[]>>
}

/** The data of a pipeline, prepared: what stands for its first stages, by id. It can be sent to another thread. */
export interface Prepared {
  readonly stages: Readonly<Record<string, PreparedStage>>
  /** Whether another seed would have given other data. */
  readonly usesSeed: boolean
  readonly bytes: number
}

/**
 * The stages that only prepare data: loads that say what they read (`Stage.sources`), and what makes examples of
 * nothing but their examples.
 */
export function preparedNodes(graph: Graph): Node[] {
  const found = new Map<string, Node>()
  for (const node of graph.nodes) {
    const outputs: Port[] = Object.values(node.stage.outputs)
    const makesExamples = outputs.length > 0 && outputs.every(({ type }) => type === 'examples')
    const isFed = [...node.inputs.values()].every(({ id }) => found.has(id))
    if (makesExamples && isFed && (node.inputs.size > 0 || node.stage.sources)) found.set(node.id, node)
  }
  return [...found.values()]
}

/** Thrown within stages that do more than prepare data. */
class NotForSharing extends Error {}

/**
 * Runs the stages of a pipeline that only prepare its data. Gives nothing where one of them does something else as well,
 * such as writing a file. Rejects as a run would. With kernels that lend out their own memory (wasm), rows are copied.
 */
export async function prepare(
  pipeline: Pipeline,
  kernels: Kernels,
  signal?: AbortSignal,
): Promise<Prepared | undefined> {
  const nodes = preparedNodes(pipeline.graph)
  const read = readFromOutside(pipeline.graph, new Set(nodes.map(({ id }) => id)))
  const stages: Record<string, PreparedStage> = {}
  let usesSeed = false
  let bytes = 0

  function contextOf({ id }: Node): Omit<StageContext, 'flow' | 'signal' | 'stop'> {
    const [notes, sources]: [string[], DataSource[]] = [[], []]
    const random = randomStreams(pipeline.seed, id)
    stages[id] = { notes, sources, outputs: {} }
    return {
      id,
      inputs: nodes.find((node) => node.id === id)!.inputFacts,
      kernels,
      learner: () => {
        throw new NotForSharing()
      },
      random: (purpose, epoch) => {
        usesSeed = true
        return random(purpose, epoch)
      },
      file: () => {
        throw new NotForSharing()
      },
      source: (source) => sources.push(source),
      note: (message) => notes.push(message),
      state: () => {
        throw new NotForSharing()
      },
      terminal: { interactive: false, write: () => {} },
    }
  }

  const tables = new Map<string, PreparedTable[]>()
  function watch({ id }: Node, port: string, wire: { subscribe(observer: object): unknown }): void {
    const key = `${id}.${port}`
    if (!read.has(key)) return
    const kept: PreparedTable[] = []
    tables.set(key, kept)
    const next = (table: Table): void => {
      const { values, labels } = rowsOf(table)
      bytes += values.byteLength + labels.byteLength
      kept.push({
        split: splitOf(table),
        layout: layoutOf(table),
        values: shared(values, kernels),
        labels: shared(labels, kernels),
      })
    }
    wire.subscribe({ next, error: () => {} })
  }

  const quiet = (): void => {}
  try {
    await flow({ nodes }, { contextOf, watch, onWired: quiet, onEnding: quiet, onStageEnd: quiet, signal })
  } catch (error) {
    if (isNotForSharing(error)) return undefined
    throw error
  }
  if (Object.values(stages).some(({ notes }) => notes.some(isStop))) return undefined
  for (const { id, stage } of nodes) {
    const outputs = Object.keys(stage.outputs).map((port) => [port, tables.get(`${id}.${port}`) ?? []] as const)
    stages[id] = { ...stages[id]!, outputs: Object.fromEntries(outputs) }
  }
  return { stages, usesSeed, bytes }
}

/** The graph with the prepared stages giving what they gave then. */
export function withPrepared(graph: Graph, { stages }: Prepared): Graph {
  return {
    nodes: graph.nodes.map((node) => {
      const done = stages[node.id]
      return done ? { ...node, inputs: new Map(), stage: replaying(node.stage, done) } : node
    }),
  }
}

function replaying(stage: AnyStage, { notes, sources, outputs }: PreparedStage): AnyStage {
  return {
    ...stage,
    inputs: {},
    run: (_options: unknown, context: StageContext) => {
      for (const source of sources) context.source(source)
      for (const note of notes) context.note(note)
      const wires = Object.entries(outputs).map(([port, tables]) => [port, context.flow.pull(tables.map(tableOf))])
      return wires.length === 1 ? wires[0]![1] : Object.fromEntries(wires)
    },
  }
}

function tableOf({ split, layout, values, labels }: PreparedTable): Table {
  return examplesTable(exampleFields(layout, values), values, labels, split)
}

function readFromOutside({ nodes }: Graph, inside: ReadonlySet<string>): Set<string> {
  const outside = nodes.filter(({ id }) => !inside.has(id))
  return new Set(outside.flatMap(({ inputs }) => [...inputs.values()].map(({ id, port }) => `${id}.${port}`)))
}

/** The same array where its memory is shared, and not part of what a kernel takes back; else a copy that is. */
function shared<A extends Uint8Array | Float32Array | Int32Array>(array: A, { memoryOutlivesClose }: Kernels): A {
  if (array.buffer instanceof SharedArrayBuffer && memoryOutlivesClose) return array
  const copy = new Uint8Array(new SharedArrayBuffer(array.byteLength))
  copy.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength))
  const make = array.constructor as new (buffer: SharedArrayBuffer) => A
  return new make(copy.buffer)
}

function isNotForSharing(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof NotForSharing) return true
  return false
}

import type { Table } from 'apache-arrow'
import type { Observable } from 'rxjs'
import type { Kernels } from '../../kernels/contract.js'
import type { DataSource } from '../base/data-source.js'
import { randomStreams, splitStreams } from '../base/random.js'
import type { Graph, Node } from '../graph/node.js'
import type { Pipeline } from '../graph/pipeline.js'
import { localParallel } from '../parallel/local.js'
import type { StageContext } from '../stage/context.js'
import { runMemory } from '../stage/memory.js'
import type { Port } from '../stage/port.js'
import type { AnyStage } from '../stage/stage.js'
import { type ExamplesLayout, exampleFields, examplesTable, kernelRows, layoutOf, splitOf } from '../wires/examples.js'
import { type PerRow, perRowOf } from '../wires/per-row.js'
import { classRemarks, isLoader, watchData } from './data-summary.js'
import { isStop, runGraph } from './run-graph.js'

/** A table of examples that can be sent to another thread, because its rows lie in shared memory. */
export interface PreparedTable {
  /** The split of the rows. */
  readonly split: string
  /** Shape, classes and the like. */
  readonly layout: ExamplesLayout
  /** The features, row by row: `[rows, width]`. */
  readonly values: Uint8Array | Float32Array
  /** The label of each row. */
  readonly labels: Int32Array
  /** What else is known of each row. */
  readonly perRow?: PerRow | undefined
}

/** Everything that a stage did while it prepared data. */
export interface PreparedStage {
  /** The files that it read. */
  readonly sources: readonly DataSource[]
  /** Its notes. */
  readonly notes: readonly string[]
  /** The tables of each output that the rest of the pipeline reads. */
  readonly outputs: Readonly<Record<string, readonly PreparedTable[]>>
}

/** The prepared data of a pipeline. It can be sent to another thread, and replaces the stages that made it. */
export interface Prepared {
  /** The stages that were run, by id. */
  readonly stages: Readonly<Record<string, PreparedStage>>
  /** True if another seed would have given other data. */
  readonly usesSeed: boolean
  /** The size of all tables, in bytes. */
  readonly bytes: number
}

/**
 * Returns the stages that only prepare data: load stages that name their files (`Stage.sources`), and stages that make
 * examples from the examples of such stages alone.
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

/** Thrown inside a stage that does more than prepare data. */
class NotOnlyPreparing extends Error {}

/**
 * Runs the stages of a pipeline that only prepare its data. Returns undefined if one of them does something else as
 * well, such as writing a file, or if the definition limits the memory of a run. Rejects as a run does. Copies the rows
 * if they lie in the kernel's own memory (wasm).
 */
export async function prepare(
  pipeline: Pipeline,
  kernels: Kernels,
  signal?: AbortSignal,
): Promise<Prepared | undefined> {
  // What runs share would count against the memory of none of them.
  if (pipeline.definition.memory !== undefined) return undefined
  const nodes = preparedNodes(pipeline.graph)
  const read = readFromOutside(pipeline.graph, new Set(nodes.map(({ id }) => id)))
  const stages: Record<string, PreparedStage> = {}
  let usesSeed = false
  let bytes = 0

  function contextOf({ id, inputFacts }: Node): Omit<StageContext, 'flow' | 'signal' | 'stop' | 'enough'> {
    const [notes, sources]: [string[], DataSource[]] = [[], []]
    const random = randomStreams(pipeline.seed, id)
    stages[id] = { notes, sources, outputs: {} }
    return {
      id,
      inputs: inputFacts,
      asked: [],
      watched: undefined,
      kernels,
      memory: runMemory(),
      // Who asks for what stands above keeps files of it.
      above: {
        get digest(): never {
          throw new NotOnlyPreparing()
        },
        sources: [],
        read: () => [],
      },
      learner: () => {
        throw new NotOnlyPreparing()
      },
      random: (purpose, epoch) => {
        usesSeed = true
        return random(purpose, epoch)
      },
      splitRandom: splitStreams(pipeline.splitSeed, id),
      directory: '',
      file: () => {
        throw new NotOnlyPreparing()
      },
      unlistedFile: () => {
        throw new NotOnlyPreparing()
      },
      isOwn: false,
      source: (source) => sources.push(source),
      note: (message) => notes.push(message),
      state: () => {
        throw new NotOnlyPreparing()
      },
      parallel: localParallel,
      terminal: { interactive: false, write: () => {} },
    }
  }

  const tables = new Map<string, PreparedTable[]>()
  function watch(node: Node, port: string, wire: Observable<Table>): void {
    const { id } = node
    if (isLoader(node, port))
      watchData(wire, (data) => {
        ;(stages[id]!.notes as string[]).push(...classRemarks(data))
      })
    const key = `${id}.${port}`
    if (!read.has(key)) return
    const kept: PreparedTable[] = []
    tables.set(key, kept)
    const next = (table: Table): void => {
      const { values, labels, row, weight } = kernelRows(table)
      for (const array of [values, labels, row, weight]) bytes += array?.byteLength ?? 0
      kept.push({
        split: splitOf(table),
        layout: layoutOf(table),
        values: shared(values, kernels),
        labels: shared(labels, kernels),
        perRow: perRowOf({ row: row && shared(row, kernels), weight: weight && shared(weight, kernels) }),
      })
    }
    wire.subscribe({ next, error: () => {} })
  }

  const quiet = (): undefined => {}
  try {
    await runGraph({ nodes }, { contextOf, watch, onWired: quiet, onEnding: quiet, onStageEnd: quiet, signal })
  } catch (error) {
    if (isNotOnlyPreparing(error)) return undefined
    throw error
  }
  if (Object.values(stages).some(({ notes }) => notes.some(isStop))) return undefined
  for (const { id, stage } of nodes) {
    const outputs = Object.keys(stage.outputs).map((port) => [port, tables.get(`${id}.${port}`) ?? []] as const)
    stages[id] = { ...stages[id]!, outputs: Object.fromEntries(outputs) }
  }
  return { stages, usesSeed, bytes }
}

/** Returns the graph with the prepared stages replaced by stages that emit the prepared tables. */
export function withPrepared(graph: Graph, { stages }: Prepared): Graph {
  return {
    nodes: graph.nodes.map((node) => {
      const done = stages[node.id]
      return done ? { ...node, inputs: new Map(), stage: replaying(node.stage, done) } : node
    }),
  }
}

/** Returns a stage that repeats the sources, notes and tables of a prepared one. */
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

function tableOf({ split, layout, values, labels, perRow }: PreparedTable): Table {
  return examplesTable(exampleFields(layout, values), values, labels, split, undefined, undefined, perRow)
}

/** Returns the outputs (`id.port`) of the nodes in `inside` that other nodes read. */
function readFromOutside({ nodes }: Graph, inside: ReadonlySet<string>): Set<string> {
  const outside = nodes.filter(({ id }) => !inside.has(id))
  return new Set(outside.flatMap(({ inputs }) => [...inputs.values()].map(({ id, port }) => `${id}.${port}`)))
}

/**
 * Returns the array in shared memory that stays: the array itself if possible, else a copy. Some kernels free their
 * memory when they close.
 */
function shared<A extends Uint8Array | Float32Array | Int32Array>(array: A, { memoryOutlivesClose }: Kernels): A {
  if (array.buffer instanceof SharedArrayBuffer && memoryOutlivesClose) return array
  const copy = new Uint8Array(new SharedArrayBuffer(array.byteLength))
  copy.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength))
  const make = array.constructor as new (buffer: SharedArrayBuffer) => A
  return new make(copy.buffer)
}

function isNotOnlyPreparing(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof NotOnlyPreparing) return true
  return false
}

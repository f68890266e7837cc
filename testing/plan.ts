import { PipelineError } from '../pipeline/base/errors.js'
import type { Insert, TestCase } from '../pipeline/definition/tests.js'
import { formatOrigin, locate, type Value } from '../pipeline/definition/value.js'
import type { Node } from '../pipeline/graph/node.js'
import type { AddedStage } from '../pipeline/graph/part.js'
import type { Pipeline } from '../pipeline/graph/pipeline.js'
import { resolveStage } from '../pipeline/graph/registry.js'
import { watchedOf } from '../pipeline/graph/watched.js'
import type { Ports, WireType } from '../pipeline/stage/port.js'
import type { AnyStage } from '../pipeline/stage/stage.js'
import { insertedStage, readRows } from './inserted.js'
import { Observed } from './observed.js'
import { insertsOf, type Place, partOf, placeNamed } from './places.js'

/** What goes into a pipeline: the stages that feed it, and what they feed. */
export interface Inserted {
  /** The stages. */
  readonly added: readonly AddedStage[]
  /** The output `id.port` that each input `id.port` reads. */
  readonly inputs: ReadonlyMap<string, string>
  /** The output `id.port` that takes the place of an output. */
  readonly wires: ReadonlyMap<string, string>
  /** The first rows that went in, for messages, by the place they went to. */
  readonly seen: ReadonlyMap<string, Observed>
}

/** Rows of an input that a failure shows. */
const SHOWN = 5

/** Makes the stages that insert the rows of a test. Throws a PipelineError with the place of rows that do not fit. */
export async function insertedOf(pipeline: Pipeline, test: TestCase, value: Value, folder: string): Promise<Inserted> {
  const added: AddedStage[] = []
  const [inputs, wires] = [new Map<string, string>(), new Map<string, string>()]
  const seen = new Map<string, Observed>()
  for (const [i, insert] of insertsOf(test).entries()) {
    const side = insert.into === undefined ? 'outputs' : 'inputs'
    const { node, port } = placeNamed(pipeline, (insert.into ?? insert.wire)!, side) as Place
    const part = partOf(value, 'insert', i)
    const type = (node.stage[side] as Ports)[port!]!.type
    try {
      added.push(...(await stagesOf(pipeline, insert, type, part, `inserted-${i}`, folder)))
    } catch (error) {
      if (!(error instanceof PipelineError)) throw error
      const where = formatOrigin(locate(part, [insert.rows === undefined ? 'use' : 'rows']).origin)
      throw new PipelineError(
        error.code,
        error.problems.map((problem) => ({ where, ...problem, message: `insert: ${problem.message}` })),
      )
    }
    const last = added.at(-1)!
    const output = `${last.id}.${Object.keys(last.stage.outputs)[0]}`
    ;(insert.into === undefined ? wires : inputs).set(`${node.id}.${port}`, output)
    const looking = new Observed({ columns: undefined, where: {}, keep: 'first', most: SHOWN })
    seen.set(`${node.id}.${port} (${type})`, looking)
    added.splice(added.length - 1, 0, { id: `seen-${i}`, stage: looking.stage(), from: output, origin: part.origin })
  }
  return { added, inputs, wires, seen }
}

async function stagesOf(
  pipeline: Pipeline,
  insert: Insert,
  type: WireType,
  part: Value,
  id: string,
  folder: string,
): Promise<AddedStage[]> {
  const { rows, use, split = 'train', size = 100, epochs = 1 } = insert
  const { origin } = part
  const named = (stage: AnyStage, options?: Readonly<Record<string, unknown>>): AddedStage => ({
    id,
    stage,
    origin,
    ...(options && { with: optionsAt(options, origin) }),
  })
  if (use !== undefined) {
    const stage = await resolveStage(use, folder, pipeline.definition.trust)
    const loading = {
      ...named(stage),
      with: locate(part, ['with']).data === part.data ? undefined : locate(part, ['with']),
    }
    return type === 'batch' && stage.outputs && outputType(stage) === 'examples'
      ? [
          { ...loading, id: `${id}-rows` },
          {
            ...named(await resolveStage('batch/rows', folder), { split, size, epochs }),
            from: `${id}-rows.${Object.keys(stage.outputs)[0]}`,
          },
        ]
      : [loading]
  }
  if (typeof rows === 'string' && !/\.(csv|jsonl)$/i.test(rows))
    return [named(await resolveStage('load/wire', folder), { path: rows, wire: type })]
  const list = typeof rows === 'string' ? readRows(rows, folder) : rows!
  if (list.length === 0) throw new PipelineError('DATA', `there are no rows in ${String(rows)}`)
  return [named(insertedStage(list, insert, type))]
}

function outputType(stage: AnyStage): WireType | undefined {
  return Object.values(stage.outputs as Ports)[0]?.type
}

function optionsAt(options: Readonly<Record<string, unknown>>, origin: Value['origin']): Value {
  const entries = Object.entries(options).map(([key, data]) => [key, { key: origin, value: { data, origin } }] as const)
  return { data: new Map(entries), origin } as Value
}

/**
 * The stages on the way to some places, from the inserted rows on, and what their inputs read. A stage that a metric steers is
 * on the way with the stage that makes the metric.
 */
export function wayTo(pipeline: Pipeline, ends: readonly Node[], inserted: Pick<Inserted, 'inputs' | 'wires'>) {
  const { graph } = pipeline
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]))
  const ids = new Set<string>()
  const sources = new Map<string, string>()
  const visit = (node: Node): void => {
    if (ids.has(node.id)) return
    ids.add(node.id)
    for (const [port, source] of node.inputs) {
      const fed = inserted.inputs.get(`${node.id}.${port}`) ?? inserted.wires.get(`${source.id}.${source.port}`)
      if (fed === undefined) visit(nodes.get(source.id)!)
      else sources.set(`${node.id}.${port}`, fed)
    }
    const watched = watchedOf(node, graph)
    if (watched) visit(nodes.get(watched.id)!)
  }
  for (const node of ends) visit(node)
  return { ids, sources }
}

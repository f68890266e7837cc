import type { Table } from 'apache-arrow'
import { defer, map, mergeMap, type Observable, take, tap } from 'rxjs'
import { PipelineError } from '../pipeline/base/errors.js'
import { plain } from '../pipeline/definition/value.js'
import type { Node } from '../pipeline/graph/node.js'
import type { Pipeline } from '../pipeline/graph/pipeline.js'
import { isLoader } from '../pipeline/run/data-summary.js'
import { isTraining } from '../pipeline/run/first-step.js'
import type { StageContext } from '../pipeline/stage/context.js'
import type { Ports } from '../pipeline/stage/port.js'
import type { AnyStage } from '../pipeline/stage/stage.js'
import { splitOf } from '../pipeline/wires/examples.js'
import { type Position, positionOf, reposition } from '../pipeline/wires/position.js'

/* Pipelines for a trial: the same stages, with few rows or few steps. */

type Wire = Observable<Table>

function types(ports: Ports): string[] {
  return Object.values(ports).map(({ type }) => type)
}

/** Replaces a stage by one that changes what it emits, by port. It keeps its name, options and wires. */
export function changing(
  pipeline: Pipeline,
  { id, stage, entry }: Node,
  change: (wire: Wire, port: string, context: StageContext) => Wire,
): Pipeline {
  const ports = Object.keys(stage.outputs)
  const changed = (out: unknown, context: StageContext): unknown =>
    ports.length === 1
      ? change(out as Wire, ports[0]!, context)
      : Object.fromEntries(ports.map((port) => [port, change((out as Record<string, Wire>)[port]!, port, context)]))
  const wrapped: AnyStage = {
    ...stage,
    run: (options, context) => {
      const out = stage.run(options, context) as Wire | ((inputs: unknown) => unknown)
      return typeof out === 'function' ? (inputs: unknown) => changed(out(inputs), context) : changed(out, context)
    },
  }
  return pipeline.replace(id, wrapped, plain(entry.with) as Record<string, unknown>) as Pipeline
}

/**
 * Returns a pipeline whose load stages give only the first `rows` rows of each split that `isCut` names. Reads the data as
 * the whole pipeline does.
 */
export function withFewRows(
  pipeline: Pipeline,
  rows: number,
  isCut: (split: string) => boolean = () => true,
): Pipeline {
  let made = pipeline
  for (const node of pipeline.graph.nodes)
    if (Object.keys(node.stage.outputs).some((port) => isLoader(node, port)))
      made = changing(made, node, (wire, port) =>
        (node.stage.outputs as Ports)[port]!.type === 'examples' ? firstRows(wire, rows, isCut) : wire,
      )
  return made
}

function firstRows(wire: Wire, rows: number, isCut: (split: string) => boolean): Wire {
  return defer(() => {
    const left = new Map<string, number>()
    return wire.pipe(
      mergeMap((table) => {
        const split = splitOf(table)
        if (!isCut(split)) return [table]
        const room = left.get(split) ?? rows
        left.set(split, Math.max(0, room - table.numRows))
        if (table.numRows <= room) return [table]
        return room > 0 ? [table.slice(0, room)] : []
      }),
    )
  })
}

/** Returns a pipeline that makes at most `epochs` epochs: the option `epochs` of the stages that make batches is no larger. */
export function withFewEpochs(pipeline: Pipeline, epochs: number): Pipeline {
  let made = pipeline
  for (const { id, stage, options } of pipeline.graph.nodes)
    if (Object.values(stage.outputs as Ports).some(({ type }) => type === 'batch') && Number(options.epochs) > epochs)
      made = made.set(id, { epochs }) as Pipeline
  return made
}

/**
 * Returns a pipeline that makes at most `count` steps, and ends as a whole one does: the stages that make batches emit no more,
 * as the only epoch.
 *
 * @param see gets the position that the first batch has in the whole pipeline
 */
export function withFewSteps(pipeline: Pipeline, count: number, see: (position: Position) => void): Pipeline {
  let made = pipeline
  for (const node of pipeline.graph.nodes)
    if (types(node.stage.inputs).includes('examples') && types(node.stage.outputs).includes('batch'))
      made = changing(made, node, (wire, port) =>
        node.stage.outputs[port].type === 'batch' ? firstSteps(wire, count, see) : wire,
      )
  return made
}

function firstSteps(wire: Wire, count: number, see: (position: Position) => void): Wire {
  return wire.pipe(
    map((table, i) => {
      const position = positionOf(table)
      if (i === 0) see(position)
      const steps = Math.min(count, position.steps * position.epochs)
      return reposition(table, { epoch: 1, step: i + 1, epochs: 1, steps })
    }),
    take(count),
  )
}

/** Returns a pipeline that tells `see` of each table of parameters that its training makes. */
export function watchingSteps(pipeline: Pipeline, see: () => void): Pipeline {
  let made = pipeline
  for (const node of trainersOf(pipeline))
    made = changing(made, node, (wire, port) =>
      node.stage.outputs[port].type === 'parameters' ? wire.pipe(tap(see)) : wire,
    )
  return made
}

/** Gives the problems of a trial the places that the stages have in the definition. */
export function inDefinition(error: unknown, { graph }: Pipeline): unknown {
  if (!(error instanceof PipelineError)) return error
  const problems = error.problems.map((problem) => {
    const node = graph.nodes.find(({ title }) => problem.message.startsWith(`${title}: `))
    return problem.where === 'code' && node ? { ...problem, where: node.where } : problem
  })
  return new PipelineError(error.code, problems, { cause: error })
}

/** The stages that make parameters. */
export function trainersOf({ graph }: Pipeline): Node[] {
  return graph.nodes.filter(isTraining)
}

/** The largest batch of a pipeline, in rows; 1 if no stage says. */
export function batchSizeOf({ graph }: Pipeline): number {
  return Math.max(
    1,
    ...graph.nodes.map(({ stage, options }) =>
      'size' in options && Object.values(stage.outputs as Ports).some(({ type }) => type === 'batch')
        ? Number(options.size) || 1
        : 1,
    ),
  )
}

/** Throws a PipelineError `ARGUMENTS` if the sinks of a trial may write outside of its directory. */
export function checkTrialPlace({ definition }: Pipeline, what: string): void {
  if (definition.trust.allowAbsolutePaths)
    throw new PipelineError(
      'ARGUMENTS',
      `${what} writes into a temporary directory alone; leave --allow-absolute-paths out`,
    )
}

import type { Problem } from '../pipeline/base/errors.js'
import { errorCodes } from '../pipeline/base/errors.js'
import { suggestion } from '../pipeline/base/nearest.js'
import type { Expectation, Insert, TestCase } from '../pipeline/definition/tests.js'
import { formatOrigin, isList, locate, type Value } from '../pipeline/definition/value.js'
import type { Node } from '../pipeline/graph/node.js'
import type { Pipeline } from '../pipeline/graph/pipeline.js'
import type { Ports } from '../pipeline/stage/port.js'

/** A port of a stage. */
export interface Place {
  /** The stage. */
  readonly node: Node
  /** Its input or output; undefined for a sink that is looked at. */
  readonly port: string | undefined
}

/** The inserts of a test. */
export const insertsOf = ({ insert }: TestCase): readonly Insert[] => [insert ?? []].flat()
/** What a test expects. */
export const expectationsOf = ({ expect }: TestCase): readonly Expectation[] => [expect].flat()

/** The part of a written test that is item `i` of a key which may have one or a list. */
export function partOf(value: Value, key: string, i: number): Value {
  const part = locate(value, [key])
  return isList(part) ? part.data[i]! : part
}

/**
 * Finds the place that a text such as `id` or `id.port` names. Returns a message if there is none.
 *
 * @param side which ports are meant
 */
export function placeNamed(pipeline: Pipeline, text: string, side: 'inputs' | 'outputs'): Place | string {
  const { nodes } = pipeline.graph
  const [id = '', port] = text.split('.', 2)
  const node = nodes.find((each) => each.id === id)
  if (!node)
    return `no stage with id "${id}"${suggestion(
      id,
      nodes.map((each) => each.id),
      'ids',
    )}`
  const ports = Object.keys(node.stage[side])
  const [noun, one] = side === 'inputs' ? ['inputs', 'input'] : ['outputs', 'output']
  if (port !== undefined)
    return ports.includes(port)
      ? { node, port }
      : `"${id}" has no ${one} named "${port}"${suggestion(port, ports, noun)}`
  if (ports.length > 1) return `"${id}" has the ${noun} ${ports.join(', ')}; name one: ${id}.${ports[0]}`
  if (ports.length === 0 && side === 'inputs')
    return `"${id}" (${node.title}) loads its rows itself and has no input; wire: ${id} replaces what it emits`
  return { node, port: ports[0] }
}

/** The stage whose output an expectation is about; undefined if it is about the whole run. A message if there is none. */
export function observedPlace(
  pipeline: Pipeline,
  test: TestCase,
  expectation: Expectation,
): Place | string | undefined {
  const { from, metrics, rows, count, tables, splits } = expectation
  if (from !== undefined) return placeNamed(pipeline, from, 'outputs')
  if (metrics) {
    const found = metricsPlace(pipeline, Object.keys(metrics))
    if (found) return found
  }
  const [into, ...others] = insertsOf(test).flatMap((each) => each.into ?? [])
  if (into !== undefined && others.length === 0) return placeNamed(pipeline, into.split('.', 1)[0]!, 'outputs')
  if (metrics) return 'no stage makes metrics'
  if ((rows ?? count ?? tables ?? splits) === undefined) return undefined
  return 'from is required: expected the stage whose output is looked at'
}

function metricsPlace({ graph }: Pipeline, names: readonly string[]): Place | undefined {
  const places = graph.nodes.flatMap((node) =>
    Object.entries(node.stage.outputs as Ports).flatMap(([port, { type }]) =>
      type === 'metrics' ? [{ node, port }] : [],
    ),
  )
  const knows = ({ node, port }: { node: Node; port: string }) =>
    names.every((name) => node.facts[port]?.metrics?.includes(name))
  return places.find(knows) ?? places[0]
}

/** Finds every mistake in a test that can be known before data is read. */
export function checkTest(pipeline: Pipeline, test: TestCase, value: Value): Problem[] {
  const problems: Problem[] = []
  const report = (part: Value, key: string, message: string): void => {
    const at = locate(part, key === '' ? [] : [key])
    problems.push({ where: formatOrigin(at.origin), message: `test ${JSON.stringify(test.name)}: ${message}` })
  }
  for (const [i, { into, wire }] of insertsOf(test).entries()) {
    const part = partOf(value, 'insert', i)
    const key = into === undefined ? 'wire' : 'into'
    const place = placeNamed(pipeline, (into ?? wire)!, into === undefined ? 'outputs' : 'inputs')
    if (typeof place === 'string') report(part, key, `insert: ${key}: ${place}`)
    else if (place.port === undefined) report(part, key, `insert: wire: "${wire}" is a sink and has no output`)
  }
  for (const [i, expectation] of expectationsOf(test).entries()) {
    const part = partOf(value, 'expect', i)
    const place = observedPlace(pipeline, test, expectation)
    const { rows, count, tables, splits, metrics, error } = expectation
    if (typeof place === 'string') report(part, expectation.from === undefined ? '' : 'from', `expect: ${place}`)
    else if (place?.port === undefined && place && (rows ?? count ?? tables ?? splits ?? metrics) !== undefined)
      report(part, 'from', `expect: from: "${place.node.id}" is a sink: expect its files, notes or an error`)
    const code = typeof error === 'object' ? error.code : undefined
    if (code !== undefined && !errorCodes.includes(code as never))
      report(
        part,
        'error',
        `expect: error: code: no error code ${JSON.stringify(code)}${suggestion(code, errorCodes, 'codes')}`,
      )
  }
  return problems
}

import { basename } from 'node:path'
import { start } from '../index.js'
import type { Node } from '../pipeline/graph/node.js'
import type { AddedStage } from '../pipeline/graph/part.js'
import type { Pipeline } from '../pipeline/graph/pipeline.js'
import { isFile } from '../pipeline/graph/registry.js'
import type { Ports } from '../pipeline/stage/port.js'
import type { CellRow } from './cells.js'
import { Observed } from './observed.js'
import { wayTo } from './plan.js'
import { flowText } from './update.js'

/** More numbers in a row than this are not written into a file of tests. */
const MOST_NUMBERS = 64

/** Rows that are written of a stage. */
const ROWS = 2

const comment = `# What this pipeline does, as it did when this file was made. Correct what should be otherwise, and add tests of your own.
# millrace test runs them, millrace test --update writes new values after a change that is meant.`

/**
 * Runs a pipeline for one epoch and returns the text of a file of tests that records what has come out: splits and rows of the
 * data, what stages of the user make of the first rows, the metrics, and that the gradient is right.
 */
export async function createTests(pipeline: Pipeline, file: string, signal: AbortSignal): Promise<string> {
  const whole = pipeline.undivided()
  const { nodes } = whole.graph
  const outputs = nodes.flatMap((node) =>
    Object.entries(node.stage.outputs as Ports).map(([port, { type }]) => ({
      node,
      port,
      type,
      key: `${node.id}.${port}`,
    })),
  )
  const loaders = outputs.filter(({ node, type }) => type === 'examples' && node.inputs.size === 0)
  const metrics = outputs.filter(({ type }) => type === 'metrics')
  const trainers = outputs.filter(({ node, type }) => type === 'parameters' && takes(node, 'batch'))
  const own = outputs.filter(({ node, type }) => isFile(node.entry.use) && isRows(type) && feeds(node).length === 1)
  const epochs = nodes.filter(
    ({ options, stage }) => makes(stage.outputs, 'batch') && 'epochs' in options && Number(options.epochs) > 1,
  )
  const set = Object.fromEntries(epochs.map(({ id }) => [`${id}.epochs`, 1]))
  const short = epochs.reduce((made, { id }) => made.set(id, { epochs: 1 }), whole as Pipeline)
  const keys = new Set(
    [...loaders, ...metrics, ...own].map(({ key }) => key).concat(own.flatMap(({ node }) => feeds(node))),
  )
  const seen = await seenAt(short, [...keys], signal)
  const tests: string[] = []
  for (const { node, key } of loaders) {
    const { splits } = seen.get(key)!
    if (splits.size > 0)
      tests.push(
        block(`${node.id} gives all rows`, [
          `expect: ${flowText({ from: node.id, splits: Object.fromEntries(splits) })}`,
        ]),
      )
  }
  for (const { node, key, type } of own) {
    const lines = linesOf(node, type, seen.get(feeds(node)[0]!)!, seen.get(key)!)
    if (lines) tests.push(block(`${node.id} gives as many rows as it gets`, lines))
  }
  for (const { node, key } of metrics) {
    const values = Object.entries(seen.get(key)!.rows.at(-1) ?? {}).filter(
      ([name]) => name !== 'epoch' && name !== 'step',
    )
    if (values.length === 0) continue
    const lines = values.map(
      ([name, value]) => `    ${flowText(name)}: ${flowText(Number(Number(value).toPrecision(6)))}`,
    )
    const expected = ['expect:', `  from: ${node.id}`, '  tolerance: { relative: 0.0001 }', '  metrics:', ...lines]
    tests.push(
      block(`${node.id} after one epoch`, [...(epochs.length > 0 ? [`set: ${flowText(set)}`] : []), ...expected]),
    )
  }
  if (trainers.length === 1) tests.push(block('the gradient is right', ['expect: { gradient: {} }']))
  return `${[comment, `pipeline: ${flowText(`./${basename(file)}`)}`, 'tests:', tests.join('\n\n')].join('\n')}\n`
}

function block(name: string, lines: readonly string[]): string {
  return [`  - name: ${flowText(name)}`, ...lines.map((line) => `    ${line}`)].join('\n')
}

function takes(node: Node, type: string): boolean {
  return Object.values(node.stage.inputs as Ports).some((port) => port.type === type)
}

function makes(outputs: Ports, type: string): boolean {
  return Object.values(outputs).some((port) => port.type === type)
}

function isRows(type: string): boolean {
  return type === 'examples' || type === 'batch'
}

/** The outputs that feed a stage. */
function feeds({ inputs }: Node): string[] {
  return [...inputs.values()].map(({ id, port }) => `${id}.${port}`)
}

async function seenAt(
  pipeline: Pipeline,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, Observed>> {
  const found = new Map<string, Observed>()
  const more: AddedStage[] = []
  for (const [i, key] of keys.entries()) {
    const isMetrics = pipeline.graph.nodes.some(
      ({ id, stage }) => makes(stage.outputs, 'metrics') && key.startsWith(`${id}.`),
    )
    const observed = new Observed({ columns: undefined, where: {}, keep: isMetrics ? 'last' : 'first', most: ROWS })
    found.set(key, observed)
    more.push({ id: `seen-${i}`, stage: observed.stage(), from: key, origin: { kind: 'code' } })
  }
  const ends = pipeline.graph.nodes.filter(({ id }) => keys.some((key) => key.startsWith(`${id}.`)))
  const { ids, sources } = wayTo(pipeline, ends, { inputs: new Map(), wires: new Map() })
  await start(pipeline.part({ ids, sources, more }), { directory: false, kernel: 'wasm', threads: 1, signal }).result
  return found
}

/** The lines of the test of a stage of the user: it gets the first rows that it got. */
function linesOf(node: Node, type: string, input: Observed, output: Observed): string[] | undefined {
  const rows = input.rows.map(writable)
  if (rows.length === 0 || output.rows.length === 0 || rows.some((row) => row === undefined)) return undefined
  const isBytes = input.rows.every(
    ({ stored }) =>
      Array.isArray(stored) && stored.every((value) => Number.isInteger(value) && value >= 0 && value < 256),
  )
  return [
    'insert:',
    `  into: ${node.id}`,
    ...(isBytes ? ['  type: uint8'] : []),
    ...(type === 'batch' ? [`  size: ${rows.length}`] : []),
    '  rows:',
    ...rows.map((row) => `    - ${flowText(row)}`),
    'expect:',
    `  count: ${rows.length}`,
  ]
}

/** A row as a test writes it; undefined if it is too long. */
function writable({ stored, label, weight }: CellRow): CellRow | undefined {
  if (!Array.isArray(stored) || stored.length > MOST_NUMBERS) return undefined
  return { features: stored, ...(label !== undefined && { label }), ...(weight !== undefined && { weight }) }
}

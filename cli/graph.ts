import { flowChart } from '../figures/flow-chart.js'
import { Pipeline } from '../index.js'
import { formatBytes } from '../pipeline/base/byte-size.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import { counted, shortPath } from '../pipeline/base/words.js'
import { type Outline, outlineOf } from '../pipeline/graph/outline.js'
import { type graphFormats, type ReadingFlags, readOptions } from './options.js'
import type { Output } from './terminal.js'
import { checkTrialPlace } from './trial.js'
import type { SeenWire } from './trial-wires.js'
import { type Tried, tried } from './tried.js'
import { writeOut } from './written-file.js'

/** The flags of `millrace graph`. */
export interface GraphFlags extends ReadingFlags {
  /** How the graph is written. */
  readonly format: (typeof graphFormats)[number]
  /** Reads the data, makes a few steps, and says what passed each wire. */
  readonly measure?: boolean
  /** The file to write; by default the graph is printed. */
  readonly out?: string
  /** Replaces the file of `out`. */
  readonly force?: boolean
}

/**
 * `millrace graph`: shows the stages of a pipeline and the wires between them, without reading data; with `measure`, also what
 * passed the wires in a trial with the data.
 */
export async function graphCommand(name: string, flags: GraphFlags, output: Output): Promise<void> {
  const pipeline = await Pipeline.load(name, readOptions(flags))
  if (flags.measure) checkTrialPlace(pipeline, '--measure')
  const outline = outlineOf(pipeline.graph)
  const shown = flags.measure ? measured(outline, await tried(pipeline.undivided(), {}, output)) : outline
  const text = writers[flags.format](shown, pipeline.name)
  if (flags.out === undefined) return output.write(text)
  writeOut(flags.out, text, { force: flags.force })
  output.write(`${shortPath(flags.out)}: ${counted(pipeline.graph.nodes.length, 'stage')}\n`)
}

/** An outline that says also what a trial saw on the wires. */
function measured({ stages, wires }: Outline, { wires: seen, inFlight }: Tried): Outline {
  const seenOn = (stage: string, port: string): string[] => {
    const wire = seen.find((each) => each.stage === stage && each.port === port)
    return wire ? sizesOf(wire) : []
  }
  return {
    stages: stages.map((stage) => ({
      ...stage,
      ...(inFlight[stage.id] && { inFlight: inFlight[stage.id] }),
      outputs: stage.outputs.map((output) => ({
        ...output,
        known: [...output.known, ...seenOn(stage.id, output.port)],
      })),
    })),
    wires,
  }
}

function sizesOf({ tables, rows, rowsPerTable, width, bytes, type }: SeenWire): string[] {
  if (tables === 0) return ['no table']
  const size = `${formatBytes(bytes)}${tables > 1 ? ' at most' : ''}`
  if (type === 'parameters' || type === 'metrics') return [`a table of ${size}`]
  const across = width === undefined ? '' : ` × ${width}`
  return type === 'examples'
    ? [`${rows}${across} in ${counted(tables, 'table')} of ${size}`]
    : [`tables of ${rowsPerTable}${across}, ${size}`]
}

const writers: Readonly<Record<GraphFlags['format'], (outline: Outline, name: string) => string>> = {
  text: asText,
  mermaid: asMermaid,
  svg: asSvg,
  dot: asDot,
  json: (outline) => `${JSON.stringify(outline)}\n`,
}

function asText({ stages, wires }: Outline): string {
  return stages
    .flatMap(({ id, use, holds, outputs, inFlight }) => {
      const inputs = wires.filter(({ to }) => to === id)
      return [
        `${id}: ${use}`,
        ...inputs.map(
          ({ input, from, output, type }) =>
            `  ← ${input}${input === type ? '' : ` (${type})`} of ${from}${output === input ? '' : `.${output}`}`,
        ),
        ...outputs.map(
          ({ port, type, known }) => `  → ${[port === type ? port : `${port} (${type})`, ...known].join(', ')}`,
        ),
        ...(holds === undefined ? [] : [`  holds ${holds}`]),
        ...(inFlight === undefined ? [] : [`  had at most ${counted(inFlight, 'table')} in flight`]),
      ]
    })
    .map((line) => `${oneLine(line)}\n`)
    .join('')
}

function asSvg({ stages, wires }: Outline, name: string): string {
  const boxes = stages.map(({ id, use, outputs }) => ({
    id,
    lines: [id, use, ...outputs.flatMap(({ known }) => known)],
  }))
  return flowChart(
    name,
    boxes,
    wires.map(({ from, to, type }) => ({ from, to, kind: type })),
  )
}

function asMermaid({ stages, wires }: Outline): string {
  const names = new Map(stages.map(({ id }, i) => [id, `stage${i}`]))
  const escaped = (text: string): string =>
    oneLine(text).replaceAll('#', '#35;').replaceAll('"', '#quot;').replaceAll('<', '#lt;')
  return [
    'flowchart TD',
    ...stages.map(({ id, use }) => `  ${names.get(id)}["${escaped(id)}<br/>${escaped(use)}"]`),
    ...wires.map(({ from, to, type }) => `  ${names.get(from)} -->|"${escaped(type)}"| ${names.get(to)}`),
    '',
  ].join('\n')
}

function asDot({ stages, wires }: Outline, name: string): string {
  const quoted = (text: string): string => `"${oneLine(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
  return [
    `digraph ${quoted(name)} {`,
    '  node [shape=box, fontname="sans-serif"]',
    '  edge [fontname="sans-serif", fontsize=10]',
    ...stages.map(({ id, use }) => `  ${quoted(id)} [label=${quoted(id).slice(0, -1)}\\n${quoted(use).slice(1)}]`),
    ...wires.map(({ from, to, type }) => `  ${quoted(from)} -> ${quoted(to)} [label=${quoted(type)}]`),
    '}',
    '',
  ].join('\n')
}

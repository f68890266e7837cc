import type { Table } from 'apache-arrow'
import { ignoreElements, takeWhile, toArray } from 'rxjs'
import { Pipeline, start } from '../index.js'
import { PipelineError } from '../pipeline/base/errors.js'
import { nonFiniteAsText } from '../pipeline/base/json.js'
import { didYouMean } from '../pipeline/base/nearest.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import { listed, shortPath } from '../pipeline/base/words.js'
import { replaceFile } from '../pipeline/files/files.js'
import type { Node } from '../pipeline/graph/node.js'
import { isDivider, isLoader } from '../pipeline/run/data-summary.js'
import { defineStage, endsEpoch, type Port, positionOf, turn, wire, z } from '../pipeline/stage-kit.js'
import { type ExamplesLook, lookAtExamples } from '../report/examples.js'
import { upTo } from '../testing/part-of-pipeline.js'
import { type ReadingFlags, readOptions } from './options.js'
import { peekLines } from './peek-text.js'
import { type Sheet, sheetOf, sheetPng } from './sample-sheet.js'
import { interruption, type Output } from './terminal.js'

/** The options of `millrace peek`. */
export interface PeekFlags extends ReadingFlags {
  /** The id of the stage whose output is looked at. */
  readonly after?: string
  /** The file for a sheet of sample images. */
  readonly sheet?: string
  /** Prints JSON instead of text. */
  readonly json?: boolean
}

/** What is looked at: an output of a stage with examples, or batches of one epoch. */
interface Place {
  readonly node: Node
  readonly port: string
  readonly isBatches: boolean
}

/** Columns of the text where standard output is no terminal. */
const USUAL_WIDTH = 100

/**
 * `millrace peek`: runs the stages of a pipeline up to one, without a run directory, and shows what comes out of it.
 * Throws a PipelineError `ARGUMENTS` if that is neither examples nor batches, or if a sheet is asked of what are no images.
 */
export async function peekCommand(name: string, flags: PeekFlags, output: Output): Promise<void> {
  const pipeline = (await Pipeline.load(name, readOptions(flags))).undivided()
  const place = placeOf(pipeline, flags.after)
  if (flags.sheet !== undefined && !/\.png$/i.test(flags.sheet))
    throw new PipelineError(
      'ARGUMENTS',
      `--sheet ${shortPath(flags.sheet)}: expected the name of a PNG file: sheet.png`,
    )
  const stop = interruption(output)
  try {
    const { look, sheet, notes } = await peeked(pipeline, place, flags.sheet !== undefined, stop.signal)
    const { node } = place
    if (!look)
      throw new PipelineError('DATA', [{ where: node.where, message: `${node.title}: no rows came out of it` }])
    if (flags.sheet !== undefined) {
      if (!sheet)
        throw new PipelineError(
          'ARGUMENTS',
          `--sheet: the examples are no images (shape ${look.shape.join('x')}); expected a shape such as [1, 28, 28]`,
        )
      replaceFile(flags.sheet, await sheetPng(sheet, `${pipeline.name}: after ${node.title}`, stop.signal))
    }
    if (flags.json) {
      const record = { pipeline: pipeline.name, seed: pipeline.seed, after: node.id, notes, ...look }
      output.write(`${JSON.stringify(record, nonFiniteAsText)}\n`)
      return
    }
    const width = output.width ?? USUAL_WIDTH
    const lines = [`${oneLine(pipeline.name)}: after ${oneLine(node.title)} (${node.id})`, ...peekLines(look, width)]
    output.write(`${lines.join('\n')}\n`)
    for (const note of notes) output.write(`note: ${oneLine(note)}\n`)
    if (flags.sheet !== undefined) output.write(`images in ${shortPath(flags.sheet)}\n`)
  } finally {
    stop.release()
  }
}

/** The place to look at: behind the named stage, or where rows are divided for the last time. */
function placeOf({ name, graph }: Pipeline, after: string | undefined): Place {
  const places = graph.nodes.flatMap((node) =>
    Object.entries<Port>(node.stage.outputs).flatMap(([port, { type }]): Place[] =>
      type === 'examples' || type === 'batch' ? [{ node, port, isBatches: type === 'batch' }] : [],
    ),
  )
  if (after === undefined) {
    const found = places.findLast(({ node, port }) => isLoader(node, port) || isDivider(node, port)) ?? places[0]
    if (found) return found
    throw new PipelineError('ARGUMENTS', `${name}: no stage loads examples: there is nothing to look at`)
  }
  const found = places.find(({ node }) => node.id === after)
  if (found) return found
  const ids = places.map(({ node }) => node.id)
  const isStage = graph.nodes.some(({ id }) => id === after)
  throw new PipelineError(
    'ARGUMENTS',
    `--after ${after}: ${isStage ? 'that stage gives neither examples nor batches' : `there is no stage with that id${didYouMean(after, ids)}`}; ` +
      `expected ${listed(ids, 'or') || 'nothing: no stage does'}`,
  )
}

async function peeked(pipeline: Pipeline, { node, port, isBatches }: Place, hasSheet: boolean, signal: AbortSignal) {
  let look: ExamplesLook | undefined
  let sheet: Sheet | undefined
  let isDone = false
  const notes: string[] = []
  const ending = new AbortController()
  const looking = defineStage({
    name: 'peek',
    summary: 'Looks at the tables of a wire.',
    options: z.strictObject({}),
    inputs: { tables: isBatches ? wire.batch : wire.examples },
    outputs: {},
    example: '- use: peek',
    run: (_, context) => (tables) =>
      tables.pipe(
        // All epochs have the same rows.
        takeWhile((table) => !isBatches || !endsEpoch(positionOf(table)), true),
        toArray(),
        context.flow.concatMap(async (all: Table[]) => {
          look = await lookAtExamples(all, () => turn(context))
          if (hasSheet) sheet = sheetOf(all)
          isDone = true
          if (isBatches) ending.abort()
          return undefined as never
        }),
        ignoreElements(),
      ),
  })
  const running = start(
    upTo(pipeline, node.id).insertAfter(node.id, { id: freeId(pipeline), use: looking, from: `${node.id}.${port}` }),
    {
      directory: false,
      signal: AbortSignal.any([signal, ending.signal]),
    },
  )
  running.events.subscribe((event) => {
    if (event.type === 'note') notes.push(`${event.stage}: ${event.message}`)
  })
  try {
    await running.result
  } catch (error) {
    if (!isDone || signal.aborted) throw error
  }
  return { look, sheet, notes }
}

function freeId({ graph }: Pipeline): string {
  let id = 'peek'
  while (graph.nodes.some((node) => node.id === id)) id += '-'
  return id
}

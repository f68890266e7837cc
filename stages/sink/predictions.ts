import { z } from 'zod'
import {
  drawOffThread,
  type ImageLayout,
  imageLayout,
  inRows,
  type montageFigure,
  pixelsOf,
  rangeOf,
  type Tile,
} from '../../figures/index.js'
import { csvOf, defineStage, replaceFile, wire } from '../../pipeline/stage-kit.js'
import { drawn, figureFiles, figureOptions, figurePaths, stemOf } from './figure-files.js'
import { checkPredicting, predictedAtEnd, splitOption } from './predicted.js'
import type { PredictedRows } from './predicted-rows.js'

/** Number of images in a row. */
const COLUMNS = 10

/**
 * Shows the examples of one split for which the predictions have the highest confidence, wrong and right ones. Draws
 * the figure if examples are images, all with one scale of brightness. Always writes a CSV file of the same name.
 */
export const predictions = defineStage({
  name: 'sink/predictions',
  summary: 'Shows the most confidently wrong and the most confidently right examples.',
  options: z.strictObject({
    ...figureOptions('predictions'),
    split: splitOption,
    count: z.int().positive().max(1000).default(20).describe('Number of wrong and of right examples, each.'),
  }),
  inputs: { parameters: wire.parameters, examples: wire.examples },
  outputs: {},
  example: '- use: sink/predictions\n  from: { parameters: model, examples: examples }\n  with: { count: 10 }',
  holds: 'the examples (by reference)',
  parallel: 'every',
  onResume: { split: 'whole', count: 'whole' },
  optional: true,
  asks: () => ({ parameters: { arrays: 'last' } }),
  facts: checkPredicting,
  files: (options) => [...figurePaths(options), `${stemOf(options.path)}.csv`],
  run: (options, context) => {
    const file = context.file(`${stemOf(options.path)}.csv`)
    const known = context.inputs.examples?.shape
    // Registered files are listed in run.json, so only those that will be written are registered.
    const claimed = known && imageLayout(known) ? figureFiles(context, options) : undefined
    return (inputs) =>
      predictedAtEnd(
        context,
        options.split,
      )(inputs).pipe(
        drawn(context, async (all, pause) => {
          const wrong = surest(all, options.count, (i) => all.predicted[i] !== all.labels[i])
          const right = surest(all, options.count, (i) => all.predicted[i] === all.labels[i])
          const values = await all.features([...wrong, ...right])
          if (context.parallel.rank > 0) return
          replaceFile(file, tableOf(all, wrong, right))
          const layout = imageLayout(all.shape)
          const write = claimed ?? (layout && figureFiles(context, options))
          if (layout && write)
            await write(
              await drawOffThread('montageFigure', sheet(all, layout, values, wrong, right), context.signal),
              pause,
            )
          else context.note(`the examples are no images (shape ${all.shape.join('x')}): there is only the CSV`)
        }),
      )
  },
})

/** The `count` rows of one kind with the highest confidence, in descending order, the first of equals first. */
function surest({ confidence }: PredictedRows, count: number, isMeant: (row: number) => boolean): number[] {
  const best: number[] = []
  for (let row = 0; row < confidence.length; row++) {
    if (!isMeant(row) || (best.length === count && confidence[row]! <= confidence[best.at(-1)!]!)) continue
    let at = best.length
    while (at > 0 && confidence[best[at - 1]!]! < confidence[row]!) at--
    best.splice(at, 0, row)
    best.length = Math.min(best.length, count)
  }
  return best
}

/** What to draw of the examples. */
function sheet(
  all: PredictedRows,
  layout: ImageLayout,
  features: readonly (Uint8Array | Float32Array)[],
  wrong: readonly number[],
  right: readonly number[],
): Parameters<typeof montageFigure> {
  const { split, classes, labels, predicted, confidence, confidenceIs } = all
  const width = layout.width * layout.height * layout.channels
  const ranges = features.map((values) => rangeOf(values, 0, width))
  const range = [Math.min(...ranges.map(([low]) => low)), Math.max(...ranges.map(([, high]) => high))] as const
  const tile = (row: number, i: number): Tile => {
    const value = confidence[row]!
    const sure = confidenceIs === 'probability' ? `${(100 * value).toFixed(0)} %` : value.toPrecision(3)
    const truth = predicted[row] === labels[row] ? [] : [`is ${classes[labels[row]!]}`]
    const caption = [`${classes[predicted[row]!]}: ${sure}`, ...truth]
    return { image: pixelsOf(features[i]!, layout, range, 0), caption }
  }
  const tiles = [...wrong, ...right].map(tile)
  const groups = [
    ...inRows(tiles.slice(0, wrong.length), COLUMNS, 'Wrong'),
    ...inRows(tiles.slice(wrong.length), COLUMNS, 'Right'),
  ]
  const title = `What the model is most sure of, in ${split}`
  return [groups, { title, subtitle: `predicted class and its ${confidenceIs}` }]
}

function tableOf(
  { classes, row: numbers, labels, predicted, confidence, confidenceIs }: PredictedRows,
  ...kinds: readonly number[][]
): string {
  const rows = kinds.flat()
  return csvOf([
    ['row', 'class', 'predicted', confidenceIs, 'right'],
    ...rows.map((row) => [
      numbers[row]!,
      classes[labels[row]!]!,
      classes[predicted[row]!]!,
      confidence[row]!,
      String(predicted[row] === labels[row]),
    ]),
  ])
}

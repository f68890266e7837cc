import { stringify } from 'csv-stringify/sync'
import { z } from 'zod'
import { type Confusion, confusionFigure, confusionOf } from '../../figures/index.js'
import { defineStage, replaceFile, wire } from '../../pipeline/stage-kit.js'
import { drawn, figureFiles, figureOptions, figurePaths, stemOf } from './figure-files.js'
import { checkPredicting, predictedAtEnd, splitOption } from './predicted.js'

/**
 * Classifies one split with the last parameters and draws the confusion matrix, with precision, recall and F1 of each
 * class. Also writes a CSV file of the same name, in which shares with a denominator of zero are empty.
 */
export const confusion = defineStage({
  name: 'sink/confusion',
  summary: 'Draws the confusion matrix with precision, recall and F1 of each class.',
  options: z.strictObject({ ...figureOptions('confusion'), split: splitOption }),
  inputs: { parameters: wire.parameters, examples: wire.examples },
  outputs: {},
  example:
    '- use: sink/confusion\n  from: { parameters: model, examples: examples }\n' +
    '  with: { split: test, path: figures/confusion }',
  holds: 'the examples (by reference)',
  parallel: 'every',
  onResume: { split: 'whole' },
  optional: true,
  facts: checkPredicting,
  files: (options) => [...figurePaths(options), `${stemOf(options.path)}.csv`],
  run: (options, context) => {
    const write = figureFiles(context, options)
    const file = context.file(`${stemOf(options.path)}.csv`)
    return (inputs) =>
      predictedAtEnd(
        context,
        options.split,
      )(inputs).pipe(
        drawn(context, async ({ split, classes, labels, predicted }, pause) => {
          if (context.parallel.rank > 0) return
          const confusion = confusionOf(labels, predicted, classes)
          replaceFile(file, csvOf(confusion))
          const count = `${confusion.rows.toLocaleString('en')} row${confusion.rows === 1 ? '' : 's'}`
          const title = `${split}: ${(100 * confusion.accuracy).toFixed(1)} % of ${count} right`
          await write(await confusionFigure(confusion, { title }), pause)
        }),
      )
  },
})

/** One row per true class: its name, its shares, then how often each class was predicted for it. */
function csvOf({ classes, counts, perClass }: Confusion): string {
  const k = classes.length
  const share = (value: number): string => (Number.isNaN(value) ? '' : String(value))
  return stringify([
    ['class', 'rows', 'precision', 'recall', 'f1', ...classes.map((name) => `predicted ${name}`)],
    ...perClass.map(({ rows, precision, recall, f1 }, c) => [
      classes[c]!,
      String(rows),
      ...[precision, recall, f1].map(share),
      ...Array.from(counts.subarray(c * k, (c + 1) * k), String),
    ]),
  ])
}

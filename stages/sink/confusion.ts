import { z } from 'zod'
import { type Confusion, confusionOf, drawOffThread } from '../../figures/index.js'
import { counted, csvOf, defineStage, replaceFile, wire } from '../../pipeline/stage-kit.js'
import { drawn, figureFiles, figureOptions, figurePaths, type Pause, stemOf } from './figure-files.js'
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
  asks: () => ({ parameters: { arrays: 'last' } }),
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
          replaceFile(file, await tableOf(confusion, pause))
          const count = counted(confusion.rows, 'row', confusion.rows.toLocaleString('en'))
          const title = `${split}: ${(100 * confusion.accuracy).toFixed(1)} % of ${count} right`
          await write(await drawOffThread('confusionFigure', [confusion, { title }], context.signal), pause)
        }),
      )
  },
})

/** Cells that are written before the event loop gets a turn. */
const CELLS = 1 << 16

/** One row per true class: its name, its shares, then how often each class was predicted for it. */
async function tableOf({ classes, counts, perClass }: Confusion, pause: Pause): Promise<string> {
  const k = classes.length
  const share = (value: number): number | '' => (Number.isNaN(value) ? '' : value)
  const rows = [csvOf([['class', 'rows', 'precision', 'recall', 'f1', ...classes.map((name) => `predicted ${name}`)]])]
  for (const [c, { rows: count, precision, recall, f1 }] of perClass.entries()) {
    const shares = [precision, recall, f1].map(share)
    rows.push(csvOf([[classes[c]!, count, ...shares, ...counts.subarray(c * k, (c + 1) * k)]]))
    if ((c * k) % CELLS < k) await pause()
  }
  return rows.join('')
}

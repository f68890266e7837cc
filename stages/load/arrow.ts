import { defineStage } from '../../pipeline/stage-kit.js'
import { countArrow } from './arrow/batches.js'
import { readArrow } from './arrow/rows.js'
import { tabularExamples } from './tabular/examples.js'
import { tabularFacts, tabularOptions, tabularStage } from './tabular/options.js'

/**
 * Loads examples from Arrow IPC files and streams: columns of numbers, truth values, texts and dictionaries; or one
 * column that has all features of a row, as a fixed-size list of bytes or numbers. Bytes stay bytes.
 *
 * Examples that `sink/arrow` recorded come back with their labels, classes, shape and names. If there are no `fractions`,
 * they come back in their splits, too.
 */
export const arrow = defineStage({
  name: 'load/arrow',
  summary: 'Loads examples from Arrow IPC files and streams.',
  options: tabularOptions({}),
  ...tabularStage,
  example: '- use: load/arrow\n  with: { path: "${here}/part-*.arrow", label: species }',
  holds:
    'one file at a time, every split, 4 bytes per cell (1 per byte of whole rows), and as much again until the splits are made unless all ' +
    'cells are numbers and all rows come into splits; before cache/arrow what fits into three quarters of `memory:`, for a model a piece',
  facts: (checking) => {
    const { examples } = tabularFacts(checking)
    const { path, fractions, model } = checking.options
    // The file may have splits of its own.
    const { splits: _, ...others } = examples
    return { examples: path !== undefined && fractions === undefined && model === undefined ? others : examples }
  },
  run: (options, context) => context.flow.pull(tabularExamples(options, context, readArrow, countArrow)),
})

import type { Table } from 'apache-arrow'
import { defer, finalize, map, merge, reduce } from 'rxjs'
import { z } from 'zod'
import { openScorer, predict } from '../../learners/index.js'
import {
  type Affine,
  checkLearner,
  checkSplit,
  copyParameters,
  counted,
  defineStage,
  inputMapOf,
  kernelRows,
  layoutOf,
  modelOf,
  type PerRow,
  PipelineError,
  positionOf,
  predictionsTable,
  type Rows,
  rowSourceOf,
  type StageContext,
  slicePerRow,
  slices,
  splitOf,
  widthOf,
  wire,
} from '../../pipeline/stage-kit.js'

/**
 * Classifies rows with the last parameters. Rows that have been standardised are taken as they are; all others are
 * standardised with the map that is stored with the parameters. Emits a table of predictions for each piece of rows, so the
 * rows of a file may be more than fit into memory. Labels that are not known stay so. `row` is the row in the source, or
 * in the split if the load stage does not tell.
 */
export const predictions = defineStage({
  name: 'evaluate/predictions',
  summary: 'Predicts the class of every row, with a probability or score for each class.',
  options: z.strictObject({
    splits: z.array(z.string().min(1)).min(1).optional().describe('The splits to classify. Default: all.'),
  }),
  inputs: { parameters: wire.parameters, examples: wire.examples },
  outputs: { predictions: wire.predictions },
  example:
    '- id: predictions\n  use: evaluate/predictions\n  from: { parameters: model, examples: examples }\n' +
    '  with: { splits: [test] }',
  holds:
    'the examples (by reference) until the last parameters have come; then one piece of rows, or a window of a split in its file',
  asks: () => ({ parameters: { arrays: 'last' } }),
  facts: ({ options, inputs, problem }) => {
    const { examples = {}, parameters = {} } = inputs
    for (const [i, split] of (options.splits ?? []).entries()) checkSplit(examples, split, `splits[${i}]`, problem)
    checkLearner(parameters, problem)
    if (examples.shape && parameters.shape && widthOf(examples.shape) !== widthOf(parameters.shape))
      problem('', unlikeWidths(widthOf(parameters.shape), widthOf(examples.shape)))
    const splits = options.splits ?? examples.splits
    return { predictions: { ...(splits && { splits }), ...(parameters.classes && { classes: parameters.classes }) } }
  },
  run:
    ({ splits }, context) =>
    ({ parameters, examples }) =>
      defer(() => {
        const waiting: Table[] = []
        let predictor: Predictor | undefined
        const isChosen = (table: Table): boolean => splits?.includes(splitOf(table)) ?? true
        const last = parameters.pipe(
          reduce<Table, Table | undefined>((_, table) => table, undefined),
          map((table) => ({ last: table && copyParameters(table) })),
        )
        const rows = examples.pipe(map((table) => ({ table })))
        return merge(last, rows).pipe(
          context.flow.concatMap((arrived: { last?: Table | undefined } | { table: Table }) => {
            if ('table' in arrived) {
              if (!isChosen(arrived.table)) return []
              if (predictor) return context.flow.pull(predictor.predictions([arrived.table]))
              // Training waits for no stage that only collects.
              waiting.push(arrived.table)
              return []
            }
            // A run that was stopped before its first step has no parameters.
            if (!arrived.last) return []
            predictor = makePredictor(arrived.last, context)
            return context.flow.pull(predictor.predictions(waiting.splice(0)))
          }),
          finalize(() => predictor?.free()),
        )
      }),
})

interface Predictor {
  predictions(tables: readonly Table[]): AsyncGenerator<Table>
  free(): void
}

function makePredictor(parameters: Table, context: StageContext): Predictor {
  const model = modelOf(parameters)
  const scorer = openScorer(model, context.learner(model.learner, model.options), context.kernels)
  const position = positionOf(parameters)
  /** How many rows of each split have been seen. */
  const seen = new Map<string, number>()

  async function* predictions(tables: readonly Table[]): AsyncGenerator<Table> {
    for (const table of tables) {
      const split = splitOf(table)
      const width = widthOf(layoutOf(table).shape)
      if (width !== scorer.features) throw new PipelineError('DATA', unlikeWidths(scorer.features, width))
      const codes = codesOf(layoutOf(table).classes, model.classes)
      const isRaw = isAsLoaded(table, model.affine)
      const before = seen.get(split) ?? 0
      seen.set(split, before + table.numRows)
      let at = 0
      for await (const [rows, piece] of piecesIn(table)) {
        const count = piece.labels.length
        const scores = await (isRaw ? scorer.score(piece.values) : scorer.scoreRows(piece))
        yield predictionsTable(
          {
            classes: model.classes,
            kind: scorer.isLogits ? 'probability' : 'score',
            rows: rows.row ?? Int32Array.from({ length: count }, (_, i) => before + at + i),
            labels: rows.labels.map((label) => (label < 0 ? -1 : codes(label))),
            ...predict(scores, scorer),
          },
          split,
          position,
        )
        at += count
      }
    }
  }

  /** The rows of a table as they came, and as they are scored. A split in a file is read in windows of whole pieces. */
  async function* piecesIn(table: Table): AsyncGenerator<readonly [rows: Rows & PerRow, piece: Rows]> {
    const source = rowSourceOf(table)
    const most = scorer.rowsPerCall
    const step = source ? Math.max(1, Math.floor(context.memory.window / source.rowBytes / most)) * most : table.numRows
    for (let from = 0; from < table.numRows; from += step) {
      const rows = source ? await source.read(from, Math.min(table.numRows, from + step)) : kernelRows(table)
      let at = 0
      for (const piece of slices(withoutLabels(rows), most)) {
        const end = at + piece.labels.length
        yield [{ ...rows, labels: rows.labels.subarray(at, end), ...slicePerRow(rows, at, end) }, piece]
        at = end
      }
    }
  }

  return { predictions, free: () => scorer.free() }
}

/** Rows whose labels kernels do not refuse. */
function withoutLabels(rows: Rows): Rows {
  return { ...rows, labels: new Int32Array(rows.labels.length) }
}

/**
 * Whether rows are still to be standardised. Throws a PipelineError `DATA` if they have been, in another way than those that
 * the model was trained on.
 */
function isAsLoaded(table: Table, trained: Affine | undefined): boolean {
  const own = inputMapOf(layoutOf(table))
  if (!own) return trained !== undefined
  const isSame =
    trained !== undefined &&
    own.mean.every((mean, j) => mean === trained.mean[j]) &&
    own.scale.every((scale, j) => scale === trained.scale[j])
  if (isSame) return false
  throw new PipelineError(
    'DATA',
    `the split "${splitOf(table)}" is standardised in another way than the rows that the model was trained on; give the ` +
      'rows as they were loaded, or behind normalize/as-trained',
  )
}

/** Returns the function from a class of the rows to the class of that name of the model; -1 if it has none. */
function codesOf(own: readonly string[], classes: readonly string[]): (label: number) => number {
  const codes = own.map((name) => classes.indexOf(name))
  return (label) => codes[label] ?? -1
}

function unlikeWidths(expected: number, found: number): string {
  return `the parameters are for ${counted(expected, 'feature')}, the examples have ${found}`
}

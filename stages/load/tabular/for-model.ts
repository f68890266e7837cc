import type { Table } from 'apache-arrow'
import {
  counted,
  MODEL_SPLIT,
  type ModelInputs,
  PipelineError,
  type StageContext,
  someOf,
  turn,
} from '../../../pipeline/stage-kit.js'
import { type RowSpan, rowsOfPiece } from '../row-span.js'
import type { FittedColumn } from './fit.js'
import { Handover } from './handover.js'
import { type ExamplesOfRows, layoutOfRows } from './layout.js'
import type { TabularOptions } from './options.js'
import { tableOfRows } from './pieces.js'
import { TableRows } from './table-rows.js'

/**
 * Reads rows for a trained model and makes a table of each few megabytes of them while the files are read, so that no more
 * than that is in memory. Throws a PipelineError `DATA` in a divided run.
 *
 * @param readAll reads all files; it waits in `turn` of its context
 */
export async function* tablesForModel(
  options: TabularOptions,
  model: ModelInputs,
  context: StageContext,
  readAll: (rows: TableRows, context: StageContext) => Promise<unknown>,
): AsyncGenerator<Table> {
  if (context.parallel.isDivided)
    throw new PipelineError('DATA', 'rows for a trained model are read by one process; leave `parallel` out')
  const handover = new Handover<RowSpan>()
  const paced = pacedBy(handover, () => rows.rows?.flush(), context)
  const rows = new TableRows(options, paced, model, { onFull: (span) => handover.give(span) })
  let layout: ExamplesOfRows | undefined
  for await (const span of handover.take(async () => {
    await readAll(rows, paced)
    rows.rows?.flush()
  })) {
    layout ??= layoutOfRows(rows, rows.isWhole ? [] : columnsOf(rows, model), model.classes, options, model)
    const most = rowsOfPiece(layout.encoder.width, layout.type)
    for (let from = 0; from < span.count; from += most) {
      yield tableOfRows(span, from, Math.min(most, span.count - from), layout, (code) => code, MODEL_SPLIT)
      await turn(context)
    }
  }
  rows.labels.classes(context)
  noteUnseen(rows, context)
}

function noteUnseen({ cells }: TableRows, context: StageContext): void {
  const found = cells.filter(({ unseen }) => unseen > 0)
  if (found.length === 0) return
  const count = found.reduce((sum, { unseen }) => sum + unseen, 0)
  context.note(
    `${counted(count, 'cell')} ${count === 1 ? 'has a text' : 'have texts'} that the training did not have ` +
      `(${someOf(found.map(({ rules, unseen }) => `${rules.title}: ${unseen}`))}): no category, because the model was trained with unseen: ignore`,
  )
}

/**
 * A context in whose `turn` a reader waits until what it has read is taken.
 *
 * @param flush hands over what has been read, because somebody waits for it
 */
function pacedBy(handover: Handover<unknown>, flush: () => void, context: StageContext): StageContext {
  const { flow } = context
  return {
    ...context,
    flow: {
      pull: (items) => flow.pull(items),
      concatMap: (project, input) => flow.concatMap(project, input),
      yieldToEventLoop: () => {
        if (handover.isAwaited) flush()
        return handover.taken() ?? flow.yieldToEventLoop()
      },
    },
  }
}

/** The columns of a model. The stored numbers are its numbers and the indices of its categories already. */
function columnsOf({ cells }: TableRows, model: ModelInputs): FittedColumn[] {
  return cells.map(({ rules }, j) => ({ column: model.columns?.[j] ?? rules.model!, fill: Number.NaN }))
}

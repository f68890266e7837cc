import {
  exampleFields,
  featureNames,
  type ModelInputs,
  type PerRowName,
  PipelineError,
  widthOf,
} from '../../../pipeline/stage-kit.js'
import { RowEncoder } from './encoder.js'
import type { FittedColumn } from './fit.js'
import type { TabularOptions } from './options.js'
import type { RowType } from './row-block.js'
import type { RowBlocks } from './row-blocks.js'
import type { TableRows } from './table-rows.js'

/** How stored rows become examples. */
export interface ExamplesOfRows {
  /** The columns of the tables. */
  readonly fields: ReturnType<typeof exampleFields>
  /** Makes features of a stored row. */
  readonly encoder: Pick<RowEncoder, 'width' | 'encode' | 'isCopy'>
  /** The numbers of the features. */
  readonly type: RowType
  /** What rows carry beside features and label. */
  readonly perRow: readonly PerRowName[]
}

/**
 * Returns how the stored rows become examples. Throws a PipelineError `DATA` if they have not as many features as the shape.
 *
 * @param fitted the columns; empty if one column has all features
 * @param model what the trained model takes that the rows are read for, if there is one
 */
export function layoutOfRows(
  rows: TableRows,
  fitted: readonly (FittedColumn | undefined)[],
  classes: readonly string[],
  options: TabularOptions,
  model?: ModelInputs,
): ExamplesOfRows {
  const { recorded } = rows
  const encoder = rows.isWhole ? wholeRows(rows.rows!) : new RowEncoder(fitted)
  const shape = shapeOf(rows, encoder.width, options, model)
  const columns = fitted.flatMap((each) => (each ? [each.column] : []))
  const isPlain = columns.every(
    (column) => column.kind === 'number' && column.fill === undefined && column.offset === undefined,
  )
  const isNamed = !rows.isWhole && (rows.columnNames !== undefined || !isPlain)
  const type = (rows.isWhole ? rows.rows!.type : model ? model.type : options.type) ?? 'float32'
  const layout = {
    shape,
    classes,
    names: model ? model.names : recorded ? recorded.names : isNamed ? featureNames(columns) : undefined,
    columns: model ? model.columns : recorded ? recorded.columns : isPlain ? undefined : columns,
    label: model ? model.label : recorded ? recorded.label : rows.labelName,
    ...(rows.hasWeights && { weighted: true }),
  }
  const isNumbered = model !== undefined || options.path !== undefined || rows.dropped > 0
  return {
    fields: exampleFields(layout, type === 'uint8' ? new Uint8Array(0) : new Float32Array(0)),
    encoder,
    type,
    perRow: [...(isNumbered ? ['row' as const] : []), ...(rows.hasWeights ? ['weight' as const] : [])],
  }
}

/** Rows whose stored numbers are their features. */
function wholeRows({ width }: RowBlocks): ExamplesOfRows['encoder'] {
  return { width, encode: (row) => row, isCopy: true }
}

function shapeOf(
  { firstPath, recorded }: TableRows,
  width: number,
  options: TabularOptions,
  model: ModelInputs | undefined,
): readonly number[] {
  const shape = model?.shape ?? options.shape ?? recorded?.shape ?? [width]
  if (widthOf(shape) === width) return shape
  const taker = model ? ' (the shape that the model takes)' : ''
  throw new PipelineError('DATA', `${firstPath}: expected ${shape.join('×')} features${taker}, found ${width}`)
}

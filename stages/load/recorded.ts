import { DataType, type Field, makeData, RecordBatch, Schema, Struct, Table } from 'apache-arrow'
import { layoutOf, listed, numbersOfStep, type Position, widthOf, writePosition } from '../../pipeline/stage-kit.js'

/** The wires that can be replayed. */
export const wires = ['examples', 'batch', 'metrics', 'parameters', 'predictions'] as const

type Wire = (typeof wires)[number]

/** The columns that `sink/arrow` adds to a table that has them in its metadata. */
const added: readonly string[] = ['epoch', 'step', 'split']

/** Epochs of a run, and steps of each. */
export type RunLength = Pick<Position, 'epochs' | 'steps'>

/** The columns that a wire needs, and what each must be. */
const columns: Readonly<Record<Wire, Readonly<Record<string, (type: DataType) => boolean>>>> = {
  examples: { features: isRow, label: DataType.isInt },
  batch: { features: isRow, label: DataType.isInt, epoch: DataType.isInt, step: DataType.isInt },
  metrics: { epoch: DataType.isInt, step: DataType.isInt },
  parameters: { name: DataType.isUtf8, shape: DataType.isList, values: DataType.isList, step: DataType.isInt },
  predictions: { predicted: DataType.isUtf8 },
}

function isRow(type: DataType): boolean {
  if (!DataType.isFixedSizeList(type)) return false
  const { valueType } = type
  return (
    (DataType.isFloat(valueType) && valueType.precision === 1) ||
    (DataType.isInt(valueType) && valueType.bitWidth === 8 && !valueType.isSigned)
  )
}

/** Throws an Error if a record batch is not of this wire: another wire, other columns, labels that are no class. */
export function checkRecorded(batch: RecordBatch, wire: Wire): void {
  const { metadata, fields } = batch.schema
  const said = metadata.get('wire')
  if (said !== undefined && said !== wire)
    throw new Error(`it holds ${said === 'batch' ? 'batches' : said}, expected ${wire}; set \`wire: ${said}\``)
  for (const [name, fits] of Object.entries(columns[wire])) {
    const field = fields.find((each) => each.name === name)
    if (field && fits(field.type)) continue
    const found = field
      ? `the column "${name}" of type ${field.type}`
      : `the columns ${listed(
          fields.map((f) => f.name),
          'and',
        )}`
    throw new Error(`expected ${wire} with the columns ${listed(Object.keys(columns[wire]), 'and')}, found ${found}`)
  }
  if (wire === 'metrics') {
    const wrong = fields.find(({ type }) => !DataType.isInt(type) && !DataType.isFloat(type))
    if (wrong)
      throw new Error(`expected metrics, which are numbers, found the column "${wrong.name}" of type ${wrong.type}`)
  }
  if (wire === 'examples' || wire === 'batch') checkExamples(batch)
}

function checkExamples(batch: RecordBatch): void {
  const { shape, classes } = layoutOf(new Table(batch.schema, [batch]))
  const { listSize } = batch.schema.fields.find(({ name }) => name === 'features')!.type as DataType & {
    listSize: number
  }
  if (widthOf(shape) !== listSize)
    throw new Error(`its features have the shape ${shape.join('x')}, but rows of ${listSize} numbers`)
  for (const label of batch.getChild('label')!)
    if (!(label >= -1 && label < classes.length))
      throw new Error(`it has the label ${label}, expected one of ${classes.length} classes`)
}

/** Epoch and step of a record batch; 0 where it has none. */
export function placeOf(batch: RecordBatch, wire: Wire): { epoch: number; step: number } {
  if (batch.numRows === 0 || wire === 'examples') return { epoch: 0, step: 0 }
  const [epoch, step] = ['epoch', 'step'].map((name) => Number(batch.getChild(name)?.get(0) ?? 0))
  return { epoch: epoch!, step: step! }
}

/**
 * How long a recorded run was: its last epoch, and the steps of its first one.
 *
 * @param places the last step of each epoch, in their order
 */
export function lengthOf(places: readonly { readonly epoch: number; readonly step: number }[]): RunLength {
  const first = places.find(({ epoch }) => epoch > 0)
  const epochs = places.reduce((most, { epoch }) => Math.max(most, epoch), 0)
  return { epochs, steps: first ? Math.ceil(first.step / first.epoch) : 0 }
}

/** Whether a record batch belongs to the table of the one before: parameters have one for each array. */
export function joinsWith(before: RecordBatch, batch: RecordBatch, wire: Wire): boolean {
  if (wire !== 'parameters') return false
  const [a, b] = [placeOf(before, wire), placeOf(batch, wire)]
  return a.epoch === b.epoch && a.step === b.step && before.getChild('name')!.get(0) !== batch.getChild('name')!.get(0)
}

/** Chooses the columns of the replayed tables, always the same objects: their metadata can be long. */
export function fieldsKept(wire: Wire): (schema: Schema) => readonly Field[] {
  let kept: readonly Field[] | undefined
  return ({ fields }) => {
    // The place of metrics is a part of them.
    const isAdded = (name: string): boolean =>
      added.includes(name) || (wire === 'parameters' && numbersOfStep.includes(name))
    kept ??= wire === 'metrics' ? fields : fields.filter(({ name }) => !isAdded(name))
    return kept
  }
}

/** Makes the table that was recorded as these record batches. */
export function replayed(
  batches: readonly RecordBatch[],
  wire: Wire,
  length: RunLength,
  kept: (schema: Schema) => readonly Field[],
): Table {
  const [first] = batches as [RecordBatch]
  const fields = kept(first.schema)
  const metadata = new Map(first.schema.metadata).set('wire', wire)
  // The place of a share is that of the first table only.
  for (const key of ['shard', 'shards', 'rows', 'first']) metadata.delete(key)
  const split = first.numRows > 0 ? first.getChild('split')?.get(0) : undefined
  if (split !== undefined && wire !== 'metrics') metadata.set('split', String(split))
  if (wire !== 'examples') writePosition(metadata, { ...placeOf(first, wire), ...length })
  for (const name of wire === 'parameters' ? numbersOfStep : []) {
    const value = Number(first.getChild(name)?.get(0) ?? 0)
    if (value !== 0) metadata.set(name, String(value))
  }
  const schema = new Schema([...fields], metadata)
  const parts = batches.map((batch) => {
    const children = fields.map(({ name }) => batch.data.children[batch.schema.names.indexOf(name)]!)
    return new RecordBatch(
      schema,
      makeData({ type: new Struct([...fields]), length: batch.numRows, nullCount: 0, children }),
    )
  })
  return new Table(schema, parts)
}

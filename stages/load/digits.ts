import type { Table } from 'apache-arrow'
import { z } from 'zod'
import {
  type Dealing,
  dealing,
  dealRows,
  defineStage,
  exampleFields,
  fractions,
  modelFacts,
  modelOption,
  type Part,
  packagePath,
  readModelInputs,
  ShardBuffer,
  type StageContext,
  storedFile,
  wire,
} from '../../pipeline/stage-kit.js'
import { checkModelShape, checkWithoutModel, modelTables, noClassOfModel } from './model-rows.js'
import { readSourceFile } from './source-file.js'

const file = packagePath('stages/load/digits/digits.csv')
const classes = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']
const shape = [1, 8, 8]
const PIXELS = 64
const usual = { train: 0.7, validation: 0.15, test: 0.15 }

/**
 * Loads the handwritten digits that come with Millrace: 1,797 images of 8×8 pixels, 0 … 16 (E. Alpaydin, C. Kaynak,
 * 1998; CC BY 4.0). The file is ordered by writer, so a seeded permutation assigns the rows to the splits.
 */
export const digits = defineStage({
  name: 'load/digits',
  summary: 'Loads the handwritten digits that come with Millrace.',
  options: z.strictObject({
    fractions: fractions
      .optional()
      .describe(
        'Share of the rows in each split. You choose the names of the splits. Default: { train: 0.7, validation: 0.15, ' +
          'test: 0.15 }.',
      ),
    ...dealing,
    model: modelOption,
  }),
  inputs: {},
  outputs: { examples: wire.examples },
  example: '- use: load/digits\n  with: { fractions: { train: 0.8, test: 0.2 } }',
  holds: 'every split, 64 bytes per image; in a divided run the shards of this rank',
  parallel: 'every',
  sources: ({ model }) => [file, ...(model === undefined ? [] : [storedFile(model)])],
  facts: ({ options, problem }) => {
    const { fractions = usual, model } = options
    if (model === undefined) return { examples: { splits: Object.keys(fractions), shape, classes } }
    checkWithoutModel(options, ['fractions'], problem)
    return { examples: modelFacts(model, problem) }
  },
  run: ({ fractions = usual, model, ...how }, context) =>
    context.flow.pull(model === undefined ? splitTables({ fractions, ...how }, context) : rowsForModel(model, context)),
})

async function readRows(context: StageContext): Promise<number[][]> {
  const text = (await readSourceFile(file, context)).toString('utf8')
  return text
    .trim()
    .split('\n')
    .map((line) => line.split(',').map(Number))
}

async function* rowsForModel(path: string, context: StageContext): AsyncGenerator<Table> {
  const model = readModelInputs(path)
  checkModelShape('the digits', shape, model)
  const rows = await readRows(context)
  const values = Uint8Array.from(rows.flatMap((row) => row.slice(0, PIXELS)))
  const labels = Int32Array.from(rows, (row, i) => {
    const label = model.classes.indexOf(classes[row[PIXELS]!]!)
    if (label < 0) throw noClassOfModel(`${file}:${i + 1}`, row[PIXELS]!, model)
    return label
  })
  yield* modelTables({ shape, classes: model.classes }, [{ values, labels }], context)
}

async function* splitTables(
  { fractions, ...how }: Dealing & { readonly fractions: Readonly<Record<string, Part>> },
  context: StageContext,
): AsyncGenerator<Table> {
  const rows = await readRows(context)
  const fields = exampleFields({ shape, classes }, new Uint8Array(0))
  const labels = rows.map((row) => row[PIXELS]!)
  for (const [split, order] of await dealRows(labels, fractions, how, context)) {
    const dealt = new ShardBuffer(context.parallel, order.length, PIXELS, context.kernels.allocate, ['row'])
    for (const [i, row] of order.entries()) dealt.put(i, rows[row]!.slice(0, PIXELS), labels[row]!, row)
    yield* dealt.tables(fields, split)
  }
}

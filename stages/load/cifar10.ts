import { join } from 'node:path'
import type { Table } from 'apache-arrow'
import { z } from 'zod'
import {
  defineStage,
  exampleFields,
  inputPath,
  modelFacts,
  modelOption,
  PipelineError,
  readModelInputs,
  ShardBuffer,
  type StageContext,
  storedFile,
  wire,
} from '../../pipeline/stage-kit.js'
import { checkModelShape, checkWithoutModel, type ModelRows, modelTables, noClassOfModel } from './model-rows.js'
import { foundFile, openSourceFile, type SourceFile } from './source-file.js'

const classes = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck']
const shape = [3, 32, 32]
const PIXELS = 3072
const RECORD = 1 + PIXELS

const files = z.array(z.string().min(1))

const help = 'get the binary version from https://www.cs.toronto.edu/~kriz/cifar.html'

const options = z.strictObject({
  directory: inputPath(help).describe('Folder of the binary version of CIFAR-10 (`cifar-10-batches-bin`).'),
  train: files.min(1).default(['data_batch_1.bin']).describe('Files of the training split, in order.'),
  validation: files.default([]).describe('Files of the validation split.'),
  test: files.default([]).describe('Files of the test split.'),
  holdOut: z
    .int()
    .positive()
    .optional()
    .describe('Number of rows at the end of the training files that become the validation split. Default: none.'),
  model: modelOption,
})

type Options = z.output<typeof options>

/**
 * Loads CIFAR-10 (A. Krizhevsky, 2009) in its official binary format: records of one label byte and 3,072 pixel bytes,
 * red, green and blue planes of 32×32, row by row. A file may hold any whole number of records, and may be gzipped.
 *
 * Pixels stay uint8. Emits one table per split.
 */
export const cifar10 = defineStage({
  name: 'load/cifar10',
  summary: 'Loads CIFAR-10 from its binary files.',
  options,
  inputs: {},
  outputs: { examples: wire.examples },
  // The content is checked.
  onResume: { directory: 'whole' },
  example:
    '- use: load/cifar10\n' +
    '  with: { directory: data/cifar-10-batches-bin, train: [data_batch_1.bin], test: [test_batch.bin] }',
  holds: 'every split, as uint8: 3 kB per image; in a divided run the shards of this rank',
  parallel: 'every',
  sources: (options) => [
    ...filesOf(options).map((name) => foundFile(join(options.directory, name))),
    ...(options.model === undefined ? [] : [storedFile(options.model)]),
  ],
  facts: ({ options, problem }) => {
    if (options.holdOut !== undefined && options.validation.length > 0)
      problem('holdOut', 'the validation split has files already; give one of validation and holdOut')
    if (options.model !== undefined) {
      checkWithoutModel(options, ['holdOut'], problem)
      return { examples: modelFacts(options.model, problem) }
    }
    return { examples: { splits: splitNames(options), shape, classes } }
  },
  run: (options, context) =>
    context.flow.pull(
      options.model === undefined ? splitTables(options, context) : rowsForModel(options, options.model, context),
    ),
})

function splitsOf({ train, validation, test }: Options): [string, readonly string[]][] {
  return Object.entries({ train, validation, test }).filter(([, names]) => names.length > 0)
}

/** All files, in the order of the splits. */
function filesOf(options: Options): string[] {
  return splitsOf(options).flatMap(([, names]) => names)
}

function splitNames(options: Options): string[] {
  const names = splitsOf(options).map(([split]) => split)
  return options.holdOut === undefined ? names : ['train', 'validation', ...names.slice(1)]
}

/** Number of records per read: about 1.5 MB, which stay in the CPU cache while they are hashed and copied. */
const PIECE = 512

async function* splitTables(options: Options, context: StageContext): AsyncGenerator<Table> {
  const fields = exampleFields({ shape, classes }, new Uint8Array(0))
  for (const [split, names] of splitsOf(options)) {
    const files: SourceFile[] = []
    for (const name of names) files.push(await openRecords(join(options.directory, name), context))
    const count = files.reduce((sum, file) => sum + file.size / RECORD, 0)
    const held = split === 'train' ? (options.holdOut ?? 0) : 0
    if (held >= count)
      throw new PipelineError('DATA', `holdOut: ${held} rows cannot be held out of ${count}: none is left to train on`)
    const kept = count - held
    const columns = options.holdOut === undefined ? [] : (['row'] as const)
    const deal = (rows: number): ShardBuffer<Uint8Array> =>
      new ShardBuffer(context.parallel, rows, PIXELS, context.kernels.allocate, columns)
    const rows = deal(kept)
    const heldRows = held > 0 ? deal(held) : undefined
    let row = 0
    for (const file of files) {
      const first = row
      for await (const piece of file.pieces(PIECE * RECORD)) {
        for (let at = 0; at < piece.length; at += RECORD, row++) {
          const label = labelOf(piece[at]!, file, row - first)
          const pixels = piece.subarray(at + 1, at + RECORD)
          if (row < kept) rows.put(row, pixels, label, row)
          else heldRows?.put(row - kept, pixels, label, row)
        }
      }
    }
    yield* rows.tables(fields, split)
    if (heldRows) yield* heldRows.tables(fields, 'validation')
  }
}

async function* rowsForModel(options: Options, path: string, context: StageContext): AsyncGenerator<Table> {
  const model = readModelInputs(path)
  checkModelShape('CIFAR-10', shape, model)
  const codes = classes.map((name) => model.classes.indexOf(name))
  async function* pieces(): AsyncGenerator<ModelRows> {
    for (const name of filesOf(options)) {
      const file = await openRecords(join(options.directory, name), context)
      let record = 0
      for await (const piece of file.pieces(PIECE * RECORD)) {
        const rows = piece.length / RECORD
        const [values, labels] = [new Uint8Array(rows * PIXELS), new Int32Array(rows)]
        for (let i = 0; i < rows; i++, record++) {
          const label = labelOf(piece[i * RECORD]!, file, record)
          labels[i] = codes[label]!
          if (labels[i]! < 0) throw noClassOfModel(`${file.path}: record ${record}`, classes[label]!, model)
          values.set(piece.subarray(i * RECORD + 1, (i + 1) * RECORD), i * PIXELS)
        }
        yield { values, labels }
      }
    }
  }
  yield* modelTables({ shape, classes: model.classes }, pieces(), context)
}

async function openRecords(path: string, context: StageContext): Promise<SourceFile> {
  const found = foundFile(path)
  const file = await openSourceFile(found, context, help)
  const rest = file.size % RECORD
  if (rest !== 0)
    throw new PipelineError(
      'DATA',
      `${found}: expected records of ${RECORD} bytes, found ${file.size} bytes: ` +
        `${Math.floor(file.size / RECORD)} records and ${rest} bytes more; ` +
        'the file is cut off or not the binary version',
    )
  return file
}

function labelOf(byte: number, file: SourceFile, record: number): number {
  if (byte < classes.length) return byte
  throw new PipelineError(
    'DATA',
    `${file.path}: record ${record}: expected a label from 0 to 9, got ${byte}; ` +
      'is this the binary version of CIFAR-10?',
  )
}

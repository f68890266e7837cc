import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Table } from 'apache-arrow'
import { z } from 'zod'
import {
  defineStage,
  exampleFields,
  examplesTable,
  PipelineError,
  type StageContext,
  wire,
} from '../../pipeline/index.js'
import { readSourceFile } from './source-file.js'

const classes = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck']
const shape = [3, 32, 32]
const PIXELS = 3072
const RECORD = 1 + PIXELS

const files = z.array(z.string().min(1))

const options = z.strictObject({
  directory: z.string().min(1).describe('Folder of the binary version of CIFAR-10 (`cifar-10-batches-bin`).'),
  train: files.min(1).default(['data_batch_1.bin']).describe('Files of the training split, in order.'),
  validation: files.default([]).describe('Files of the validation split.'),
  test: files.default([]).describe('Files of the test split.'),
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
  example:
    '- use: load/cifar10\n  with: { directory: data/cifar-10-batches-bin, train: [data_batch_1.bin], test: [test_batch.bin] }',
  holds: 'every split, as uint8: 3 kB per image',
  facts: ({ options }) => ({ examples: { splits: splitsOf(options).map(([split]) => split), shape, classes } }),
  run: (options, context) => context.flow.pull(splitTables(options, context)),
})

function splitsOf({ train, validation, test }: Options): [string, readonly string[]][] {
  return Object.entries({ train, validation, test }).filter(([, names]) => names.length > 0)
}

async function* splitTables(options: Options, context: StageContext): AsyncGenerator<Table> {
  const fields = exampleFields({ shape, classes }, new Uint8Array(0))
  for (const [split, names] of splitsOf(options)) {
    const parts: Buffer[] = []
    for (const name of names) parts.push(await readRecords(join(options.directory, name), context))
    const count = parts.reduce((sum, part) => sum + part.length / RECORD, 0)
    const values = context.kernels.allocate(count * PIXELS)
    const labels = new Int32Array(count)
    let row = 0
    for (const part of parts) {
      for (let at = 0; at < part.length; at += RECORD, row++) {
        labels[row] = part[at]!
        values.set(part.subarray(at + 1, at + RECORD), row * PIXELS)
        if (row % 1000 === 0) await context.flow.breathe()
      }
    }
    yield examplesTable(fields, values, labels, split)
  }
}

async function readRecords(path: string, context: StageContext): Promise<Buffer> {
  const packed = `${path}.gz`
  const file = !existsSync(path) && existsSync(packed) ? packed : path
  const bytes = await readSourceFile(
    file,
    context,
    'get the binary version from https://www.cs.toronto.edu/~kriz/cifar.html',
  )
  const rest = bytes.length % RECORD
  if (bytes[0] === 0x1f && bytes[1] === 0x8b)
    throw new PipelineError('DATA', `${file} is gzip-compressed: rename it to end in .gz`)
  if (rest !== 0)
    throw new PipelineError(
      'DATA',
      `${file}: expected records of ${RECORD} bytes, found ${bytes.length} bytes: ${Math.floor(bytes.length / RECORD)} records and ${rest} bytes more; the file is cut off or not the binary version`,
    )
  for (let at = 0; at < bytes.length; at += RECORD)
    if (bytes[at]! >= classes.length)
      throw new PipelineError(
        'DATA',
        `${file}: record ${at / RECORD}: expected a label from 0 to 9, got ${bytes[at]}; is this the binary version of CIFAR-10?`,
      )
  return bytes
}

import { basename, dirname, join, resolve } from 'node:path'
import type { Table } from 'apache-arrow'
import { z } from 'zod'
import {
  type Checking,
  exampleFields,
  examplesTable,
  type Facts,
  isDirectory,
  modelFacts,
  modelOption,
  PipelineError,
  readModelInputs,
  ShardBuffer,
  type StageContext,
  storedFile,
} from '../../pipeline/stage-kit.js'
import { type CifarBlock, type CifarFile, type CifarSet, foundCifar, openCifar, PIXELS } from './cifar-files.js'
import { checkModelShape, checkWithoutModel, type ModelRows, modelTables, noClassOfModel } from './model-rows.js'

const shape = [3, 32, 32]

const files = z.array(z.string().min(1))

/** The options that name the files of the splits. */
export function splitOptions(train: string[], test: string[]) {
  return {
    train: files.min(1).default(train).describe('Files of the training split, in order.'),
    validation: files.default([]).describe('Files of the validation split.'),
    test: files.default(test).describe('Files of the test split.'),
    holdOut: z
      .int()
      .positive()
      .optional()
      .describe('Number of rows at the end of the training files that become the validation split. Default: none.'),
    model: modelOption,
  }
}

/** The options of a load stage of the CIFAR family. */
export interface CifarOptions {
  /** Folder of the files. */
  readonly directory: string
  /** Files of the training split, in order. */
  readonly train: readonly string[]
  /** Files of the validation split. */
  readonly validation: readonly string[]
  /** Files of the test split. */
  readonly test: readonly string[]
  /** Number of rows at the end of the training files that become the validation split. */
  readonly holdOut?: number | undefined
  /** The trained model that the rows are read for. */
  readonly model?: string | undefined
}

/** The files that these options name. */
export function cifarSources(options: CifarOptions): string[] {
  return [
    ...filesOf(options).map((name) => foundCifar(join(options.directory, name))),
    ...(options.model === undefined ? [] : [storedFile(options.model)]),
  ]
}

/**
 * The options that read given files of one folder, or the test file of a given folder. Throws a PipelineError `ARGUMENTS` if
 * the files lie in several folders.
 *
 * @param test the name of the test file
 */
export function cifarFilesGiven(paths: readonly string[], test: string): Record<string, unknown> {
  const [first] = paths
  if (paths.length === 1 && isDirectory(first!)) return { directory: first, train: [test] }
  const folders = new Set(paths.map((path) => dirname(resolve(path))))
  if (folders.size > 1) throw new PipelineError('ARGUMENTS', 'expected files of one folder')
  return { directory: [...folders][0], train: paths.map((path) => basename(path)) }
}

/** Reports options that do not go together. Returns what is known of the examples. */
export function cifarFacts(
  options: CifarOptions,
  classes: readonly string[],
  problem: Checking<unknown>['problem'],
): Facts {
  if (options.holdOut !== undefined && options.validation.length > 0)
    problem('holdOut', 'the validation split has files already; give one of validation and holdOut')
  if (options.model === undefined) return { splits: splitNames(options), shape, classes }
  checkWithoutModel({ ...options }, ['holdOut'], problem)
  return modelFacts(options.model, problem)
}

/** Reads the files and makes the tables of the splits, or those of the rows for a trained model. */
export function cifarTables(options: CifarOptions, set: CifarSet, context: StageContext): AsyncGenerator<Table> {
  return options.model === undefined
    ? splitTables(options, set, context)
    : rowsForModel(options, options.model, set, context)
}

function splitsOf({ train, validation, test }: CifarOptions): [string, readonly string[]][] {
  return Object.entries({ train, validation, test }).filter(([, names]) => names.length > 0)
}

/** All files, in the order of the splits. */
function filesOf(options: CifarOptions): string[] {
  return splitsOf(options).flatMap(([, names]) => names)
}

function splitNames(options: CifarOptions): string[] {
  const names = splitsOf(options).map(([split]) => split)
  return options.holdOut === undefined ? names : ['train', 'validation', ...names.slice(1)]
}

async function* splitTables(options: CifarOptions, set: CifarSet, context: StageContext): AsyncGenerator<Table> {
  const fields = exampleFields({ shape, classes: set.classes }, new Uint8Array(0))
  for (const [split, names] of splitsOf(options)) {
    const files: CifarFile[] = []
    for (const name of names) files.push(await openCifar(join(options.directory, name), set, context))
    const count = files.reduce((sum, file) => sum + file.count, 0)
    const held = split === 'train' ? (options.holdOut ?? 0) : 0
    if (held >= count)
      throw new PipelineError('DATA', `holdOut: ${held} rows cannot be held out of ${count}: none is left to train on`)
    const kept = count - held
    const columns = options.holdOut === undefined ? [] : (['row'] as const)
    const deal = (rows: number): ShardBuffer<Uint8Array> =>
      new ShardBuffer(context.parallel, rows, PIXELS, context.kernels.allocate, columns)
    let row = 0
    if (context.asked.some(({ pieces }) => pieces)) {
      yield* inPieces(files, split, kept, columns.length > 0, fields)
      continue
    }
    const rows = deal(kept)
    const heldRows = held > 0 ? deal(held) : undefined
    for (const file of files)
      for await (const block of file.blocks())
        for (let i = 0; i < block.count; i++, row++) {
          if (row < kept) rows.put(row, block.pixels(i), block.label(i), row)
          else heldRows?.put(row - kept, block.pixels(i), block.label(i), row)
        }
    yield* rows.tables(fields, split)
    if (heldRows) yield* heldRows.tables(fields, 'validation')
  }
}

/**
 * Makes a table of each block of rows, so that only a block is in memory.
 *
 * @param kept the rows from there on are those of the validation split
 */
async function* inPieces(
  files: readonly CifarFile[],
  split: string,
  kept: number,
  isNumbered: boolean,
  fields: ReturnType<typeof exampleFields>,
): AsyncGenerator<Table> {
  let first = 0
  for (const file of files)
    for await (const block of file.blocks()) {
      const cut = Math.max(0, Math.min(block.count, kept - first))
      if (cut > 0) yield part(block, 0, cut, split)
      if (cut < block.count) yield part(block, cut, block.count, 'validation')
      first += block.count
    }

  function part({ label, pixels }: CifarBlock, from: number, to: number, name: string): Table {
    const [values, labels, row] = [
      new Uint8Array((to - from) * PIXELS),
      new Int32Array(to - from),
      new Int32Array(to - from),
    ]
    for (let i = from; i < to; i++) {
      labels[i - from] = label(i)
      row[i - from] = first + i
      values.set(pixels(i), (i - from) * PIXELS)
    }
    return examplesTable(fields, values, labels, name, undefined, undefined, isNumbered ? { row } : undefined)
  }
}

async function* rowsForModel(
  options: CifarOptions,
  path: string,
  set: CifarSet,
  context: StageContext,
): AsyncGenerator<Table> {
  const model = readModelInputs(path)
  checkModelShape(set.name, shape, model)
  const codes = set.classes.map((name) => model.classes.indexOf(name))
  async function* pieces(): AsyncGenerator<ModelRows> {
    for (const name of filesOf(options)) {
      const file = await openCifar(join(options.directory, name), set, context)
      let record = 0
      for await (const { count, label, pixels } of file.blocks()) {
        const [values, labels] = [new Uint8Array(count * PIXELS), new Int32Array(count)]
        for (let i = 0; i < count; i++, record++) {
          labels[i] = codes[label(i)]!
          if (labels[i]! < 0) throw noClassOfModel(`${file.path}: record ${record}`, set.classes[label(i)]!, model)
          values.set(pixels(i), i * PIXELS)
        }
        yield { values, labels }
      }
    }
  }
  yield* modelTables({ shape, classes: model.classes }, pieces(), context)
}

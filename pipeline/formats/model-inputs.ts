import { createHash } from 'node:crypto'
import { existsSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import type { Table } from 'apache-arrow'
import type { DataSource } from '../base/data-source.js'
import { fileProblem, messageOf, PipelineError } from '../base/errors.js'
import { cutName, shortPath } from '../base/words.js'
import { inputPath } from '../files/input-path.js'
import { entryInside, hasInside, namesInside, readInside } from '../files/inside.js'
import { isDirectory } from '../files/is-directory.js'
import { readRegularFile } from '../files/regular-file.js'
import type { Facts } from '../stage/facts.js'
import type { Column } from '../wires/columns.js'
import { type Model, modelOf } from '../wires/parameters.js'
import { MOST_PARAMETERS, parametersFrom } from './export.js'
import { storedFile } from './stored-arrays.js'

/** The split that all rows are in that are read for a trained model. */
export const MODEL_SPLIT = 'data'

/** What a trained model knows of its inputs: how new rows are read for it. */
export interface ModelInputs {
  /** Shape of one example, slowest axis first. */
  readonly shape: readonly number[]
  /** Names of the features, if the training data named them. */
  readonly names?: readonly string[] | undefined
  /** How the columns of the training data became features. Named features without such a record are number columns. */
  readonly columns?: readonly Column[] | undefined
  /** Name of the column of the labels, if the training data named it. */
  readonly label?: string | undefined
  /** Names of the classes; a label is an index into them. */
  readonly classes: readonly string[]
  /** The numbers of the features as they were trained on. Models of version 0.1.0 do not know it. */
  readonly type?: 'uint8' | 'float32' | undefined
}

/** A table of parameters and the file that it comes from. */
export interface StoredModel {
  /** The `parameters` table. */
  readonly table: Table
  /** The file, with its checksum. */
  readonly source: DataSource
}

/** The option of every load stage that prepares rows for a trained model. */
export const modelOption = inputPath('give the directory of a run, or its parameters.arrow or best.arrow')
  .optional()
  .describe(
    'Prepare the rows as this trained model takes them (a run directory, or its parameters.arrow): its columns, categories, ' +
      'fill values, shape and classes, instead of those found in the data. All rows then form the split `data`.',
  )

/**
 * Reads a trained model: a run directory with a `parameters.arrow`, or such a file itself. In a run directory no symbolic
 * link is followed. Throws a PipelineError `DATA` if the file cannot be read, is damaged, or holds something else, or if it
 * does not say how features were standardised.
 */
export function readStoredModel(path: string): StoredModel {
  const stored = readModelFile(path)
  const { type, affine } = modelOf(stored.table)
  // Version 0.1.0 kept the standardisation of no bytes.
  if (type === undefined && !affine)
    throw new PipelineError(
      'DATA',
      `${shortPath(stored.source.path)} does not say how features were standardised, as in files of version 0.1.0, so what ` +
        'it predicts would be wrong; train the model again',
    )
  return stored
}

function readModelFile(path: string): StoredModel {
  const file = storedFile(path)
  const isRun = file !== path
  if (isRun && !hasInside(path, 'parameters.arrow')) throw noModel(path)
  let bytes: Buffer
  try {
    bytes = isRun ? readInside(path, 'parameters.arrow', MOST_PARAMETERS) : readRegularFile(file, MOST_PARAMETERS)
  } catch (error) {
    throw new PipelineError('DATA', fileProblem('read', shortPath(file), error), { cause: error })
  }
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  return { table: parametersFrom(bytes, file), source: { path: file, bytes: bytes.length, sha256 } }
}

/**
 * Reads what a trained model knows of its inputs. Throws a PipelineError `DATA` if the file cannot be read, is damaged, or
 * holds something else.
 */
export function readModelInputs(path: string): ModelInputs {
  return modelInputsOf(modelOf(readModelFile(path).table))
}

/** What a model knows of its inputs. */
export function modelInputsOf({ shape, names, columns, label, classes, type }: Model): ModelInputs {
  const known = columns ?? names?.map((name) => ({ kind: 'number' as const, name }))
  return { shape, names, columns: known, label, classes, type }
}

/**
 * The facts of the examples that a load stage makes with the option `model`. A model that cannot be read is a problem of
 * that option; one that does not exist is left to the check of the input files.
 */
export function modelFacts(path: string, problem: (path: string, message: string) => void): Facts {
  const splits = [MODEL_SPLIT]
  if (!existsSync(path)) return { splits }
  try {
    const { shape, classes } = readModelInputs(path)
    return { splits, shape, classes }
  } catch (error) {
    problem('model', messageOf(error))
    return { splits }
  }
}

/**
 * The file of a trained model: `which` parameters of a run directory, or the file itself.
 *
 * @param which `last`, `best`, or the name of an Arrow file in the run directory. Throws a PipelineError `DATA` if there is no
 * such file in it, or a symbolic link.
 */
export function storedModelFile(path: string, which = 'last'): string {
  if (which === 'last' || !isDirectory(path)) return path
  const name = which === 'best' ? 'best.arrow' : which
  const file = join(path, name)
  let status: Stats | undefined
  try {
    status = entryInside(path, name)
    if (status?.isSymbolicLink()) throw new Error('it is a symbolic link, which is not followed')
  } catch (error) {
    throw new PipelineError('DATA', fileProblem('read', shortPath(file), error), { cause: error })
  }
  if (!status) throw noModel(path, name)
  return file
}

function noModel(directory: string, wanted = 'parameters.arrow'): PipelineError {
  let others: string[] = []
  try {
    others = namesInside(directory).filter((name) => name.endsWith('.arrow'))
  } catch {
    // The missing file is the problem to report.
  }
  const help =
    others.length > 0
      ? `it has ${others.map((name) => shortPath(join(directory, name))).join(' and ')}; give that file`
      : 'a run writes parameters.arrow with sink/parameters, when it is done, and best.arrow with sink/best'
  return new PipelineError('DATA', `${shortPath(directory)} holds no ${cutName(wanted)}: ${help}`)
}

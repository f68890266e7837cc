/**
 * Trained models in programs: reads what a run has stored, and predicts the classes of rows. No run is made and no file is
 * written.
 */
import { join, resolve } from 'node:path'
import { parse } from 'yaml'
import { hostKernelNames, type KernelOptions, openKernels } from './kernels/index.js'
import { widthOf } from './kernels/network-shape.js'
import { builtInLearners, foldedLayers, openScorer, predict, rowScorer, type Scorer } from './learners/index.js'
import { messageOf, PipelineError } from './pipeline/base/errors.js'
import { listed } from './pipeline/base/words.js'
import type { Trust } from './pipeline/definition/trust.js'
import { readInside } from './pipeline/files/inside.js'
import { isDirectory } from './pipeline/files/is-directory.js'
import { MAX_DEFINITION, MAX_RECORD } from './pipeline/files/limits.js'
import { type GivenRows, givenRowReader } from './pipeline/formats/given-rows.js'
import { modelInputsOf, readStoredModel, storedModelFile } from './pipeline/formats/model-inputs.js'
import { Pipeline } from './pipeline/graph/pipeline.js'
import { type AnyLearner, learnerWith } from './pipeline/stage/learner.js'
import { modelOf, type Model as StoredModel } from './pipeline/wires/parameters.js'

export type { GivenRow, GivenRows, TypedNumbers } from './pipeline/formats/given-rows.js'

/** How a model is loaded. */
export interface LoadModelOptions extends Pick<KernelOptions, 'kernel' | 'threads'> {
  /** The parameters of a run directory: `last` (default), `best`, or the name of an Arrow file in it. */
  readonly which?: string
  /** Learners that do not come with Millrace. */
  readonly learners?: readonly AnyLearner[]
  /**
   * Whether the stage files that `pipeline.yaml` of the run names may be loaded, to find a learner that does not come with
   * Millrace; see `Trust`. Default: false.
   */
  readonly plugins?: Trust['plugins']
}

/** The prediction for one row. */
export interface RowPrediction {
  /** The predicted class. */
  readonly label: string
  /** Its place among the classes. */
  readonly index: number
  /** The probability of that class, or its score. */
  readonly confidence: number
  /** The probability (or score) of each class, by name. */
  readonly values: Readonly<Record<string, number>>
}

/** The predictions for some rows. */
export interface ModelPredictions {
  /** Number of rows. */
  readonly count: number
  /** The predicted class of each row: the one with the largest score, the first of equals. */
  readonly labels: readonly string[]
  /** The place of that class among the classes. */
  readonly indices: Int32Array
  /** The probability of each class if `kind` is `probability`, else its score: row-major, `[rows, classes]`. */
  readonly values: Float64Array
  /** What `values` are. A model with the hinge loss has scores, which are no probabilities. */
  readonly kind: 'probability' | 'score'
  /** Returns the prediction for one row. */
  row(i: number): RowPrediction
}

/** A trained model. It keeps nothing from call to call, so calls may come from anywhere, at any time. */
export interface TrainedModel {
  /** Names of the classes. */
  readonly classes: readonly string[]
  /** Names of the features, if the training data named them. */
  readonly names: readonly string[] | undefined
  /** The columns that rows have, and how they become features; undefined if the training data named none. */
  readonly columns: ReturnType<typeof modelInputsOf>['columns']
  /** Shape of one example, slowest axis first. */
  readonly shape: readonly number[]
  /** The learner that made it: `softmax`, `hinge`, `network`. */
  readonly learner: string
  /** The version of Millrace that trained it, if its run says so. */
  readonly version: string | undefined
  /**
   * Predicts the classes of rows as they were before any standardisation. Columns are found by name if rows are objects or
   * an Arrow table with such columns, else by position. Throws a PipelineError `DATA` that names row and column if a column
   * is missing or unknown, or if a cell is not what the column takes.
   *
   * It is synchronous. Cut many rows into pieces if the event loop must not wait.
   */
  predict(rows: GivenRows): ModelPredictions
  /** Gives back the memory of the kernels. The model cannot be used afterwards. */
  free(): void
}

/** So many rows are scored without a kernel: the calls of all but the native ones would take longer. */
const FEW = 2

/** Larger models are left to the kernels alone: a copy of their weights would take much memory. */
const MOST_WEIGHTS = 1 << 22

/**
 * Loads a trained model from a run directory, or from its `parameters.arrow` or `best.arrow`. Rejects with a PipelineError
 * `DATA` if the file cannot be read or its learner is not known, `KERNEL` if the kernel is not available.
 *
 * @example
 * const model = await loadModel('runs/iris-001')
 * const { labels } = model.predict([{ length: 5.1, width: 3.5 }])
 */
export async function loadModel(path: string, options: LoadModelOptions = {}): Promise<TrainedModel> {
  const file = storedModelFile(resolve(path), options.which)
  const stored = modelOf(readStoredModel(file).table)
  const learner = await learnerOf(stored, path, options)
  const inputs = modelInputsOf(stored)
  const read = givenRowReader(inputs)
  const kernels = await openKernels({
    threads: options.threads ?? 1,
    ...(options.kernel && { kernel: options.kernel }),
  }).catch((cause) => {
    throw new PipelineError('KERNEL', messageOf(cause), { cause })
  })
  if (kernels.stepsAhead) {
    kernels.close()
    throw new PipelineError(
      'ARGUMENTS',
      `predict is synchronous, and the ${kernels.name} kernel answers later; leave kernel out, or name one of ${listed(hostKernelNames)}`,
    )
  }
  let scorer: Scorer | undefined
  try {
    scorer = openScorer(stored, learner, kernels)
  } catch (error) {
    kernels.close()
    throw error
  }
  const open = scorer
  const scoreOne = kernels.name === 'native' ? undefined : oneByOne(stored, learner)
  const { classes } = stored

  function run(rows: GivenRows): ModelPredictions {
    if (!scorer) throw new PipelineError('ARGUMENTS', 'the model has been freed')
    const features = read(rows)
    const count = features.length / open.features
    const indices = new Int32Array(count)
    const values = new Float64Array(count * classes.length)
    if (scoreOne && count <= FEW) {
      for (let i = 0; i < count; i++) {
        const piece = predict(scoreOne(features, i * open.features), open)
        indices.set(piece.predicted, i)
        values.set(piece.values, i * classes.length)
      }
    } else
      for (let from = 0; from < count; from += open.rowsPerCall) {
        const to = Math.min(count, from + open.rowsPerCall)
        const scores = open.score(features.subarray(from * open.features, to * open.features))
        if (scores instanceof Promise)
          throw new PipelineError('KERNEL', `the learner "${learner.name}" scores later; predict is synchronous`)
        const piece = predict(scores, open)
        indices.set(piece.predicted, from)
        values.set(piece.values, from * classes.length)
      }
    const labels = Array.from(indices, (index) => classes[index]!)
    const row = (i: number): RowPrediction => {
      if (!(Number.isInteger(i) && i >= 0 && i < count))
        throw new RangeError(
          count === 0 ? 'row: there are no rows' : `row: expected a number from 0 to ${count - 1}, got ${i}`,
        )
      const own = values.subarray(i * classes.length, (i + 1) * classes.length)
      const index = indices[i]!
      return {
        label: labels[i]!,
        index,
        confidence: own[index]!,
        values: Object.fromEntries(classes.map((name, k) => [name, own[k]!])),
      }
    }
    return { count, labels, indices, values, kind: open.isLogits ? 'probability' : 'score', row }
  }

  return {
    classes,
    names: inputs.names,
    columns: inputs.columns,
    shape: stored.shape,
    learner: stored.learner,
    version: versionOf(path),
    predict: run,
    free: () => {
      if (!scorer) return
      scorer = undefined
      open.free()
      kernels.close()
    },
  }
}

/** The function that scores one row without a kernel, if the learner is a network. */
function oneByOne(stored: StoredModel, learner: AnyLearner): ReturnType<typeof rowScorer> | undefined {
  const weights = stored.arrays.reduce((sum, { values }) => sum + values.length, 0)
  if (!learner.network || weights > MOST_WEIGHTS) return undefined
  const data = { features: widthOf(stored.shape), classes: stored.classes.length }
  return rowScorer(foldedLayers(stored, learner.network(data, stored.options), stored.affine))
}

/**
 * The learner of stored parameters, as their options make it. A run's own code is loaded only if `plugins` allows it.
 * Rejects with a PipelineError `DATA` if the learner is not known.
 */
export async function learnerOf(
  { learner: name, options }: Pick<ReturnType<typeof modelOf>, 'learner' | 'options'>,
  path: string,
  { learners = [], plugins = false }: Pick<LoadModelOptions, 'learners' | 'plugins'>,
): Promise<AnyLearner> {
  const isRun = isDirectory(path)
  const ofMillrace = isRun && isOfStageFile(name, path) ? [] : builtInLearners
  const known = [...learners, ...ofMillrace].find((learner) => learner.name === name)
  const found = known ?? (plugins !== false && isRun ? await learnerInRun(name, path, plugins) : undefined)
  if (found) return learnerWith(found, options)
  if (builtInLearners.length > ofMillrace.length && builtInLearners.some((learner) => learner.name === name))
    throw new PipelineError(
      'DATA',
      `the model was made by a learner "${name}" of a stage file of the run, not by the one of that name that comes with ` +
        'Millrace; give it as `learners`, or allow `plugins` to load the stage files of the run',
    )
  throw new PipelineError(
    'DATA',
    `the model was made by the learner "${name}", which does not come with Millrace (${listed(
      builtInLearners.map((learner) => learner.name),
      'and',
    )} do); give it as \`learners\`, or allow \`plugins\` to load the stage files of the run`,
  )
}

/**
 * Whether a run has its learner from a stage file, although it has the name of one that comes with Millrace: it has stage
 * files, and no stage that makes parameters with the latter. No code of the run is loaded.
 */
function isOfStageFile(name: string, directory: string): boolean {
  let uses: readonly string[]
  try {
    const { stages } = parse(String(readInside(resolve(directory), 'pipeline.yaml', MAX_DEFINITION)), {
      maxAliasCount: 0,
      uniqueKeys: false,
      logLevel: 'error',
    }) as { stages: readonly { use: unknown }[] }
    uses = stages.map(({ use }) => String(use))
  } catch {
    return false
  }
  const makers = [`gradient-step/${name}`, 'load/parameters', 'load/wire']
  return uses.some((use) => /^(\.|\/|file:)/.test(use)) && !uses.some((use) => makers.includes(use))
}

/** The learner of that name that a stage of the run's own definition declares. */
async function learnerInRun(
  name: string,
  directory: string,
  plugins: Trust['plugins'],
): Promise<AnyLearner | undefined> {
  const path = resolve(directory)
  const { graph } = await Pipeline.load(join(path, 'pipeline.yaml'), { plugins, runDirectory: path })
  return graph.nodes.flatMap(({ stage }) => stage.learner ?? []).find((learner) => learner.name === name)
}

/** The version of Millrace that the record of a run names, if there is such a record. */
function versionOf(path: string): string | undefined {
  if (!isDirectory(path)) return undefined
  try {
    const { versions } = JSON.parse(String(readInside(resolve(path), 'run.json', MAX_RECORD))) as {
      versions?: { millrace?: unknown }
    }
    return typeof versions?.millrace === 'string' ? versions.millrace : undefined
  } catch {
    return undefined
  }
}

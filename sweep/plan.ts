import { setImmediate as nextTurn } from 'node:timers/promises'
import { Pipeline } from '../index.js'
import type { KernelChoice, KernelName } from '../kernels/index.js'
import { openKernels } from '../kernels/index.js'
import type { DataSource } from '../pipeline/base/data-source.js'
import { messageOf, PipelineError } from '../pipeline/base/errors.js'
import {
  type Definition,
  DefinitionProblems,
  type DefinitionSource,
  openDefinition,
  type ReadOptions,
  readDefinition,
} from '../pipeline/definition/read.js'
import { sweep } from '../pipeline/definition/sweep.js'
import type { Trust } from '../pipeline/definition/trust.js'
import { asWritten, formatOrigin, locate, plain } from '../pipeline/definition/value.js'
import { checkInputFiles } from '../pipeline/graph/missing-files.js'
import { prepare } from '../pipeline/run/prepared.js'
import { now } from '../pipeline/run/timed-kernels.js'
import { checkPlanSize } from './directory.js'
import { foldsOf } from './folds.js'
import { lengthOf } from './halving.js'
import { Checksums, definitionDigest, keyOf, preparationDigest } from './identity.js'
import type { Plan, Point } from './point.js'
import { PointProblems } from './point-problems.js'
import { checkCount, nameOf, type Setting, type SweepFlags, seedsOf, settingsOf, sweepBlock } from './settings.js'

/** How to plan a sweep. */
export interface PlanOptions extends SweepFlags, Trust {
  /** Overrides for every point, as `--set` takes them: `eta=0.1`. */
  readonly set?: readonly string[] | undefined
  /** The seed, if the sweep itself names none. Default: the seed of the pipeline. */
  readonly seed?: number | undefined
  /** The environment variables that the definition may refer to. Default: `process.env`. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined
  /** The kernel that executes the points. Default: the fastest on this machine. */
  readonly kernel?: KernelChoice | undefined
  /** Ends the planning early. */
  readonly signal?: AbortSignal | undefined
  /** Called for each point, with its pipeline and the data files that it reads. */
  readonly onPoint?: ((point: Point, pipeline: Pipeline, data: DataSource[]) => void) | undefined
}

/**
 * Plans the sweep of a pipeline: reads its block `sweep:` and checks every point before anything runs. Throws a
 * PipelineError with all problems, each with the source position of the setting and the points that have it; `ABORTED`
 * after `signal`.
 *
 * @param pipeline a YAML file, or the name of a built-in pipeline
 */
export async function planSweep(pipeline: string, options: PlanOptions = {}): Promise<Plan> {
  const { set = [], seed, plugins, allowAbsolutePaths, environment = process.env } = options
  const trust = { plugins, allowAbsolutePaths }
  const source = openDefinition(pipeline)
  const definition = definitionOf(source, { set, seed, environment, ...trust })
  const block = sweepBlock(definition.sweep, options)
  const settings = settingsOf(block)
  const kernel = await kernelName(options.kernel)
  const { monitor, halving } = sweep.parse(plain(block))
  const where = formatOrigin(locate(block, ['halving']).origin)
  const checksums = new Checksums()
  const problems = new PointProblems()
  const data = new Map<string, DataSource>()
  const points = new Map<string, Point>()
  const seeds = seedsOf(block, definition.seed)
  const folds = foldsOf(block, definition)
  const repeats = seeds.flatMap((seed) => folds.map((fold) => ({ seed, ...fold })))
  const breathe = breather()
  checkCount(settings.length, repeats.length)
  for (const setting of settings) {
    const values = dataOf(setting)
    for (const { seed: pointSeed, fold, overrides } of repeats) {
      const all = [...setting, ...overrides]
      await breathe()
      if (options.signal?.aborted) throw new PipelineError('ABORTED', 'stopped before the sweep was planned')
      const loaded = await problems.collect({ settings: values, seed: pointSeed, fold }, () =>
        Pipeline.load(source, { set: [...set, ...all], seed: pointSeed, environment, ...trust }),
      )
      if (!loaded) continue
      await checkInputFiles(loaded, options.signal)
      const sources = await checksums.of(loaded).catch(async (error) => {
        await tryToLoad(loaded, kernel)
        throw error
      })
      for (const source of sources) data.set(source.path, source)
      const digest = definitionDigest(loaded)
      const key = keyOf(digest, sources, kernel)
      if (points.has(key)) continue
      const point: Point = {
        key,
        settings: valuesIn(loaded, setting),
        seed: pointSeed,
        ...(fold !== undefined && { fold }),
        pipeline,
        set: [...set, ...all.map(textOf)],
        kernel,
        definition: digest,
        preparation: preparationDigest(loaded, sources),
        length: halving && lengthOf(loaded, halving, where),
      }
      points.set(key, point)
      options.onPoint?.(point, loaded, sources)
    }
  }
  problems.check()
  checkPlanSize([...points.values()])
  return {
    name: definition.name,
    pipeline,
    kernel,
    monitor,
    halving,
    names: [...new Set(settings.flatMap((setting) => setting.map(nameOf)))],
    data: [...data.values()],
    points: [...points.values()],
  }
}

/** Milliseconds of planning after which the event loop gets a turn, so that Ctrl-C is heard. */
const TURN = 20

/** Returns a function that gives the event loop a turn, if the last one is long ago. */
function breather(): () => Promise<void> {
  let last = now()
  return async () => {
    if (now() - last < TURN) return
    await nextTurn()
    last = now()
  }
}

/** The definition, for its block `sweep:`. It may have errors that the settings of the points remove. */
function definitionOf(source: DefinitionSource, options: ReadOptions): Definition {
  try {
    return readDefinition(source, options)
  } catch (error) {
    if (!(error instanceof DefinitionProblems)) throw error
    return error.definition
  }
}

/** Loads the data that could not be read. The error of the load stage is better: it has a source position and a fix. */
async function tryToLoad(pipeline: Pipeline, kernel: KernelName): Promise<void> {
  const kernels = await openKernels({ kernel, threads: 1 })
  try {
    await prepare(pipeline, kernels)
  } finally {
    kernels.close()
  }
}

async function kernelName(kernel: KernelChoice | undefined): Promise<KernelName> {
  try {
    const kernels = await openKernels({ kernel, threads: 1 })
    kernels.close()
    return kernels.name
  } catch (cause) {
    throw new PipelineError('KERNEL', messageOf(cause), { cause })
  }
}

/** The text that `--set` reads as this value again: numbers as they were written, because a text may be meant. */
function textOf(override: Setting[number]): string {
  return `${nameOf(override)}=${asWritten(override.value)}`
}

/** The values of a setting as the pipeline reads them: the same number can be a text for it, as a name with zeros. */
function valuesIn({ definition }: Pipeline, setting: Setting): Record<string, unknown> {
  const values = setting.map((override) => {
    const { name, path, value } = override
    const stage = definition.stages.find(({ id }) => id === name)
    const read = path.length === 0 ? definition.vars.get(name) : stage && locate(stage.with, path)
    return [nameOf(override), plain(typeof read?.data === 'string' ? read : value)]
  })
  return Object.fromEntries(values)
}

function dataOf(setting: Setting): Record<string, unknown> {
  return Object.fromEntries(setting.map((override) => [nameOf(override), plain(override.value)]))
}

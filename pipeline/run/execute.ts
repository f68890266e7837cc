import type { Subject } from 'rxjs'
import { PipelineError } from '../base/errors.js'
import { scratchDirectory } from '../directory/run-directory.js'
import { checkInputFiles } from '../graph/missing-files.js'
import type { Pipeline } from '../graph/pipeline.js'
import type { WireTaps } from '../live/wire-taps.js'
import { chosenKernels } from './chosen-kernels.js'
import type { Result, RunEvent, RunSettings } from './contract.js'
import { type Division, runDivided } from './division.js'
import { runInProcess } from './execution.js'
import type { RunStart } from './start.js'

/** The two ways in which a run can start, new or resumed, offer the same two functions. */
export interface RunOpener {
  /**
   * Returns the pipeline without claiming anything. Every process of a divided run calls it. Its errors end the run.
   */
  readonly pipeline: () => Pipeline | Promise<Pipeline>
  /** Claims the run directory. Of the processes of a divided run, only the first calls it. */
  readonly open: () => RunStart | Promise<RunStart>
}

/** Where others see what goes on in a run. */
export interface RunOutlets {
  /** The events of the run. */
  readonly events: Subject<RunEvent>
  /** The wires of the run. */
  readonly taps: WireTaps
}

/**
 * Runs a pipeline to its end, in this process or as one of the processes of a divided run. Rejects with a
 * PipelineError; if the run directory was claimed by then, its `run.json` holds the same message.
 */
export async function execute(opener: RunOpener, settings: RunSettings, { events, taps }: RunOutlets): Promise<Result> {
  const pipeline = await opener.pipeline()
  const { parallel } = pipeline.definition
  if (!parallel) {
    // Prepared data was read already.
    if (!settings.prepared) await checkInputFiles(pipeline, settings.signal)
    return runWithKernels(pipeline, opener.open, settings, { events, taps })
  }
  return runDivided(parallel, settings, async (division, divided) => {
    await checkInputFiles(pipeline)
    return runWithKernels(pipeline, () => openOnRank(division, pipeline, opener), divided, { events, taps }, division)
  })
}

/** Opens the kernels before the run directory, so that a kernel that is not available leaves no directory behind. */
async function runWithKernels(
  pipeline: Pipeline,
  open: RunOpener['open'],
  settings: RunSettings,
  outlets: RunOutlets,
  division?: Division,
): Promise<Result> {
  const { kernels, reason } = await chosenKernels(settings, pipeline.graph, division !== undefined)
  try {
    if (division && kernels.stepsAhead)
      throw new PipelineError(
        'KERNEL',
        `the ${kernels.name} kernel trains on one device, and a divided run adds up the gradients of its processes on their ` +
          'CPUs; leave parallel out of the definition, or take --kernel native',
      )
    await division?.agreeOnKernels(kernels)
    const start = await open()
    try {
      return await runInProcess(start, { kernels, choice: reason, settings, ...outlets, division })
    } finally {
      start.directory.release()
    }
  } finally {
    kernels.close()
  }
}

/** The first rank claims the run directory. The others write nothing, and go on from the checkpoint of the first. */
async function openOnRank(division: Division, pipeline: Pipeline, { open }: RunOpener): Promise<RunStart> {
  await division.agreeOn(pipeline)
  if (division.rank > 0) {
    const checkpoint = await division.checkpointOfFirst(undefined)
    const resumed = { checkpoint, notes: [], maker: undefined, checkSource: () => {} }
    return { pipeline, directory: scratchDirectory(), ...(checkpoint && { resumed }) }
  }
  const start = await open()
  try {
    await division.checkpointOfFirst(start.resumed?.checkpoint)
    return start
  } catch (error) {
    start.directory.release()
    throw error
  }
}

import type { Subject } from 'rxjs'
import { openKernels } from '../../kernels/index.js'
import { messageOf, PipelineError } from '../base/errors.js'
import { scratchDirectory } from '../directory/run-directory.js'
import type { Pipeline } from '../graph/pipeline.js'
import type { Result, RunEvent, RunSettings } from './contract.js'
import { type Division, divided } from './division.js'
import { Execution, type RunStart } from './execution.js'

/** How a run begins. */
export interface RunOpener {
  /** The definition, to look at: nothing is claimed yet. */
  readonly pipeline: () => Pipeline | Promise<Pipeline>
  /** Claims the run directory; of the processes of a divided run only the first does. */
  readonly open: () => RunStart | Promise<RunStart>
}

/** Runs to the end. Rejects with a PipelineError; the run directory then says why. */
export async function execute(opening: RunOpener, conditions: RunSettings, events: Subject<RunEvent>): Promise<Result> {
  const pipeline = await definitionOf(opening)
  const parallel = pipeline?.definition.parallel
  if (!pipeline || !parallel) return executeHere(opening.open, conditions, events)
  return divided(parallel, conditions, (division, joint) =>
    executeHere(() => openOn(division, pipeline, opening), joint, events, division),
  )
}

/** What is wrong with it is told by `open`, which has more to say. */
async function definitionOf({ pipeline }: RunOpener): Promise<Pipeline | undefined> {
  try {
    return await pipeline()
  } catch {
    return undefined
  }
}

async function executeHere(
  open: () => RunStart | Promise<RunStart>,
  conditions: RunSettings,
  events: Subject<RunEvent>,
  division?: Division,
): Promise<Result> {
  const kernels = await openKernels(conditions).catch((cause) => {
    throw new PipelineError('KERNEL', messageOf(cause), { cause })
  })
  try {
    await division?.agreeOnKernels(kernels)
    const begun = await open()
    try {
      return await new Execution(begun, kernels, conditions, events, division).run()
    } finally {
      begun.directory.release()
    }
  } finally {
    kernels.close()
  }
}

/** The first rank opens the run; the others go on from the same checkpoint, and write nothing. */
async function openOn(division: Division, pipeline: Pipeline, { open }: RunOpener): Promise<RunStart> {
  await division.agreeOn(pipeline)
  if (division.rank > 0) {
    const checkpoint = await division.checkpointOfFirst(undefined)
    const resumed = { checkpoint, notes: [], maker: undefined, checkSource: () => {} }
    return { pipeline, directory: scratchDirectory(), ...(checkpoint && { resumed }) }
  }
  const begun = await open()
  try {
    await division.checkpointOfFirst(begun.resumed?.checkpoint)
    return begun
  } catch (error) {
    begun.directory.release()
    throw error
  }
}

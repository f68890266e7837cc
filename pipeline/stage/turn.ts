import type { StageContext } from './context.js'

/**
 * Gives the event loop a turn if it is due, for stages that load and prepare data. Returns undefined if it is not.
 * Rejects with the signal's reason if the run was stopped meanwhile: nothing has been trained that a checkpoint could
 * hold, so such a stage need not come to an end.
 */
export function turn({ flow, signal }: Pick<StageContext, 'flow' | 'signal'>): Promise<void> | undefined {
  return flow.yieldToEventLoop()?.then(() => signal.throwIfAborted())
}

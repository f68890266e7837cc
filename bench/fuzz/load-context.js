import { referenceKernels } from '../../dist/kernels/reference.js'
import { randomStream } from '../../dist/pipeline/base/random.js'
import { StageFlow } from '../../dist/pipeline/flow/flow.js'
import { FlowControl } from '../../dist/pipeline/flow/flow-control.js'
import { localParallel } from '../../dist/pipeline/parallel/local.js'
import { runMemory } from '../../dist/pipeline/stage/memory.js'

/** What a load stage gets from a run, without a run. */
export function loadContext() {
  const { signal } = new AbortController()
  return {
    id: 'load',
    inputs: {},
    asked: [],
    memory: runMemory(),
    kernels: referenceKernels(),
    parallel: localParallel,
    flow: new StageFlow(new FlowControl(signal)),
    signal,
    random: (purpose, epoch) => randomStream(1, 'load', purpose, epoch),
    splitRandom: (seed = 1) => randomStream(seed, 'load', 'split'),
    source: () => {},
    note: () => {},
  }
}

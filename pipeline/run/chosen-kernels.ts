import { setImmediate as nextTurn } from 'node:timers/promises'
import type { KernelOptions, Kernels, NetworkShape, Rows } from '../../kernels/contract.js'
import { openKernels, rowsPerCall, slices } from '../../kernels/index.js'
import { arraysOfNetwork, widthOf, workOfRow } from '../../kernels/network-shape.js'
import { messageOf, PipelineError } from '../base/errors.js'
import type { Graph } from '../graph/node.js'
import { ownOptionsOf } from '../stage/learner.js'
import { now } from './timed-kernels.js'

/** The kernels of a run. */
export interface ChosenKernels {
  /** Opened; the caller closes them. */
  readonly kernels: Kernels
  /** Why these, if the run was told `auto`. */
  readonly reason?: string
}

/** A step of fewer multiply-adds is over before a device has begun. */
const LEAST_WORK = 1e7
/** How long each kernel is measured, in milliseconds; at least one step. */
const MEASURED = 100
/** A device must be so much faster: what is measured is a few steps. */
const GAIN = 1.2
/** Rows of a batch, if they are not known. */
const ROWS = 100

/**
 * Opens the kernels of a run. `auto` takes the fastest of this process, or a hardware device if a step of the largest network
 * of the pipeline is large enough and then measured to be faster there. Rejects with a PipelineError `KERNEL` if the kernel is
 * not available.
 *
 * @param isDivided whether the run is divided among processes, which a device is not taken for
 */
export async function chosenKernels(
  options: KernelOptions & { readonly signal?: AbortSignal | undefined },
  graph: Graph,
  isDivided: boolean,
): Promise<ChosenKernels> {
  const kernels = await openKernels(options).catch((cause) => {
    throw new PipelineError('KERNEL', messageOf(cause), { cause })
  })
  if (options.kernel !== 'auto') return { kernels }
  const chosen = await deviceInstead(kernels, graph, isDivided, options.signal).catch(messageOf)
  if (typeof chosen === 'string') return { kernels, reason: `--kernel auto took ${kernels.name}: ${chosen}` }
  kernels.close()
  return chosen
}

/** The kernels on a device if they are faster, or the reason why they are not taken. */
async function deviceInstead(
  host: Kernels,
  graph: Graph,
  isDivided: boolean,
  signal: AbortSignal | undefined,
): Promise<ChosenKernels | string> {
  if (isDivided) return 'a divided run trains on CPUs'
  const largest = largestNetwork(graph)
  if (!largest) return 'the size of the model is not known before data is read'
  const { shape, batch, work } = largest
  if (work < LEAST_WORK) return `a step is small (${work.toExponential(1)} multiply-adds)`
  let device: Kernels
  try {
    device = await openKernels({ kernel: 'webgpu' })
  } catch (error) {
    return messageOf(error)
  }
  const told = await isFaster(device, host, { shape, batch, signal }).catch(messageOf)
  if (typeof told === 'object') return { kernels: device, reason: `--kernel auto took ${device.name}: ${told.faster}` }
  device.close()
  return told
}

/** What is measured. */
interface Measurement {
  readonly shape: NetworkShape
  /** Rows of a batch. */
  readonly batch: number
  readonly signal: AbortSignal | undefined
}

async function isFaster(
  device: Kernels,
  host: Kernels,
  measurement: Measurement,
): Promise<{ readonly faster: string } | string> {
  if (device.isSoftware) return `${device.detail} is no hardware`
  const there = await stepTime(device, measurement)
  const here = await stepTime(host, measurement)
  const times = `a step of ${measurement.batch} rows took ${there.toFixed(2)} ms on ${device.detail}, ${here.toFixed(2)} ms on ${host.name}`
  return there * GAIN < here ? { faster: times } : times
}

/** The network of the pipeline with the largest steps, as far as sizes are known before data is read. */
function largestNetwork(graph: Graph) {
  const found = graph.nodes.flatMap(({ stage, inputFacts, options }) => {
    const { learner } = stage
    const facts = Object.values(inputFacts).find(({ shape, classes }) => shape && classes)
    if (!learner?.network || !facts) return []
    const own = learner.options.safeParse(ownOptionsOf(learner, options))
    if (!own.success) return []
    const data = { features: widthOf(facts.shape!), classes: facts.classes!.length }
    const shape: NetworkShape = learner.network(data, own.data)
    const batch = facts.batchSize ?? ROWS
    return [{ shape, batch, work: batch * workOfRow(shape) }]
  })
  return found.sort((a, b) => b.work - a.work)[0]
}

/** Small numbers of no meaning, which repeat after `period` of them. A loop, because there may be many millions. */
function filler(length: number, period: number, divisor: number): Float32Array {
  const values = new Float32Array(length)
  for (let i = 0; i < length; i++) values[i] = ((i % period) - (period - 1) / 2) / divisor
  return values
}

/**
 * The milliseconds of a step, on rows and parameters of no meaning. Rejects if the run is stopped meanwhile.
 */
async function stepTime(kernels: Kernels, { shape, batch, signal }: Measurement): Promise<number> {
  const network = kernels.network({ ...shape, layers: shape.layers.map((layer) => ({ ...layer, dropout: 0 })) })
  try {
    network.load(
      Object.fromEntries(arraysOfNetwork(shape).map(({ name, shape }) => [name, filler(widthOf(shape), 17, 1000)])),
    )
    const classes = shape.layers.at(-1)!.units
    const rows: Rows = {
      values: filler(batch * shape.features, 13, 10),
      labels: Int32Array.from({ length: batch }, (_, i) => i % classes),
      isFixed: true,
    }
    const hasNorm = shape.layers.some(({ batchNorm }) => batchNorm)
    const most = hasNorm ? batch : rowsPerCall(kernels, { ...shape, classes })
    const pieces = [...slices(rows, most)]
    const last = pieces.pop()!
    const update = { rule: 'sgd', eta: 1e-6, lambda: 0 } as const
    const losses: (Promise<number> | number)[] = []
    let ahead = 1
    const known = async (): Promise<void> => {
      // Else a device waits for more losses before it reads these back.
      await network.settle?.()
      await Promise.all(losses.splice(0))
    }
    const step = async (): Promise<void> => {
      for (const piece of pieces) {
        network.accumulate(piece)
        await nextTurn()
        signal?.throwIfAborted()
      }
      const loss = network.step(last, update)
      // If a later call throws, nobody waits for it.
      if (loss instanceof Promise) loss.catch(() => {})
      losses.push(loss)
      if (losses.length < ahead) return
      await known()
      await nextTurn()
      signal?.throwIfAborted()
    }
    // A device compiles in its first step.
    if (kernels.stepsAhead) await step()
    const first = now()
    await step()
    const began = now()
    if (began - first > MEASURED) return began - first
    ahead = Math.min(kernels.stepsAhead ?? 1, Math.ceil(MEASURED / (began - first)))
    let steps = 0
    for (; now() - began < MEASURED; steps++) await step()
    await known()
    return (now() - began) / steps
  } finally {
    network.free()
  }
}

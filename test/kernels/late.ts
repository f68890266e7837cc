import { deviceFailure } from '../../dist/kernels/device-failure.js'
import type {
  Arrays,
  Evaluation,
  Gradient,
  Kernels,
  Network,
  NetworkShape,
  NetworkStep,
  Numbers,
  Rows,
  RuleState,
} from '../../dist/kernels/index.js'
import { implementations } from '../../dist/kernels/registry.js'

/** The numbers of a mirror while steps are ahead of it: whoever reads it too early fails. */
const STALE = Number.NaN

/** What a late kernel was asked for. */
export interface LateCalls {
  /** Steps. */
  steps: number
  /** Copies of the parameters. */
  reads: number
  /** The most losses that were not known at a time. */
  ahead: number
}

/**
 * Kernels whose results come late, as those of a device do: the same arithmetic as `inner`, promises for everything, and
 * parameters that are copies. So the dataflow around a device is tested without one.
 */
export function lateKernels(
  inner: Kernels,
  stepsAhead: number,
  calls: LateCalls,
  lostAt = Number.POSITIVE_INFINITY,
): Kernels {
  return {
    name: 'webgpu',
    detail: `late ${inner.name}`,
    threads: inner.threads,
    precision: inner.precision,
    slice: inner.slice,
    stepsAhead,
    memoryOutlivesClose: inner.memoryOutlivesClose,
    allocate: (bytes) => inner.allocate(bytes),
    network: (shape: NetworkShape) => lateNetwork(inner, shape, stepsAhead, calls, lostAt),
    moments: (values, features) => inner.moments(values, features),
    close: () => inner.close(),
  }
}

function lateNetwork(
  kernels: Kernels,
  shape: NetworkShape,
  stepsAhead: number,
  calls: LateCalls,
  lostAt: number,
): Network {
  const inner = kernels.network(shape)
  const mirror = copyOf(inner.read() as Arrays)
  const states = new Map<RuleState, OwnState>()
  let waiting: { resolve(): void; reject(error: Error): void }[] = []
  const isLost = (): boolean => calls.steps >= lostAt

  /** Settles the losses that wait, and then what is asked for. */
  function soon<T>(result: () => T): Promise<T> {
    const due = waiting
    waiting = []
    return new Promise((resolve, reject) => {
      setImmediate(() => {
        const lost = isLost() && deviceFailure('the device is lost: it was taken away')
        for (const loss of due) lost ? loss.reject(lost) : loss.resolve()
        try {
          if (lost) throw lost
          resolve(result())
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  function write(values: Arrays): Arrays {
    for (const [name, array] of Object.entries(mirror)) array.set(values[name]!)
    return mirror
  }

  function read(): Promise<Arrays> {
    calls.reads++
    const copy = copyOf(inner.read() as Arrays)
    const kept = [...states.values()].map((state) => state.copied())
    return soon(() => {
      for (const writeBack of kept) writeBack()
      return write(copy)
    })
  }

  function step(rows: Rows, update: NetworkStep): Promise<number> {
    calls.steps++
    const loss = inner.step(rows, update.rule === 'sgd' ? update : own(update)) as number
    for (const array of Object.values(mirror)) array.fill(STALE)
    const promise = new Promise<number>((resolve, reject) => waiting.push({ resolve: () => resolve(loss), reject }))
    calls.ahead = Math.max(calls.ahead, waiting.length)
    if (waiting.length > stepsAhead) throw new Error(`${waiting.length} steps ahead, ${stepsAhead} are allowed`)
    if (waiting.length === stepsAhead) void soon(() => {}).catch(() => {})
    return promise
  }

  /** The same step on the kernel's own state. */
  function own(update: Exclude<NetworkStep, { rule: 'sgd' }>): NetworkStep {
    let state = states.get(update.state)
    if (!state) {
      state = new OwnState(update.state, kernels)
      states.set(update.state, state)
    }
    return { ...update, state: state.own, change: state.changing(update.change) }
  }

  return {
    features: inner.features,
    classes: inner.classes,
    rules: inner.rules,
    read,
    load: (parameters) => inner.load(parameters),
    change: async (change) => {
      const arrays = await read()
      change(arrays)
      inner.load(arrays)
    },
    step,
    accumulate: (rows) => inner.accumulate(rows),
    gradient: (lambda, into): Promise<Gradient> => {
      const gradient = inner.gradient(lambda, into) as Gradient
      const copy = { ...gradient, arrays: into ? gradient.arrays : copyOf(gradient.arrays) }
      return soon(() => copy)
    },
    evaluate: (rows): Promise<Evaluation> => {
      const found = inner.evaluate(rows) as Evaluation
      return soon(() => found)
    },
    penalty: () => {
      const found = inner.penalty() as number
      return soon(() => found)
    },
    scores: (rows, out: Numbers) => {
      const own = out.slice()
      void inner.scores(rows, own)
      return soon(() => out.set(own))
    },
    settle: () => soon(() => {}),
    free: () => inner.free(),
  }
}

/** The state of an update rule as a device keeps it. */
class OwnState {
  readonly own: RuleState
  private readonly given: RuleState
  /** Arrays that `change` changes, whose state is that of the caller. */
  private readonly changed = new Set<string>()

  constructor(given: RuleState, kernels: Kernels) {
    this.given = given
    const copy = (array: Numbers): Numbers => {
      const { buffer, byteOffset } = kernels.allocate(array.byteLength)
      const own =
        array instanceof Float64Array
          ? new Float64Array(buffer, byteOffset, array.length)
          : new Float32Array(buffer, byteOffset, array.length)
      own.set(array)
      return own
    }
    this.own = Object.fromEntries(Object.entries(given).map(([name, list]) => [name, list.map(copy)]))
  }

  changing(change: (name: string, parameters: Numbers, gradient: Numbers) => void): typeof change {
    return (name, parameters, gradient) => {
      this.changed.add(name)
      change(name, parameters, gradient)
    }
  }

  /** Copies the state now; the function that is returned writes it to the caller's. */
  copied(): () => void {
    const copies = Object.entries(this.own)
      .filter(([name]) => !this.changed.has(name))
      .map(([name, list]) => [name, list.map((array) => array.slice())] as const)
    return () => {
      for (const [name, list] of copies) for (const [i, array] of list.entries()) this.given[name]![i]!.set(array)
    }
  }
}

function copyOf(arrays: Arrays): Arrays {
  return Object.fromEntries(Object.entries(arrays).map(([name, values]) => [name, values.slice()]))
}

/**
 * Runs `work` with a late kernel in the place of `webgpu`. Returns what it was asked for.
 *
 * @param lostAt the step at which the device is lost
 */
export async function withLateKernel(
  inner: 'reference' | 'wasm',
  stepsAhead: number,
  work: () => Promise<unknown>,
  lostAt = Number.POSITIVE_INFINITY,
): Promise<LateCalls> {
  const table = implementations as Record<string, { missing(): Promise<string | undefined>; open: unknown }>
  const before = table.webgpu!
  const calls = { steps: 0, reads: 0, ahead: 0 }
  table.webgpu = {
    missing: async () => undefined,
    open: async (options: { threads: number }) =>
      lateKernels(await implementations[inner].open(options), stepsAhead, calls, lostAt),
  }
  try {
    await work()
  } finally {
    table.webgpu = before
  }
  return calls
}

import { execFile } from 'node:child_process'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { openKernels, rowsPerCall, slices } from '../lib/kernels/index.js'
import { fixed, printTable } from './table.js'

const run = promisify(execFile)
/** Python is looked for where Debian has it, and where the shell finds it: one of them may have PyTorch. */
const pythons = ['/usr/bin/python3', 'python3']
const torchJob = fileURLToPath(new URL('jobs/gpu_torch.py', import.meta.url))

const FEATURES = 3072
const CLASSES = 10
/** The rows that are trained on, and the rows that accuracy is measured on. */
const ROWS = 10_000
const HELD_OUT = 1_000
/** The accuracy that training is timed to. The classes overlap: the best there is lies above it. */
const GOAL = 0.9

/** Hidden layers and rows of a batch. */
const allSizes = [[], [50], [512], [2048], [4096, 4096]].flatMap((hidden) =>
  [100, 1000].map((batch) => ({ hidden, batch })),
)

/**
 * Times steps on the GPU beside the native kernel and, where it is, PyTorch on the same GPU, eager and as a CUDA graph; then
 * how long training takes to an accuracy. Prints what was left out for lack of time.
 *
 * @param limit seconds for all of it
 * @param seconds how long each is measured
 * @param largest the most units of a hidden layer
 */
export async function gpuBench({ limit = 150, seconds = 1, largest = 4096 } = {}) {
  const ends = performance.now() + 1000 * limit
  const sizes = allSizes.filter(({ hidden }) => hidden.every((units) => units <= largest))
  let gpu
  try {
    gpu = await openKernels({ kernel: 'webgpu' })
  } catch (error) {
    console.log(`\ngpu: left out: ${error.message}`)
    return
  }
  const cpu = await openKernels({})
  console.log(
    `\nSteps of networks ${FEATURES}-…-${CLASSES} on bytes, sgd: ${gpu.detail} and ${cpu.name} (${cpu.detail}, ${cpu.threads} threads)`,
  )
  const torch = await torchTimes(sizes, seconds, limit / 3)
  const data = problem()
  const rows = []
  const skipped = []
  for (const [i, size] of sizes.entries()) {
    const name = `${size.hidden.join('-') || 'none'}, ${size.batch}`
    if (performance.now() > ends) {
      skipped.push(name)
      continue
    }
    const there = await measured(gpu, size, data, seconds, ends)
    const here = await measured(cpu, size, data, seconds, ends)
    const { eager, graph } = torch[i] ?? {}
    rows.push([
      name,
      fixed(1 / there.step, 1),
      fixed(1000 * there.step, 3),
      fixed(1000 * here.step, 3),
      fixed(here.step / there.step, 1),
      fixed(there.goal, 2),
      fixed(here.goal, 2),
      fixed(eager && 1000 * eager, 3),
      fixed(graph && 1000 * graph, 3),
      fixed(eager && there.step / eager, 2),
    ])
  }
  printTable(
    [
      'hidden, batch',
      'GPU steps/s',
      'GPU ms',
      `${cpu.name} ms`,
      'times faster',
      `GPU s to ${100 * GOAL} %`,
      `${cpu.name} s`,
      'PyTorch eager ms',
      'graph ms',
      'GPU / eager',
    ],
    rows,
  )
  if (skipped.length > 0) console.log(`  left out, because ${limit} s were over: ${skipped.join('; ')}`)
  gpu.close()
  cpu.close()
}

/** Rows that a linear model can tell apart most of the time: a pattern of bytes for each class, and noise over it. */
export function problem() {
  const random = mulberry(7)
  const patterns = Array.from({ length: CLASSES }, () =>
    Uint8Array.from({ length: FEATURES }, () => 118 + 14 * random()),
  )
  const count = ROWS + HELD_OUT
  const values = new Uint8Array(new SharedArrayBuffer(count * FEATURES))
  const labels = Int32Array.from({ length: count }, (_, i) => (i * 7) % CLASSES)
  const noise = Uint8Array.from({ length: 1 << 16 }, () => 100 * random())
  for (let i = 0; i < count; i++) {
    const pattern = patterns[labels[i]]
    const from = Math.floor(random() * (noise.length - FEATURES))
    for (let j = 0; j < FEATURES; j++) values[i * FEATURES + j] = pattern[j] + noise[from + j]
  }
  const affine = { mean: new Float64Array(FEATURES).fill(175), scale: new Float64Array(FEATURES).fill(1 / 30) }
  return { values, labels, affine }
}

/** Seconds of a step and, if it is asked for, until the goal is reached (undefined: not in time). */
export async function measured(kernels, { hidden, batch }, { values, labels, affine }, seconds, ends, hasGoal = true) {
  const units = [...hidden, CLASSES]
  const layers = units.map((units, i) => ({ units, ...(i < hidden.length && { activation: 'relu' }) }))
  const shape = { features: FEATURES, layers, loss: 'cross-entropy' }
  const network = kernels.network(shape)
  const most = rowsPerCall(kernels, { ...shape, classes: CLASSES })
  const part = (from, to) => ({
    values: values.subarray(from * FEATURES, to * FEATURES),
    labels: labels.subarray(from, to),
    affine,
    isFixed: true,
  })
  const cut = (rows) => [...slices(rows, most)]
  const batches = Array.from({ length: ROWS / batch }, (_, i) => cut(part(i * batch, (i + 1) * batch)))
  const heldOut = cut(part(ROWS, ROWS + HELD_OUT))
  const update = { rule: 'sgd', eta: 0.01, lambda: 0 }
  let ahead = 1
  const losses = []
  let made = 0
  const known = async () => {
    await network.settle?.()
    await Promise.all(losses.splice(0))
  }
  const step = async () => {
    const pieces = batches[made++ % batches.length]
    for (const piece of pieces.slice(0, -1)) {
      network.accumulate(piece)
      await nextTurn()
    }
    losses.push(network.step(pieces.at(-1), update))
    if (losses.length < ahead) return
    await known()
    await nextTurn()
  }
  try {
    network.load(firstParameters(units))
    await step()
    const first = performance.now()
    await step()
    // So many that they take a tenth of a second together.
    ahead = Math.min(kernels.stepsAhead ?? 1, Math.ceil(100 / (performance.now() - first)))
    const began = performance.now()
    const count = made
    while (performance.now() - began < 1000 * seconds) await step()
    await known()
    const time = (performance.now() - began) / 1000 / (made - count)
    if (!hasGoal) return { step: time }
    network.load(firstParameters(units))
    made = 0
    const start = performance.now()
    let goal
    const isOver = () => performance.now() > Math.min(start + 3000 * seconds, ends)
    while (goal === undefined && !isOver()) {
      for (let i = 0; i < 20 && !isOver(); i++) await step()
      await known()
      let correct = 0
      for (const piece of heldOut) correct += (await network.evaluate(piece)).correct
      if (correct / HELD_OUT >= GOAL) goal = (performance.now() - start) / 1000
    }
    return { step: time, goal }
  } finally {
    network.free()
  }
}

const drawn = new Map()

/** Weights as `init: he` draws them, roughly. */
function firstParameters(units) {
  const key = String(units)
  if (!drawn.has(key)) drawn.set(key, drawParameters(units))
  return drawn.get(key)
}

function drawParameters(units) {
  const random = mulberry(3)
  const entries = units.flatMap((count, l) => {
    const inputs = units[l - 1] ?? FEATURES
    const most = Math.sqrt(6 / inputs)
    const at = units.length === 1 ? '' : l + 1
    const weights = Float32Array.from({ length: count * inputs }, () => most * (2 * random() - 1))
    return [
      [`W${at}`, weights],
      [`b${at}`, new Float32Array(count)],
    ]
  })
  return Object.fromEntries(entries)
}

/** Numbers from 0 to 1, the same every time (mulberry32). */
function mulberry(seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The seconds of a step of PyTorch for each size; empty where it has no GPU. */
async function torchTimes(sizes, seconds, limit) {
  const reasons = new Set()
  for (const python of pythons)
    try {
      const { stdout } = await run(python, [torchJob, '--seconds', String(seconds), '--sizes', JSON.stringify(sizes)], {
        timeout: Math.round(1000 * limit),
      })
      const { device, times } = JSON.parse(stdout.trim().split('\n').at(-1))
      console.log(`  ${device}`)
      return times
    } catch (error) {
      const last = String(error.stderr || error.message)
        .trim()
        .split('\n')
        .at(-1)
      reasons.add(error.killed ? `it took longer than ${limit.toFixed(0)} s` : last)
    }
  console.log(`  PyTorch left out: ${[...reasons].join('; ')}`)
  return []
}

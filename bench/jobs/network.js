// Trains a network in Millrace, kernels alone. Prints { wall, cpu, rss, spent, … }: seconds of all steps, seconds of
// processor time of all threads, MB, and for the native kernel the seconds in each function of the addon and outside of
// them: those of the fastest tenth of the steps times their number, because other programs interrupt the rest.
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'
import { openKernels } from '../../dist/kernels/index.js'
import { updateRule } from '../../dist/learners/index.js'
import { openNetwork } from '../../dist/learners/open-network.js'
import { arraysOfNetwork } from '../../dist/pipeline/stage-kit.js'
import { makeStepper } from '../../dist/stages/gradient-step/step.js'

const { values: options } = parseArgs({
  options: {
    kernel: { type: 'string' },
    threads: { type: 'string', default: '1' },
    sizes: { type: 'string' },
    batch: { type: 'string' },
    steps: { type: 'string' },
    update: { type: 'string' },
    eta: { type: 'string' },
    lambda: { type: 'string' },
  },
})
const [features, ...units] = options.sizes.split('-').map(Number)
const [batch, steps, eta, lambda] = [options.batch, options.steps, options.eta, options.lambda].map(Number)
const classes = units.at(-1)
const count = 10_000
const spent = {}
const ofSteps = {}
if (options.kernel === 'native') timeAddon()

const kernels = await openKernels({ kernel: options.kernel, threads: Number(options.threads) })
const values = kernels.allocate(count * features)
for (let i = 0; i < values.length; i++) values[i] = Math.imul(i, 2654435761) >>> 24
const labels = Int32Array.from({ length: count }, (_, i) => (i * 7) % classes)
const affine = { mean: new Float64Array(features).fill(127.5), scale: new Float64Array(features).fill(1 / 74) }
const shape = {
  features,
  layers: units.map((units, i, all) => ({ units, ...(i < all.length - 1 && { activation: 'relu' }) })),
  loss: 'cross-entropy',
}
const specs = arraysOfNetwork(shape)
const model = openNetwork(kernels, shape)
model.load(
  Object.fromEntries(
    specs.map(({ name, shape, kind }) => {
      const values = new Float32Array(shape.reduce((a, b) => a * b))
      const most = Math.sqrt(6 / shape.at(-1))
      if (kind === 'weights') for (let i = 0; i < values.length; i++) values[i] = most * (2 * Math.random() - 1)
      return [name, values]
    }),
  ),
)
const stepper = makeStepper({ model, specs, rule: updateRule(options.update), lambda, kernels }, {})
const batches = Array.from({ length: Math.floor(count / batch) }, (_, i) => ({
  values: values.subarray(i * batch * features, (i + 1) * batch * features),
  labels: labels.subarray(i * batch, (i + 1) * batch),
  affine,
}))
const train = (from, to) => {
  for (let i = from; i < to; i++) {
    const began = performance.now()
    stepper.step(batches[i % batches.length], eta, i + 1)
    if ('outside' in spent) spent.outside = (performance.now() - began) / 1000 - products()
    for (const name of Object.keys(spent)) {
      ofSteps[name].push(spent[name])
      spent[name] = 0
    }
  }
}
train(0, 50)
for (const name of Object.keys(spent)) ofSteps[name] = []
const began = performance.now()
const before = process.cpuUsage()
train(50, 50 + steps)
const { user, system } = process.cpuUsage(before)
console.log(
  JSON.stringify({
    wall: (performance.now() - began) / 1000,
    cpu: (user + system) / 1e6,
    rss: process.resourceUsage().maxRSS / 1024,
    detail: kernels.detail,
    spent: Object.fromEntries(Object.entries(ofSteps).map(([name, each]) => [name, fastest(each) * steps])),
  }),
)
kernels.close()

/** Seconds in the functions of the addon during this step. */
function products() {
  return spent.outputs + spent.stepSlopes + spent.inputSlopes
}

/** The largest of the fastest tenth. */
function fastest(seconds) {
  return seconds.sort((a, b) => a - b)[Math.floor(seconds.length / 10)]
}

/** Measures the time in each function of the addon. */
function timeAddon() {
  const folder = new URL('../../kernels/native/build/Release/', import.meta.url)
  const file = readdirSync(folder).find((name) => name.endsWith('.node'))
  const addon = createRequire(import.meta.url)(new URL(file, folder).pathname)
  spent.outside = 0
  ofSteps.outside = []
  for (const name of ['outputs', 'stepSlopes', 'inputSlopes']) {
    const own = addon[name]
    spent[name] = 0
    ofSteps[name] = []
    addon[name] = (...args) => {
      const began = performance.now()
      const result = own(...args)
      spent[name] += (performance.now() - began) / 1000
      return result
    }
  }
}

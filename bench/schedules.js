/**
 * Draws the schedules of the learning rate for docs/training.md, with the product's own code:
 * `npm run build && node bench/schedules.js` writes docs/schedules.svg.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { curvesFigure } from '../dist/figures/index.js'
import { etaAt, schedule } from '../dist/learners/index.js'

const [epochs, steps] = [10, 20]

/** The reductions before each epoch that a metric would have caused: a pure schedule cannot show them. */
const reductions = [0, 0, 0, 0, 1, 1, 1, 2, 2, 3]

/** The schedules, by the titles of their panels. */
const schedules = {
  'constant, warmUp: 50': [0.1, 50],
  'factor: 0.5, every: 2': [{ start: 0.1, factor: 0.5, every: 2 }],
  'exponential, factor: 0.7': [{ exponential: { start: 0.1, factor: 0.7 } }],
  'linear, end: 0.02': [{ linear: { start: 0.1, end: 0.02 } }],
  cosine: [{ cosine: { start: 0.1 } }],
  'cosine, growth: 2': [{ cosine: { start: 0.1, period: 30, growth: 2 } }],
  'cyclical, halfCycle: 25': [{ cyclical: { min: 0.01, max: 0.1, halfCycle: 25 } }],
  'cyclical, halving: true': [{ cyclical: { min: 0.01, max: 0.1, halfCycle: 25, halving: true } }],
  'plateau, factor: 0.5': [{ plateau: { start: 0.1, metric: 'validation_loss', factor: 0.5 } }],
}

/** Returns the figure as SVG. */
export async function schedulesFigure() {
  const parsed = Object.entries(schedules).map(([name, [eta, warmUp]]) => [name, schedule.parse(eta), warmUp])
  const rows = Array.from({ length: epochs * steps }, (_, t) => {
    const position = { epoch: Math.floor(t / steps) + 1, step: t + 1, epochs, steps }
    const etas = parsed.map(([name, eta, warmUp]) => [
      name,
      etaAt(eta, position, warmUp, reductions[position.epoch - 1]),
    ])
    return { epoch: position.epoch, step: position.step, ...Object.fromEntries(etas) }
  })
  const metricInfos = new Map(parsed.map(([name]) => [name, { name, title: name }]))
  const title = `eta of each step, ${epochs} epochs of ${steps} steps`
  return curvesFigure([{ name: '', rows }], { title, metricInfos, columns: 3, width: 240, height: 110 })
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(new URL('../docs/schedules.svg', import.meta.url), await schedulesFigure())

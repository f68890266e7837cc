import t from 'tap'
import { problemsOf, runStage } from '../harness.js'
import { examples, featuresIn } from '../tables.js'

const position = { epoch: 1, step: 1, epochs: 1, steps: 1 }

/** The changed values of 4,000 equal ones. */
async function noisy(value: number, Values: Uint8ArrayConstructor | Float32ArrayConstructor, sigma = 3) {
  const rows = Array.from({ length: 1000 }, () => new Array(4).fill(value))
  const batches = [examples(rows, new Array(1000).fill(0), { position }, Values)]
  const { tables } = await runStage(t, `- use: augment/noise\n  with: { sigma: ${sigma} }`, { batches })
  return featuresIn(tables[0]!).flat()
}

function momentsOf(values: readonly number[]): [mean: number, deviation: number] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return [mean, Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)]
}

t.test('augment/noise adds normal noise of the given deviation, to data of any shape', async (t) => {
  for (const Values of [Uint8Array, Float32Array]) {
    const values = await noisy(100, Values)
    const [mean, deviation] = momentsOf(values)
    t.ok(Math.abs(mean - 100) < 0.2 && Math.abs(deviation - 3) < 0.15, `${mean} ± ${deviation}`)
    const within = values.filter((value) => Math.abs(value - 100) <= 3.5).length / values.length
    t.ok(Math.abs(within - 0.75) < 0.03, `${within} within 3.5 of the mean`)
    t.equal(values.every(Number.isInteger), Values === Uint8Array)
  }
})

t.test('bytes are clipped, not wrapped', async (t) => {
  const [dark, bright] = [await noisy(0, Uint8Array, 50), await noisy(255, Uint8Array, 50)]
  for (const [values, end] of [
    [dark, 0],
    [bright, 255],
  ] as const) {
    const share = values.filter((value) => value === end).length / values.length
    t.ok(Math.abs(share - 0.5) < 0.05, `${share} of the values stay at ${end}`)
    t.ok(Math.abs(momentsOf(values)[0] - end) < 30)
  }
})

t.test('noise needs a positive deviation', async (t) => {
  const above = '- use: load/digits\n- use: batch/rows\n  with: { size: 1, epochs: 1 }\n'
  t.match(
    await problemsOf(t, `${above}- use: augment/noise\n  with: { sigma: -1 }`),
    /sigma: expected a positive number, got -1/,
  )
})

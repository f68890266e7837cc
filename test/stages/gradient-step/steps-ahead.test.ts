import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type StepsAhead, stepsAhead } from '../../../dist/stages/gradient-step/steps-ahead.js'

/** Makes steps whose losses come `milliseconds` after each other, and tells how many were under way at each wait. */
async function waits(ahead: StepsAhead, count: number, milliseconds: number): Promise<number[]> {
  const seen: number[] = []
  let before = Promise.resolve(0)
  let open = 0
  for (let step = 1; step <= count; step++) {
    open++
    before = before.then(async (loss) => {
      if (milliseconds > 0) await sleep(milliseconds)
      open--
      return loss
    })
    const wait = ahead.add(before, { epoch: 1, step, epochs: 1, steps: count }, 0.1, false)
    if (!wait) continue
    seen.push(open)
    await wait
    if (milliseconds === 0) await before
  }
  return seen
}

const model = { read: async () => ({}) }

t.test('short steps get ahead further and further, up to the limit of the device', async (t) => {
  const seen = await waits(
    stepsAhead(model, 20, 0, () => {}),
    200,
    0,
  )
  t.equal(seen[0], 2)
  t.ok(seen[1]! <= 4 && seen.at(-1)! >= 19 && Math.max(...seen) <= 20, seen.join())
})

t.test('of long steps few are under way', async (t) => {
  const seen = await waits(
    stepsAhead(model, 64, 0, () => {}),
    6,
    130,
  )
  t.ok(
    seen.slice(1).every((open) => open <= 2),
    seen.join(),
  )
})

t.test('the first failure counts, and what comes behind it is not told', async (t) => {
  const ahead = stepsAhead(model, 8, 0, (loss, { step }) => {
    if (Number.isNaN(loss)) throw new Error(`step ${step}`)
  })
  const position = (step: number) => ({ epoch: 1, step, epochs: 1, steps: 9 })
  ahead.add(Promise.resolve(1), position(1), 0.1, false)
  const wait = ahead.add(Promise.resolve(Number.NaN), position(2), 0.1, true)
  await t.rejects(wait!, { message: 'step 2' })
  t.equal(ahead.mirror.step, 0, 'the copy does not count')
  ahead.add(Promise.reject(new Error('lost')), position(3), 0.1, false)
  await sleep(1)
  t.throws(() => ahead.check(), { message: 'step 2' })
})

import t from 'tap'
import { openKernels } from '../../../dist/kernels/index.js'
import { type KernelClock, now, timedKernels } from '../../../dist/pipeline/run/timed-kernels.js'
import { network, sgd } from '../../kernels/problems.js'

const rows = { values: Float32Array.of(1, 2, 3, 4), labels: Int32Array.of(0, 1) }

t.test('timed kernels compute what the kernels compute', async (t) => {
  const plain = await openKernels({ kernel: 'reference' })
  const timed = timedKernels(plain, { busy: 0, steps: 0, firstStep: undefined, lastCall: 0 })
  t.match(timed, { name: 'reference', detail: 'float64', threads: 1, precision: 'float64', slice: plain.slice })
  t.equal(timed.memoryOutlivesClose, plain.memoryOutlivesClose)
  t.equal(timed.allocate(16).length, 16)
  t.strictSame(timed.moments(Uint8Array.of(1, 2, 3, 4), 2), plain.moments(Uint8Array.of(1, 2, 3, 4), 2))
  const [a, b] = [network(plain, 2, 2), network(timed, 2, 2)]
  t.match(b, { features: 2, classes: 2 })
  for (const softmax of [a, b]) softmax.load({ W: Float32Array.of(1, 2, 3, 4), b: Float32Array.of(5, 6) })
  const out = [new Float64Array(4), new Float64Array(4)] as const
  a.scores(rows, out[0])
  b.scores(rows, out[1])
  t.strictSame(out[1], out[0])
  for (const softmax of [a, b]) softmax.accumulate(rows)
  t.strictSame(b.gradient(0.1), a.gradient(0.1))
  t.equal(b.step(rows, sgd(0.1, 0.1)), a.step(rows, sgd(0.1, 0.1)))
  for (const softmax of [a, b])
    softmax.change(({ W }) => {
      W![0] = 0.5
    })
  t.equal(b.read().W[0], 0.5)
  t.equal(b.penalty(), a.penalty())
  t.strictSame(b.read(), a.read())
  t.strictSame(b.evaluate(rows), a.evaluate(rows))
  b.free()
  timed.close()
})

t.test('the clock begins with the first step, and leaves the count of steps to the recorder', async (t) => {
  const clock: KernelClock = { busy: 0, steps: 0, firstStep: undefined, lastCall: 0 }
  const softmax = network(timedKernels(await openKernels({ kernel: 'reference' }), clock), 2, 2)
  softmax.load({ W: new Float32Array(4), b: new Float32Array(2) })
  softmax.evaluate(rows)
  t.match(clock, { busy: 0, steps: 0, firstStep: undefined })
  const before = now()
  softmax.step(rows, sgd(0.1, 0))
  const { busy, firstStep } = { ...clock }
  t.ok(firstStep! >= before && firstStep! <= clock.lastCall && clock.lastCall <= now())
  t.ok(busy > 0 && busy <= now() - before)
  softmax.step(rows, sgd(0.1, 0))
  softmax.evaluate(rows)
  t.equal(clock.steps, 0)
  t.equal(clock.firstStep, firstStep)
  t.ok(clock.busy > busy)
})

t.test('the clock begins with accumulated rows, and counts all calls of a step but not scores', async (t) => {
  const clock: KernelClock = { busy: 0, steps: 0, firstStep: undefined, lastCall: 0 }
  const softmax = network(timedKernels(await openKernels({ kernel: 'reference' }), clock), 2, 2)
  const before = now()
  const calls = [
    () => softmax.accumulate(rows),
    () => softmax.gradient(0),
    () => softmax.change(({ W }) => W!.fill(1)),
    () => softmax.penalty(),
    () => softmax.evaluate(rows),
  ]
  for (const call of calls) {
    const { busy } = clock
    call()
    t.ok(clock.busy > busy)
  }
  t.ok(clock.firstStep! >= before)
  const after = { ...clock }
  softmax.scores(rows, new Float64Array(4))
  softmax.read()
  t.strictSame(clock, after)
})

t.test('calls of a device overlap, and their time counts once', async (t) => {
  const clock: KernelClock = { busy: 0, steps: 0, firstStep: undefined, lastCall: 0 }
  const plain = await openKernels({ kernel: 'reference' })
  const settle: (() => void)[] = []
  const late = {
    ...plain,
    stepsAhead: 2,
    network: () => ({
      ...network(plain, 2, 2),
      step: () => new Promise<number>((resolve) => settle.push(() => resolve(1))),
      settle: async () => {},
    }),
  }
  const timed = timedKernels(late, clock)
  t.equal(timed.stepsAhead, 2)
  const model = timed.network({ features: 2, layers: [{ units: 2 }], loss: 'cross-entropy' })
  t.type(model.settle, 'function')
  const began = now()
  const steps = [model.step(rows, sgd(0.1, 0)), model.step(rows, sgd(0.1, 0))]
  t.equal(clock.busy, 0, 'nothing has ended')
  while (now() - began < 3);
  settle[0]!()
  await steps[0]
  t.equal(clock.busy, 0, 'one is under way')
  settle[1]!()
  await steps[1]
  const { busy } = clock
  t.ok(busy >= 3 && busy <= now() - began, `${busy} ms`)
})

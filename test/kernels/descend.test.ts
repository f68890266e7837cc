import t from 'tap'
import { openKernels } from '../../dist/kernels/index.js'

const rows = { values: Uint8Array.of(1, 2, 3, 4, 5, 6), labels: Int32Array.of(0, 1) }
const start = { W: Float32Array.of(1, 2, 3, 4, 5, 6), b: Float32Array.of(0.5, -0.5) }

for (const kernel of ['reference', 'wasm'] as const)
  t.test(`a step on a gradient from outside is the step of the ${kernel} kernel`, async (t) => {
    const kernels = await openKernels({ kernel, threads: 1 })
    const [whole, parts] = [kernels.softmax(3, 2), kernels.softmax(3, 2)]
    for (const softmax of [whole, parts]) softmax.load(start)
    const Numbers = kernels.precision === 'float64' ? Float64Array : Float32Array
    const into = { W: new Numbers(6), b: new Numbers(2) }
    for (let i = 0; i < 3; i++) {
      const loss = whole.step(rows, 0.1, 0.01)
      parts.accumulate(rows)
      const found = parts.gradient(0, into)
      t.equal(found.W, into.W, 'the gradient lies where it was asked for')
      t.equal(found.loss, loss)
      parts.descend(into, 0.1, 0.01)
      for (const [j, w] of whole.parameters.W.entries()) t.ok(Math.abs(w - parts.parameters.W[j]!) < 1e-6)
    }
    t.throws(() => parts.descend({ W: new Numbers(5), b: new Numbers(2) }, 1, 0), RangeError)
    whole.free()
    parts.free()
    kernels.close()
  })

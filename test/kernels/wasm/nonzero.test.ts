import t from 'tap'
import { createArena } from '../../../dist/kernels/wasm/arena.js'
import { wasmModule } from '../../../dist/kernels/wasm/module.js'
import { createSoftmax } from '../../../dist/kernels/wasm/softmax.js'

const { fround } = Math
const arena = createArena(await wasmModule(), 1)

/** Numbers in [-1, 1) that depend on `i` alone. */
const noise = (i: number): number => fround((Math.imul(i + 1, 2654435761) >>> 8) / 2 ** 23 - 1)

/** `sum_i a(i) b(i)` as the module adds: in float32 over 128 values, then in float64. */
function sum(count: number, a: (i: number) => number, b: (i: number) => number): number {
  let total = 0
  for (let first = 0; first < count; first += 128) {
    let part = 0
    for (let i = first; i < Math.min(first + 128, count); i++) part = fround(part + fround(a(i) * b(i)))
    total += part
  }
  return total
}

const equal = (a: ArrayLike<number>, b: ArrayLike<number>): boolean =>
  a.length === b.length && Array.from(a).every((value, i) => value === b[i])

// The last column says how many of the slopes are not 0: none, few, about the limit, all but one, all.
const cases = [
  [1, 16, 1, 1],
  [1, 5, 3, 0],
  [2, 33, 2, 0.5],
  [100, 70, 50, 0.5],
  [127, 31, 7, 0.75],
  [128, 64, 8, 0.99],
  [129, 48, 5, 0.2],
  [300, 100, 131, 0.6],
  [300, 17, 66, 1],
] as const

t.test('products with slopes that are 0 are left out, and no bit of a sum changes', async (t) => {
  for (const [rows, features, units, density] of cases) {
    const name = `${rows} rows, ${features} features, ${units} units, ${density}`
    const layer = createSoftmax(arena, features, units)
    const W = Float32Array.from({ length: units * features }, (_, i) => noise(i))
    layer.load({ W, b: new Float32Array(units) })
    const values = Float32Array.from({ length: rows * features }, (_, i) => noise(i + 7))
    const { slope } = layer.room(rows)
    for (let i = 0; i < rows * units; i++) slope[i] = (noise(i + 11) + 1) / 2 < density ? noise(i) : i % 3 ? 0 : -0
    const g = (i: number, k: number): number => slope[i * units + k]!

    layer.accumulateSlopes({ values, labels: new Int32Array(rows) }, slope)
    const { arrays } = layer.gradient(0)
    const dW = arrays.W!.map((_, at) => {
      const [k, j] = [Math.floor(at / features), at % features]
      const total = sum(
        rows,
        (i) => values[i * features + j]!,
        (i) => g(i, k),
      )
      return fround(total * (1 / rows))
    })
    t.ok(equal(arrays.W!, dW), `gradient: ${name}`)

    const [memory, at] = arena.heap.place(rows * features * 4)
    const out = new Float32Array(memory, at, rows * features)
    layer.inputSlopes(slope, rows, out, undefined)
    const expected = out.map((_, at) => {
      const [i, j] = [Math.floor(at / features), at % features]
      return sum(
        units,
        (k) => W[k * features + j]!,
        (k) => g(i, k),
      )
    })
    t.ok(equal(out, expected), `slopes by inputs: ${name}`)
    arena.heap.free(at)
    layer.free()
  }
})

t.teardown(() => arena.end())

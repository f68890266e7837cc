import t from 'tap'
import { readState, writeState } from '../../../dist/pipeline/directory/state.js'
import type { Tensor } from '../../../dist/pipeline/formats/safetensors.js'

function roundTrip(state: unknown): unknown {
  const tensors = new Map<string, Tensor>()
  const written = writeState(state, 'stage', tensors)
  return readState(JSON.parse(JSON.stringify(written)), tensors)
}

t.test('state comes back as it was: numbers of every kind, arrays of every type, whatever is nested', async (t) => {
  const state = {
    numbers: [0, -0, 1e-308, Number.MAX_VALUE, NaN, Infinity, -Infinity, 0.1],
    text: 'é\0"',
    nothing: null,
    yes: true,
    ['__proto__']: { polluted: 1 },
    deep: [{ values: Float32Array.of(1, NaN) }, { values: new Float64Array(0) }],
    bytes: Uint8Array.of(0, 255),
  }
  const back = roundTrip(state) as typeof state
  t.strictSame(back, state)
  t.ok(Object.is(back.numbers[1], -0))
  t.equal(back.deep[0]!.values.constructor, Float32Array)
  t.equal((Object.prototype as unknown as { polluted?: number }).polluted, undefined)
})

t.test('arrays are copies, named by the path that leads to them', async (t) => {
  const tensors = new Map<string, Tensor>()
  const W = Float32Array.of(1, 2)
  t.strictSame(writeState({ model: { W } }, 'a', tensors), { model: { W: { $tensor: 'a.model.W' } } })
  W[0] = 9
  t.strictSame(tensors.get('a.model.W')!.values, Float32Array.of(1, 2))
})

t.test('an array that is missing is told by its name', async (t) => {
  t.throws(() => readState({ $tensor: 'a.W' }, new Map()), new Error('the array "a.W" is missing'))
})

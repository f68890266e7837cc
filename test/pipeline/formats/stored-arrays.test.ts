import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { zipSync } from 'fflate'
import t from 'tap'
import { exportParameters } from '../../../dist/index.js'
import { readStoredArrays, readStoredModel } from '../../../dist/pipeline/stage-kit.js'
import { storedModel } from '../../models.js'
import { temporary } from '../../stages/harness.js'

t.test('the arrays of a model are the same in every format', (t) => {
  const affine = { mean: Float64Array.of(1, 2, 3), scale: Float64Array.of(1, 1, 1) }
  const path = storedModel(t, { affine, names: ['a', 'b', 'c'] })
  const { table } = readStoredModel(path)
  const expected = readStoredArrays(path).arrays
  t.strictSame([...expected.keys()], ['W', 'b'])
  for (const format of ['npz', 'safetensors'] as const) {
    const file = join(temporary(t), `p.${format}`)
    writeFileSync(file, exportParameters(table, format, '1.2.3'))
    const { arrays, source } = readStoredArrays(file)
    for (const [name, array] of expected) t.strictSame(arrays.get(name), array, `${format}: ${name}`)
    t.match(source, { path: file, sha256: /^[0-9a-f]{64}$/ })
  }
  const npz = join(temporary(t), 'p.npz')
  writeFileSync(npz, exportParameters(table, 'npz'))
  t.strictSame([...readStoredArrays(npz).arrays.keys()].sort(), ['W', 'b'], 'the standardisation is no parameter')
  t.end()
})

t.test('a damaged .npz says so', (t) => {
  const { table } = readStoredModel(storedModel(t))
  const whole = Buffer.from(exportParameters(table, 'npz'))
  const cases: Record<string, Uint8Array> = {
    empty: new Uint8Array(0),
    'cut off': whole.subarray(0, whole.length - 30),
    'a changed number': Buffer.from(whole).fill(
      7,
      whole.indexOf('\n', 0, 'latin1') + 3,
      whole.indexOf('\n', 0, 'latin1') + 4,
    ),
    'no zip': Buffer.from('W,b\n1,2\n'),
    'no arrays of NumPy': zipSync({ 'W.npy': Buffer.from('not an array') }),
  }
  for (const [kind, bytes] of Object.entries(cases)) {
    const file = join(temporary(t), 'p.npz')
    writeFileSync(file, bytes)
    t.throws(() => readStoredArrays(file), { code: 'DATA', message: /p\.npz is no \.npz file of arrays: / }, kind)
  }
  t.throws(() => readStoredArrays('nope.npz'), { code: 'DATA', message: /cannot read nope\.npz: no such file/ })
  t.end()
})

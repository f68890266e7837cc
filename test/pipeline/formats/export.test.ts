import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Table, tableFromArrays, tableToIPC } from 'apache-arrow'
import fc from 'fast-check'
import t from 'tap'
import { decodeTensors, exportParameters, PipelineError, readParameters } from '../../../dist/index.js'
import { copyParameters, type Model, metricsTable, parametersTables } from '../../../dist/pipeline/stage-kit.js'
import { temporary } from '../../stages/harness.js'

const position = { epoch: 3, step: 120, epochs: 4, steps: 40 }
const softmax = {
  learner: 'softmax',
  options: {},
  shape: [3, 2],
  classes: ['cat', 'dög', ''],
  lambda: 0.1,
  arrays: [
    { name: 'W', shape: [3, 2], values: Float32Array.of(1.5, -0, 3e-40, Number.MAX_VALUE, 5, 6) },
    { name: 'b', shape: [3], values: Float32Array.of(0.25, 1 / 3, -2) },
  ],
} satisfies Omit<Model, 'eta'>

/** With all that a model may say of its inputs and of itself. */
const full = {
  ...softmax,
  learner: 'my own',
  options: { margin: 0.5, layers: [{ units: 3 }] },
  names: ['a', 'ö, "x"', '', 'd', 'e', 'f'],
  affine: {
    mean: Float64Array.of(0.1 + 0.2, -1e300, 0, 1, 2, 3),
    scale: Float64Array.of(1 / 3, 0, 5e-324, 1, 1, 1),
  },
} satisfies Omit<Model, 'eta'>

const tableOf = (model: Omit<Model, 'eta'> = softmax): Table => parametersTables(model)(position, 0.05)

t.test('safetensors hold the arrays, and the rest as metadata', (t) => {
  const { tensors, metadata } = decodeTensors(exportParameters(tableOf(), 'safetensors', '1.2.3'))
  t.strictSame([...tensors.keys()], ['W', 'b'])
  for (const { name, shape, values } of softmax.arrays) t.strictSame(tensors.get(name), { shape, values })
  t.strictSame(Object.fromEntries(metadata), {
    model: 'softmax',
    features: '3x2',
    classes: '["cat","dög",""]',
    lambda: '0.1',
    eta: '0.05',
    epoch: '3',
    step: '120',
    millrace: '1.2.3',
  })
  t.end()
})

t.test('safetensors hold mean and scale as tensors, feature names and options as metadata, if there are any', (t) => {
  const { tensors, metadata } = decodeTensors(exportParameters(tableOf(full), 'safetensors'))
  t.strictSame([...tensors.keys()].sort(), ['W', 'b', 'mean', 'scale'])
  t.strictSame(tensors.get('mean'), { shape: [6], values: full.affine.mean })
  t.strictSame(tensors.get('scale'), { shape: [6], values: full.affine.scale })
  t.equal(metadata.get('model'), 'my own')
  t.strictSame(JSON.parse(metadata.get('feature_names')!), full.names)
  t.strictSame(JSON.parse(metadata.get('options')!), full.options)
  t.end()
})

t.test('float64 parameters stay float64', (t) => {
  const arrays = [{ name: 'W', shape: [1, 1], values: Float64Array.of(Math.PI) }]
  const { tensors } = decodeTensors(exportParameters(tableOf({ ...softmax, arrays }), 'safetensors'))
  t.strictSame(tensors.get('W')!.values, Float64Array.of(Math.PI))
  t.end()
})

t.test('the same parameters give the same bytes, in any time zone', (t) => {
  for (const format of ['npz', 'safetensors'] as const) {
    const before = process.env.TZ
    const [one, other] = ['Pacific/Kiritimati', 'America/Anchorage'].map((zone) => {
      process.env.TZ = zone
      return exportParameters(tableOf(), format, '1')
    })
    if (before === undefined) delete process.env.TZ
    else process.env.TZ = before
    t.strictSame(one, other)
  }
  t.end()
})

const skip = spawnSync('python3', ['-c', 'import numpy']).status !== 0 && 'python3 with numpy is not installed'

t.test('NumPy reads both', { skip }, (t) => {
  const folder = temporary(t, {
    'p.npz': exportParameters(tableOf(), 'npz', '1.2.3'),
    'p.safetensors': exportParameters(tableOf(), 'safetensors', '1.2.3'),
  })
  const program = `
import json, struct, sys, numpy as np
a = np.load('p.npz')
raw = open('p.safetensors', 'rb').read()
size = struct.unpack('<Q', raw[:8])[0]
header = json.loads(raw[8:8 + size])
same = True
for name in ['W', 'b']:
    start, end = header[name]['data_offsets']
    values = np.frombuffer(raw[8 + size + start:8 + size + end], '<f4').reshape(header[name]['shape'])
    same = same and values.tobytes() == a[name].tobytes() and values.shape == a[name].shape
print(json.dumps({
    'same': same, 'W': a['W'].tobytes().hex(), 'type': str(a['W'].dtype), 'shape': a['W'].shape, 'ok': a['W'].flags.c_contiguous,
    **{name: a[name].tolist() for name in ['model', 'features', 'classes', 'lambda', 'eta', 'epoch', 'step', 'millrace']},
}))`
  const read = JSON.parse(execFileSync('python3', ['-c', program], { cwd: folder, encoding: 'utf8' }))
  t.strictSame(read, {
    same: true,
    W: Buffer.from(softmax.arrays[0]!.values.buffer).toString('hex'),
    type: 'float32',
    shape: [3, 2],
    ok: true,
    model: 'softmax',
    features: [3, 2],
    classes: ['cat', 'dög', ''],
    lambda: 0.1,
    eta: 0.05,
    epoch: 3,
    step: 120,
    millrace: '1.2.3',
  })
  t.end()
})

t.test('NumPy reads mean, scale, feature names and options', { skip }, (t) => {
  const files = { 'full.npz': exportParameters(tableOf(full), 'npz'), 'bare.npz': exportParameters(tableOf(), 'npz') }
  const program = `
import json, numpy as np
a, bare = np.load('full.npz'), np.load('bare.npz')
print(json.dumps({
    'files': sorted(a.files), 'bare': sorted(bare.files), 'mean': a['mean'].tolist(), 'scale': a['scale'].tolist(),
    'types': [str(a['mean'].dtype), str(a['scale'].dtype)], 'names': a['feature_names'].tolist(), 'options': json.loads(str(a['options'])),
}))`
  const read = JSON.parse(execFileSync('python3', ['-c', program], { cwd: temporary(t, files), encoding: 'utf8' }))
  const always = ['W', 'b', 'classes', 'epoch', 'eta', 'features', 'lambda', 'model', 'step']
  t.strictSame(read, {
    files: [...always, 'feature_names', 'mean', 'options', 'scale'].sort(),
    bare: always,
    mean: [...full.affine.mean],
    scale: [...full.affine.scale],
    types: ['float64', 'float64'],
    names: full.names,
    options: full.options,
  })
  t.end()
})

t.test('a name that cannot stand in the format is refused', (t) => {
  const named = (name: string): Table =>
    tableOf({ ...softmax, arrays: [{ name, shape: [1], values: Float32Array.of(1) }] })
  for (const [name, format] of [
    ['classes', 'npz'],
    ['__proto__', 'npz'],
    ['__proto__', 'safetensors'],
    ['__metadata__', 'safetensors'],
  ] as const)
    t.throws(() => exportParameters(named(name), format), {
      code: 'DATA',
      message: new RegExp(
        `^the parameters cannot be written as ${format}: no (array|tensor) can have the name "${name}"`,
      ),
    })
  t.ok(exportParameters(named('classes'), 'safetensors').length > 0)
  for (const format of ['npz', 'safetensors'] as const)
    for (const name of ['mean', 'scale']) {
      // They are the standardisation of the inputs, if there is one.
      t.throws(() => exportParameters(named(name), format), {
        code: 'DATA',
        message: `the parameters cannot be written as ${format}: no array can have the name "${name}"`,
      })
    }
  t.end()
})

t.test('readParameters says what is wrong with a file', (t) => {
  const damaged = tableOf({ ...softmax, arrays: [{ name: 'W', shape: [2, 2], values: new Float32Array(3) }] })
  const twice = tableOf({ ...softmax, arrays: [softmax.arrays[1]!, softmax.arrays[1]!] })
  const folder = temporary(t, {
    'empty.arrow': '',
    'short.arrow': 'ARROW1\0\0',
    'text.arrow': 'not Arrow at all',
    'metrics.arrow': tableToIPC(metricsTable(position, { train_cost: 2 }), 'file'),
    'other.arrow': tableToIPC(tableFromArrays({ a: Int32Array.of(1) }), 'file'),
    'none.arrow': tableToIPC(tableOf({ ...softmax, arrays: [] }), 'file'),
    'damaged.arrow': tableToIPC(damaged, 'file'),
    'twice.arrow': tableToIPC(twice, 'file'),
    'names.arrow': tableToIPC(tableOf({ ...full, names: ['a'] }), 'file'),
    'map.arrow': tableToIPC(
      tableOf({ ...full, affine: { mean: new Float64Array(6), scale: new Float64Array(5) } }),
      'file',
    ),
  })
  for (const [file, message] of [
    ['nowhere.arrow', /^cannot read .*nowhere\.arrow: no such file or directory$/],
    ['empty.arrow', /empty\.arrow does not hold parameters: it is no Arrow file$/],
    ['short.arrow', /short\.arrow does not hold parameters: the file is cut off/],
    ['text.arrow', /text\.arrow does not hold parameters: /],
    ['metrics.arrow', /does not hold parameters: expected a table of the wire "parameters", got "metrics"$/],
    [
      'other.arrow',
      /does not hold parameters: expected a table of the wire "parameters", got another table or nothing$/,
    ],
    ['none.arrow', /does not hold parameters: /],
    ['damaged.arrow', /does not hold parameters: the array "W" of shape \[2,2\] has 3 numbers$/],
    ['twice.arrow', /does not hold parameters: two arrays have the same name$/],
    ['names.arrow', /does not hold parameters: expected 6 feature names$/],
    ['map.arrow', /does not hold parameters: expected a standardisation of 6 features$/],
  ] as const)
    t.throws(() => readParameters(join(folder, file)), { code: 'DATA', message }, file)
  t.end()
})

t.test('a file that was cut off is refused, wherever', (t) => {
  const sound = tableToIPC(copyParameters(tableOf()), 'file')
  const file = join(temporary(t), 'p.arrow')
  for (let length = 0; length < sound.length; length += 7) {
    writeFileSync(file, sound.subarray(0, length))
    t.throws(() => readParameters(file), { code: 'DATA', message: /does not hold parameters: / }, `${length} bytes`)
  }
  t.end()
})

t.test('a damaged file is refused, or read with other numbers', (t) => {
  const sound = tableToIPC(copyParameters(tableOf(full)), 'file')
  const file = join(temporary(t), 'p.arrow')
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(7)), { minLength: 1, maxLength: 3 }), (flips) => {
      const bytes = sound.slice()
      for (const [at, bit] of flips) bytes[at]! ^= 1 << bit
      writeFileSync(file, bytes)
      try {
        const table = readParameters(file)
        for (const format of ['npz', 'safetensors'] as const) exportParameters(table, format)
      } catch (error) {
        if (!(error instanceof PipelineError) || error.code !== 'DATA') throw error
      }
    }),
    { numRuns: 500 },
  )
  t.end()
})

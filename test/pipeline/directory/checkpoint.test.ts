import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import {
  type Checkpoint,
  checkpointFile,
  copyCheckpoint,
  decodeCheckpoint,
  encodeCheckpoint,
  pruneCheckpoints,
  soundCheckpoints,
} from '../../../dist/pipeline/directory/checkpoint.js'
import { writeDurably } from '../../../dist/pipeline/files/files.js'
import { decodeTensors, encodeTensors } from '../../../dist/pipeline/formats/safetensors.js'

const made = (step: number): Checkpoint => ({
  epoch: 1,
  step,
  isLast: false,
  definition: 'd',
  data: [{ path: 'x.csv', bytes: 3, sha256: 's' }],
  states: { model: { step, W: Float32Array.of(step, 0.5), b: new Float64Array(3) }, early: { worse: 2, best: NaN } },
})
const encoded = (step: number) => encodeCheckpoint(copyCheckpoint(made(step)))

t.test('a checkpoint comes back as it was, and is a safetensors file that any tool can look into', async (t) => {
  t.strictSame(decodeCheckpoint(encoded(7)), made(7))
  const { tensors, metadata } = decodeTensors(encoded(7))
  t.strictSame([...tensors.keys()], ['model.W', 'model.b'])
  t.equal(metadata.get('format'), 'millrace-checkpoint')
})

t.test('a checkpoint of version 0.1.0 is read', async (t) => {
  const { tensors, metadata } = decodeTensors(encoded(7))
  const old = encodeTensors(tensors, new Map([...metadata, ['version', '1']]))
  t.strictSame(decodeCheckpoint(old), made(7))
})

t.test('what is frozen does not change when the stages go on', async (t) => {
  const checkpoint = made(1)
  const frozen = copyCheckpoint(checkpoint)
  const { W } = checkpoint.states.model as { W: Float32Array }
  W.fill(9)
  t.strictSame(decodeCheckpoint(encodeCheckpoint(frozen)), made(1))
})

t.test('a file with any byte changed, cut off or made longer is refused, unless the byte means nothing', async (t) => {
  const whole = encoded(7)
  const same = JSON.stringify(decodeCheckpoint(whole))
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const bytes = whole.slice()
      bytes[at]! ^= change
      try {
        return JSON.stringify(decodeCheckpoint(bytes)) === same
      } catch {
        return true
      }
    }),
    { seed: 1, numRuns: 3000 },
  )
  for (let length = 0; length < whole.length; length += 50) t.throws(() => decodeCheckpoint(whole.slice(0, length)))
  t.throws(() => decodeCheckpoint(Uint8Array.of(...whole, 0)))
})

t.test('other files and other versions are refused', async (t) => {
  const { tensors } = decodeTensors(encoded(7))
  const other = (metadata: [string, string][]) => () => decodeCheckpoint(encodeTensors(tensors, new Map(metadata)))
  t.throws(other([]), new Error('it is no checkpoint'))
  const format: [string, string] = ['format', 'millrace-checkpoint']
  t.throws(other([format, ['version', '3']]), {
    message: 'a newer Millrace wrote it: it has version 3, this Millrace reads up to version 2',
  })
  t.throws(other([format, ['version', 'x']]), new Error('it has version x, expected 1 to 2'))
  t.throws(other([format, ['version', '1']]), new Error('its checksum is wrong'))
})

function folder(t: Parameters<Parameters<typeof import('tap').test>[1]>[0], files: Record<string, Uint8Array>): string {
  const directory = t.testdir({})
  mkdirSync(join(directory, 'checkpoint'))
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(directory, name), bytes)
  return directory
}

t.test('the newest sound checkpoint is taken; a damaged one is passed over with a warning', async (t) => {
  const directory = folder(t, {
    'checkpoint/step-000000100.safetensors': encoded(100),
    'checkpoint/step-000000200.safetensors': encoded(200),
    'checkpoint/step-000000300.safetensors': encoded(300).slice(0, -1),
    'checkpoint/step-000000400.safetensors': new Uint8Array(0),
  })
  const warnings: string[] = []
  const found = [...soundCheckpoints(directory, (text) => warnings.push(text))]
  t.strictSame(
    found.map(({ step }) => step),
    [200, 100],
  )
  t.equal(warnings.length, 2)
  t.match(
    warnings[0],
    /step-000000400\.safetensors cannot be used: the file is cut off: 0 bytes.*the one before it is taken$/,
  )
  t.strictSame([...soundCheckpoints(join(directory, 'nowhere'), () => {})], [])
})

t.test('a checkpoint of a newer version is not passed over for an older one', async (t) => {
  const { tensors, metadata } = decodeTensors(encoded(300))
  const newer = encodeTensors(tensors, new Map([...metadata, ['version', '3']]))
  const directory = folder(t, {
    'checkpoint/step-000000200.safetensors': encoded(200),
    'checkpoint/step-000000300.safetensors': newer,
  })
  t.throws(() => [...soundCheckpoints(directory, (text) => t.fail(text))], {
    code: 'DATA',
    message:
      /step-000000300\.safetensors cannot be used: a newer Millrace wrote it: it has version 3, this Millrace reads up to version 2; resume the run with that Millrace, or remove the file to go on from an earlier step$/,
  })
})

t.test('old checkpoints go, and what a kill left half-written', async (t) => {
  const directory = folder(t, {
    'checkpoint/step-000000050.safetensors.part': new Uint8Array(3),
    'checkpoint/x.txt': new Uint8Array(1),
  })
  for (const step of [1, 20, 300]) await writeDurably(join(directory, checkpointFile({ step })), encoded(step))
  pruneCheckpoints(directory, 2)
  t.strictSame(readdirSync(join(directory, 'checkpoint')).sort(), [
    'step-000000020.safetensors',
    'step-000000300.safetensors',
    'x.txt',
  ])
  t.strictSame(decodeCheckpoint(readFileSync(join(directory, checkpointFile({ step: 300 })))), made(300))
})

t.test('after one that was written comes none: what has a later step would be taken for the newest', async (t) => {
  const directory = folder(t, { 'checkpoint/step-000000400.safetensors': new Uint8Array(3) })
  for (const step of [1, 20, 300]) await writeDurably(join(directory, checkpointFile({ step })), encoded(step))
  pruneCheckpoints(directory, 1, { step: 20 })
  t.strictSame(readdirSync(join(directory, 'checkpoint')), ['step-000000020.safetensors'])
})

t.test('a folder of checkpoints that is a link to another is left alone', async (t) => {
  const directory = t.testdir({ away: { 'x.part': '' }, run: {} })
  await writeDurably(join(directory, 'away/step-000000001.safetensors'), encoded(1))
  symlinkSync('../away', join(directory, 'run/checkpoint'))
  pruneCheckpoints(join(directory, 'run'), 0)
  t.strictSame(readdirSync(join(directory, 'away')).sort(), ['step-000000001.safetensors', 'x.part'])
  t.strictSame([...soundCheckpoints(join(directory, 'run'), () => {})], [])
})

t.test('a file in the place of the folder is refused before anything is read', async (t) => {
  const directory = t.testdir({ checkpoint: 'mine' })
  t.throws(() => [...soundCheckpoints(directory, () => {})], {
    code: 'WRITE',
    message: /^cannot write checkpoints: expected .*checkpoint to be a folder, found a file; remove it$/,
  })
})

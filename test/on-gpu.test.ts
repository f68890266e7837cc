import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { kernelsCommand } from '../dist/cli/kernels.js'
import { Pipeline, resume, run, start } from '../dist/index.js'
import { type Kernels, kernelNames } from '../dist/kernels/index.js'
import { implementations } from '../dist/kernels/registry.js'
import { openDevice } from '../dist/kernels/webgpu/device.js'
import { kernelsOn } from '../dist/kernels/webgpu/index.js'
import { differingFiles } from '../dist/report/compared-files.js'
import { millrace } from './cli/millrace.js'
import { printed } from './cli/printed.js'
import { webgpuSkip } from './kernels/adapter.js'
import { dying, folder } from './pipeline/run/mortal.js'
import { errorOf, inside } from './stages/harness.js'

/* Runs on a GPU. Without one, an emulated adapter stands in. */

const skip = await webgpuSkip()
const common = ['--quiet', '--kernel', 'webgpu', '--plugins', '.', '--set', 'model.update=adam']

t.test('the same adapter gives the same bytes, also after a kill or a loss and a resume', { skip }, async (t) => {
  const cwd = inside(t, folder(t))
  const pipeline = await Pipeline.load('p.yaml', { set: ['model.update=adam'], plugins: '.' })
  await run(pipeline, { kernel: 'webgpu', out: 'a' })
  const killed = await millrace(['run', 'p.yaml', '--out', 'b', ...common], cwd, dying(10, 'b', 9))
  t.equal(killed.code, null, 'it was killed')
  const { record } = await resume('b', { plugins: '.' }).result
  t.match(record, { resumedAt: 9, kernel: { name: 'webgpu' } })
  t.strictSame(differingFiles(join(cwd, 'a'), join(cwd, 'b')), [])

  // The device is lost on the way.
  const table = implementations as Record<string, { open(): Promise<Kernels> }>
  const before = table.webgpu!
  const gpu = await openDevice()
  table.webgpu = { ...before, open: async () => kernelsOn(gpu) }
  const losing = start(pipeline, { kernel: 'webgpu', out: 'c' })
  losing.metrics.subscribe(({ step }) => step === 10 && gpu.device.destroy())
  const lost = await errorOf(losing.result)
  table.webgpu = before
  t.match(lost, ['KERNEL', /: the GPU \(.+\) failed: .* lost .*the last checkpoint is good: resume the run/])
  await resume('c', { plugins: '.' }).result
  t.strictSame(differingFiles(join(cwd, 'a'), join(cwd, 'c')), [])
})

t.test('a kernel that is not there is an error before the run', async (t) => {
  const cwd = folder(t)
  // There is no such driver. Without the package, none is looked for.
  const env = { VK_ICD_FILENAMES: '/nowhere.json', VK_DRIVER_FILES: '/nowhere.json' }
  const { code, stderr } = await millrace(['run', 'p.yaml', '--out', 'a', ...common], cwd, env)
  t.equal(code, 1)
  t.match(
    stderr,
    /the package webgpu is not installed; .*npm install webgpu|no GPU was found.*: VK_ICD_FILENAMES names/,
  )
  t.notOk(existsSync(join(cwd, 'a')), 'no directory is left')
})

t.test('kernels lists what is there', async (t) => {
  const listed = JSON.parse(await printed((output) => kernelsCommand({ json: true }, output))) as {
    name: string
    missing?: string
    isDefault: boolean
    detail?: string
  }[]
  const reasons = await Promise.all(kernelNames.map((name) => implementations[name].missing()))
  t.strictSame(
    listed.map(({ name, missing }) => [name, missing]),
    kernelNames.map((name, i) => [name, reasons[i]]),
  )
  t.equal(listed.filter(({ isDefault }) => isDefault).length, 1)
  const text = await printed((output) => kernelsCommand({}, output))
  for (const { name, detail, missing } of listed)
    t.ok(text.includes(`${name.padEnd(11)}${missing ? `not here: ${missing}` : detail}`), name)
  t.match(text, /^reference {2}float64, 1 thread$/m)
  if (!skip) t.match(text, /through \w+.*\n +at most: buffer [\d.]+ [GMT]B/)
})

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { RunRecord } from '../dist/index.js'
import { implementations } from '../dist/kernels/registry.js'
import { differingFiles } from '../dist/report/compared-files.js'
import { millrace } from './cli/millrace.js'
import { webgpuSkip } from './kernels/adapter.js'
import { dying, folder } from './pipeline/run/mortal.js'

/* Runs on a GPU, through the command line. Without one, an emulated adapter stands in. */

const missing = await webgpuSkip()
const common = ['--quiet', '--kernel', 'webgpu', '--plugins', '.', '--set', 'model.update=adam']

t.test('the same adapter gives the same bytes, also after a kill and a resume', { skip: missing }, async (t) => {
  const cwd = folder(t)
  const whole = await millrace(['run', 'p.yaml', '--out', 'a', ...common], cwd)
  t.strictSame(whole, { code: 0, stdout: '', stderr: '' })
  const killed = await millrace(['run', 'p.yaml', '--out', 'b', ...common], cwd, dying(10, 'b', 9))
  t.equal(killed.code, null)
  t.strictSame(await millrace(['resume', 'b', '--quiet', '--plugins', '.'], cwd), { code: 0, stdout: '', stderr: '' })
  t.strictSame(differingFiles(join(cwd, 'a'), join(cwd, 'b')), [])
})

t.test('a kernel that is not there is an error before the run', async (t) => {
  const cwd = folder(t)
  // No such driver; without the package it is not looked for.
  const env = { VK_ICD_FILENAMES: '/nowhere.json', VK_DRIVER_FILES: '/nowhere.json' }
  const { code, stderr } = await millrace(['run', 'p.yaml', '--out', 'a', ...common], cwd, env)
  t.equal(code, 1)
  t.match(stderr, missing ? /webgpu/ : /no GPU was found.*\/nowhere\.json/)
  t.notOk(existsSync(join(cwd, 'a')), 'no directory is left')
  const auto = ['run', 'p.yaml', '--out', 'b', '--quiet', '--json', '--kernel', 'auto', '--plugins', '.']
  const { notes } = JSON.parse((await millrace(auto, cwd, env)).stdout) as RunRecord
  t.match(notes[0], /^--kernel auto took \w+: the size of the model is not known before data is read$/)
})

t.test('kernels lists what is there', async (t) => {
  const env = missing ? {} : { VK_ICD_FILENAMES: process.env.VK_ICD_FILENAMES! }
  const { code, stdout } = await millrace(['kernels', '--json'], '.', env)
  t.equal(code, 0)
  const listed = JSON.parse(stdout) as { name: string; missing?: string; isDefault: boolean; detail?: string }[]
  t.strictSame(
    listed.map(({ name, missing }) => [name, missing === undefined]),
    await Promise.all(
      Object.entries(implementations).map(async ([name, { missing }]) => [name, (await missing()) === undefined]),
    ),
  )
  t.equal(listed.filter(({ isDefault }) => isDefault).length, 1)
  const text = (await millrace(['kernels'], '.', env)).stdout
  for (const { name, detail, missing } of listed)
    t.match(text, new RegExp(`^${name} +${missing ? 'not here: ' : detail}`, 'm'))
  if (!missing) t.match(text, /through vulkan.*\n +at most: buffer [\d.]+ [GM]B/)
})

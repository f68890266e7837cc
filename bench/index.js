// npm run bench [-- reference|kernels|scaling|memory|checkpoint|kills|leaks|fuzz …] [--kills 200] [--inputs 100000] [--seed 1] [--repeats 5] [--data DIR] [--plot FILE] [--install]
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { openKernels } from '../dist/kernels/index.js'
import { checkpointCost, kills } from './checkpoint.js'
import { kernelBench } from './kernels.js'
import { leaks } from './leaks.js'
import { memory } from './memory.js'
import { referenceJob } from './reference-job.js'
import { scaling } from './scaling.js'

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    repeats: { type: 'string', default: '5' },
    data: { type: 'string', default: process.env.MILLRACE_DATA ?? 'data' },
    plot: { type: 'string' },
    kills: { type: 'string', default: '200' },
    inputs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    install: { type: 'boolean', default: false },
  },
})
const parts = positionals.length > 0 ? positionals : ['reference', 'kernels', 'scaling']
const folder = fileURLToPath(new URL('.', import.meta.url))
if (flags.install)
  execFileSync('npm', ['install', '--no-audit', '--no-package-lock'], { cwd: folder, stdio: 'inherit' })

const kernels = []
for (const kernel of ['native', 'wasm'])
  try {
    const opened = await openKernels({ kernel, threads: 1 })
    console.log(`${kernel} kernel: ${opened.detail}`)
    kernels.push(kernel)
    opened.close()
  } catch (error) {
    console.log(`${kernel} kernel: left out: ${error.message}`)
  }
console.log(`${cpus()[0].model.trim()}, ${cpus().length} cores, Node ${process.versions.node}`)

const repeats = Number(flags.repeats)
const directory = resolve(join(flags.data, 'cifar-10-batches-bin'))
for (const [part, measure] of Object.entries({ reference: referenceJob, memory, checkpoint: checkpointCost })) {
  if (!parts.includes(part)) continue
  if (existsSync(directory)) await measure({ directory, repeats, kernels })
  else console.log(`\n${part} needs CIFAR-10 in ${directory}: give its folder with --data`)
}
if (parts.includes('kernels')) await kernelBench({ kernels, repeats })
if (parts.includes('scaling')) await scaling({ kernels, repeats: Math.min(3, repeats), plot: flags.plot })
if (parts.includes('kills'))
  await kills({ directory: existsSync(directory) ? directory : undefined, count: Number(flags.kills) })
if (parts.includes('leaks')) await leaks({ kernels })
if (parts.includes('fuzz'))
  await (await import('./fuzz.js')).fuzz({ inputs: Number(flags.inputs), seed: Number(flags.seed) })

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openKernels } from '../dist/kernels/index.js'
import { asked } from './arguments.js'
import { checkpointCost, kills } from './checkpoint.js'
import { commands } from './commands.js'
import { kernelBench } from './kernels.js'
import { leaks } from './leaks.js'
import { memory } from './memory.js'
import { networks } from './networks.js'
import { referenceJob } from './reference-job.js'
import { scaling } from './scaling.js'

const { flags, parts } = asked(process.argv.slice(2))
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
if (parts.includes('memory')) {
  await (await import('./windows.js')).windows({ repeats, kernels, megabytes: Number(flags.megabytes) })
  await (await import('./large-tables.js')).largeTables({ repeats, kernels })
}
if (parts.includes('kernels')) await kernelBench({ kernels, repeats })
if (parts.includes('networks')) await networks({ kernels, repeats })
if (parts.includes('load')) await (await import('./load.js')).loadBench({ repeats })
if (parts.includes('scaling')) await scaling({ kernels, repeats: Math.min(3, repeats), plot: flags.plot })
if (parts.includes('kills'))
  await kills({ directory: existsSync(directory) ? directory : undefined, count: Number(flags.kills) })
if (parts.includes('killer')) await (await import('./killer-loop.js')).killerLoop({ kills: Number(flags.kills) })
if (parts.includes('leaks')) await leaks({ kernels })
if (parts.includes('dashboard')) await (await import('./dashboard-cost.js')).dashboardCost({ repeats })
if (parts.includes('dashboard-live')) await (await import('./dashboard-live.js')).dashboardLive()
if (parts.includes('commands')) await commands({ directory, repeats })
if (parts.includes('gpu')) await (await import('./gpu.js')).gpuBench()
if (parts.includes('fuzz'))
  await (await import('./fuzz.js')).fuzz({ inputs: Number(flags.inputs), seed: Number(flags.seed) })
if (parts.includes('faults'))
  await (await import('./faults.js')).faults({ folder: resolve(flags.scripts), only: flags.only })

// Times steps with other tiles and divisions of the products than `divide` in kernels/webgpu/matmul.ts takes: what is fastest on
// a GPU decides its table and BUSY in kernels/webgpu/index.ts. Needs dist/kernels and the package webgpu:
//   node bench/gpu-tiles.js [--limit 45] [--seconds 0.2] [--largest 4096]
import { parseArgs } from 'node:util'
import { openDevice } from '../dist/kernels/webgpu/device.js'
import { kernelsOn } from '../dist/kernels/webgpu/index.js'
import { tiles } from '../dist/kernels/webgpu/matmul.js'
import { measured, problem } from './gpu.js'
import { fixed, printTable } from './table.js'

const { values: flags } = parseArgs({
  options: {
    limit: { type: 'string', default: '45' },
    seconds: { type: 'string', default: '0.2' },
    largest: { type: 'string', default: '4096' },
  },
})
const ends = performance.now() + 1000 * Number(flags.limit)
// Candidates that no product has yet.
Object.assign(tiles, { tall: { rows: 64, columns: 64, perThread: 8 } })

const sizes = [
  { hidden: [512], batch: 100 },
  { hidden: [512], batch: 1000 },
  { hidden: [2048], batch: 1000 },
  { hidden: [4096, 4096], batch: 1000 },
].filter(({ hidden }) => hidden.every((units) => units <= Number(flags.largest)))
const variants = [
  ['as it is', {}],
  ...['forward', 'back', 'weights'].flatMap((form) =>
    Object.keys(tiles).map((tile) => [`${form}: ${tile}`, { tiles: { [form]: tile } }]),
  ),
  ...[64, 512, 1024, 2048].map((busy) => [`busy: ${busy}`, { busy }]),
  ['as it is, again', {}],
]

const data = problem()
// A GPU that has had nothing to do is slow at first.
const first = kernelsOn(await openDevice())
await measured(first, sizes.at(-1), data, 1, ends, false)
first.close()
const rows = []
const skipped = []
let before
for (const [name, division] of variants) {
  if (performance.now() > ends) {
    skipped.push(name)
    continue
  }
  const gpu = await openDevice()
  if (rows.length === 0)
    console.log(`Milliseconds of a step by tile and division, and times that of the first line: ${gpu.name}`)
  const kernels = kernelsOn(gpu, division)
  const times = []
  for (const size of sizes)
    times.push(1000 * (await measured(kernels, size, data, Number(flags.seconds), ends, false)).step)
  kernels.close()
  before ??= times
  rows.push([name, ...times.map((time, i) => `${fixed(time, 3)} (${fixed(time / before[i])})`)])
}
printTable(['', ...sizes.map(({ hidden, batch }) => `${hidden.join('-') || 'none'}, ${batch}`)], rows)
if (skipped.length > 0) console.log(`left out, because ${flags.limit} s were over: ${skipped.join('; ')}`)

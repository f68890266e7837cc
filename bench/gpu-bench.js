// The part gpu of the bench alone, on lib/: node bench/gpu-bench.js [--limit 150] [--seconds 1] [--largest 4096]
import { parseArgs } from 'node:util'
import { gpuBench } from './gpu.js'

const { values } = parseArgs({
  options: { limit: { type: 'string' }, seconds: { type: 'string' }, largest: { type: 'string' } },
})
await gpuBench(Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value)])))

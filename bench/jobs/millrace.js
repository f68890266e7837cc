// One experiment as Millrace runs it. Prints { train, total }: seconds of the training loop, and of the run.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Pipeline, run } from 'millrace'

const { values } = parseArgs({
  options: {
    kernel: { type: 'string' },
    threads: { type: 'string', default: '2' },
    directory: { type: 'string' },
    epochs: { type: 'string', default: '40' },
  },
})
const pipeline = await Pipeline.load('cifar10/experiment-3', {
  set: [`directory=${values.directory}`, `epochs=${values.epochs}`],
})
const out = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
const { record } = await run(pipeline, { kernel: values.kernel, threads: Number(values.threads), out })
const { train, total, overhead, prepare } = record.timings
console.log(
  JSON.stringify({
    train,
    total,
    overhead,
    prepare,
    rss: process.resourceUsage().maxRSS / 1024,
    detail: record.kernel.detail,
  }),
)
rmSync(out, { recursive: true })

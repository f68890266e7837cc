// One experiment in Millrace. Prints { train, total, firstEpoch, … }: seconds of the training loop, of the run, and
// from the start of the process to the first evaluation.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Pipeline, start } from '../../dist/index.js'

const { values } = parseArgs({
  options: {
    pipeline: { type: 'string', default: 'cifar10/experiment-3' },
    figures: { type: 'boolean', default: false },
    kernel: { type: 'string' },
    threads: { type: 'string', default: '2' },
    directory: { type: 'string' },
    epochs: { type: 'string', default: '40' },
    checkpoint: { type: 'string' },
  },
})
const pipeline = await Pipeline.load(values.pipeline, {
  set: [`directory=${values.directory}`, `epochs=${values.epochs}`],
})
// The other programs draw no figures.
const drawing = values.figures ? [] : ['curves', 'weights', 'confusion', 'predictions']
const plain = drawing.reduce((rest, id) => rest.remove(id), pipeline)
const out = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
const running = start(plain, {
  kernel: values.kernel,
  threads: Number(values.threads),
  checkpoint: values.checkpoint,
  out,
})
let firstEpoch
running.metrics.subscribe(() => {
  firstEpoch ??= process.uptime()
})
const { record } = await running.result
const { train, total, overhead, prepare } = record.timings
console.log(
  JSON.stringify({
    train,
    total,
    overhead,
    prepare,
    checkpoints: record.checkpoints,
    firstEpoch,
    rss: process.resourceUsage().maxRSS / 1024,
    detail: record.kernel.detail,
  }),
)
rmSync(out, { recursive: true })

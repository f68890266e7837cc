import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pipeline, run } from '../dist/index.js'
import { printTable } from './measure.js'

/** Prints the resident memory of one process during thousands of tiny runs, one after another. It must level off. */
export async function leaks({ kernels, runs = 10_000 }) {
  console.log(`\nLeaks: resident MB after this many tiny runs in one process (${runs} in all)`)
  const marks = [0.1, 0.25, 0.5, 0.75, 1].map((share) => Math.round(share * runs))
  const rows = []
  for (const kernel of kernels) {
    const pipeline = await Pipeline.define({
      name: 'tiny',
      stages: [
        { use: 'load/digits', with: { fractions: { train: 0.02, test: 0.02 } } },
        { use: 'normalize/standardize', id: 'examples' },
        { use: 'batch/rows', with: { size: 10, epochs: 1 } },
        { use: 'gradient-step/softmax', id: 'model', with: { eta: 0.1 } },
        { use: 'evaluate/classification', id: 'metrics', from: { parameters: 'model', examples: 'examples' } },
        { use: 'sink/csv' },
      ],
    })
    const out = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
    const row = [kernel]
    for (let i = 1; i <= runs; i++) {
      await run(pipeline, { kernel, out, force: true })
      if (marks.includes(i)) row.push((process.memoryUsage().rss / 2 ** 20).toFixed(0))
    }
    rmSync(out, { recursive: true })
    rows.push(row)
  }
  printTable(['', ...marks.map(String)], rows)
}

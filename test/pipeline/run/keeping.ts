import type { Test } from 'tap'
import { temporary } from '../../stages/harness.js'

/** A pipeline with a stage of every kind that keeps something, on a few rows of its own data. */
export const definition = `
seed: 7
vars: { epochs: 4, eta: 0.1, patience: 100, shuffle: rows }
checkpoint: { every: 3 steps, keep: 2 }
stages:
  - { use: load/csv, with: { path: data.csv, label: kind, fractions: { train: 0.6, validation: 0.4 } } }
  - { id: examples, use: normalize/standardize, with: { fit: train } }
  - { id: written, use: sink/arrow, with: { path: examples.arrows } }
  - { id: cut, use: batch/rows, from: examples, with: { size: 8, epochs: "\${epochs}" } }
  - { id: batches, use: "shuffle/\${shuffle}" }
  - { use: sink/arrow, id: seen, with: { path: batches.arrows } }
  - { id: model, use: gradient-step/softmax, from: batches, with: { eta: "\${eta}", init: xavier } }
  - { id: metrics, use: evaluate/classification, from: { parameters: model, examples: examples }, with: { every: { steps: 2 } } }
  - { use: stop/patience, with: { patience: "\${patience}" } }
  - { use: sink/csv, from: metrics }
  - { use: sink/jsonl, from: metrics }
  - { use: sink/arrow, id: stream, from: metrics }
  - { use: sink/best, from: { parameters: model, metrics: metrics } }
  - { use: sink/parameters, from: model }
`

/** Two clouds of points that overlap a little, the same each time. */
export const data = `x,y,kind\n${Array.from({ length: 50 }, (_, i) => `${((i * 37) % 50) / 10 + (i % 2)},${((i * 11) % 50) / 10},${i % 2 ? 'a' : 'b'}`).join('\n')}\n`

/** A folder with both. */
export function folder(t: Test): string {
  return temporary(t, { 'p.yaml': definition, 'data.csv': data })
}

/** What every command of these tests is told. */
export const common = ['--quiet', '--kernel', 'reference', '--plugins', '.']

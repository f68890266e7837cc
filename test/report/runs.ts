import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import type { MetricInfo } from '../../dist/pipeline/wires/metrics.js'
import { type RunFiles, readRun } from '../../dist/report/index.js'
import { temporary } from '../stages/harness.js'

export interface Given {
  readonly name?: string
  readonly seed?: number
  readonly status?: string
  readonly error?: string
  readonly notes?: readonly string[]
  readonly eta?: number
  readonly lambda?: number
  /** The training stage, if it is another than softmax. */
  readonly training?: string
  readonly published?: string
  /** Lines of metrics.csv; none: no file. */
  readonly metrics?: readonly string[]
  /** The field `metrics` of run.json; undefined as in runs of version 0.1.0. */
  readonly metricInfos?: Readonly<Record<string, MetricInfo>>
  readonly files?: Readonly<Record<string, string | Uint8Array>>
}

const head = 'epoch,step,train_loss,train_cost,train_accuracy,test_loss,test_cost,test_accuracy'
export const metrics = [head, '1,10,2,2.1,0.3,2.2,2.3,0.25', '2,20,1.5,1.6,0.4,1.7,1.8,0.35']

export const svg =
  '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect width="10" height="10"/></svg>\n'

/** A run directory as `millrace run` would have written it. */
export function runDirectory(t: Test, given: Given = {}): string {
  const { name = 'a', seed = 1, status = 'done', error, notes = [], eta = 0.1, lambda = 0, published = '' } = given
  const record = {
    status,
    error,
    name,
    seed,
    versions: { millrace: '0.1.0', node: '20.0.0' },
    machine: { platform: 'linux-x64', cpu: 'cpu', cores: 2 },
    kernel: { name: 'reference', detail: 'float64', threads: 1 },
    started: '2021-04-02T00:00:00.000Z',
    metrics: given.metricInfos,
    timings: { total: 1, prepare: 0.1, train: 0.9, kernels: 0.8, overhead: 0.1, steps: 20 },
    data: [{ path: '/home/someone/data/x.bin', bytes: 30730000, sha256: 'ab'.repeat(32) }],
    notes,
    files: [],
  }
  const definition = [
    `name: ${name}`,
    published,
    'stages:',
    '  - { use: batch/rows, with: { size: 100, epochs: 2 } }',
    `  - { ${given.training ?? `use: gradient-step/softmax, with: { eta: ${eta}, lambda: ${lambda} }`} }`,
    '',
  ].join('\n')
  const directory = temporary(t, {
    'run.json': JSON.stringify(record),
    'pipeline.yaml': definition,
    ...(given.metrics?.length !== 0 && { 'metrics.csv': `${(given.metrics ?? metrics).join('\n')}\n` }),
  })
  for (const [file, content] of Object.entries(given.files ?? {})) {
    mkdirSync(dirname(join(directory, file)), { recursive: true })
    writeFileSync(join(directory, file), content)
  }
  return directory
}

export function runFiles(t: Test, given: Given = {}): RunFiles {
  return readRun(runDirectory(t, given))
}

export function published(...lines: readonly string[]): string {
  return ['published:', '  source: a paper', ...lines.map((line) => `  ${line}`)].join('\n')
}

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { errorCodes } from '../../dist/cli/error-codes.js'
import { explainCommand } from '../../dist/cli/explain.js'
import { Pipeline, run } from '../../dist/index.js'
import { outOfMemory } from '../../dist/kernels/memory.js'
import {
  asPipelineError,
  type ErrorCode,
  formatProblem,
  inStage,
  PipelineError,
} from '../../dist/pipeline/base/errors.js'
import { parseOverrides } from '../../dist/pipeline/definition/overrides.js'
import { silence } from '../../dist/pipeline/parallel/mpi.js'
import { checkAgreement } from '../../dist/pipeline/parallel/ranks.js'
import { formatFailure } from '../../dist/stages/check/table.js'
import { printed } from './printed.js'

/** A pipeline of two rows, with these stages behind the load. */
const pipeline = (...stages: string[]) =>
  [
    'stages:',
    ...['load/csv, with: { path: data.csv, header: false, fractions: { train: 1 } }', ...stages].map(
      (stage) => `  - { use: ${stage} }\n`,
    ),
  ]
    .join('\n')
    .replaceAll('\n\n', '\n')

const batches = 'batch/rows, with: { size: 1, epochs: 5 }'
const diverging = 'gradient-step/softmax, with: { eta: 1e38 }'

interface Trial {
  readonly stages?: readonly string[]
  readonly data?: string
  readonly out?: string
  readonly signal?: AbortSignal
}

/** Runs a pipeline in a folder, which becomes the current one. */
async function running(folder: string, { stages = [batches, diverging], data = '1,2,a\n3,4,b\n', ...more }: Trial) {
  writeFileSync(join(folder, 'data.csv'), data)
  writeFileSync(join(folder, 'file'), '')
  writeFileSync(join(folder, 'broken.mjs'), broken)
  writeFileSync(join(folder, 'pipeline.yaml'), pipeline(...stages))
  await run(await Pipeline.load(join(folder, 'pipeline.yaml')), {
    kernel: 'wasm',
    out: join(folder, 'run'),
    ...more,
    ...(more.out !== undefined && { out: join(folder, more.out) }),
  })
}

const broken = `
import { defineStage, wire, z } from 'millrace/stage'
import { tap } from 'rxjs'
export default defineStage({
  name: 'broken', summary: 'Throws.', options: z.strictObject({}), inputs: { examples: wire.examples }, outputs: {}, example: '',
  run: () => tap(() => { throw new Error('no such thing') }),
})
`

const wrongGradient = {
  ...{ gradient: 'step', lambda: 0, array: 'W', worst: [3, 1], method: 'central', h: 1e-6 },
  ...{ analytic: 0.5, expected: 0.25, max_absolute_error: 0.25, max_relative_error: 0.3, threshold: 1e-6 },
} as unknown as Parameters<typeof formatFailure>[0]

/** What provokes an error of each code. */
const provoked: Readonly<Record<ErrorCode, (folder: string) => unknown>> = {
  ARGUMENTS: () => parseOverrides(['eta']),
  DEFINITION: (folder) => running(folder, { stages: ['batch/rows, with: { sise: 1, epochs: 5 }'] }),
  DATA: (folder) => running(folder, { data: '' }),
  WRITE: (folder) => running(folder, { out: 'file/run' }),
  DIVERGED: (folder) => running(folder, {}),
  CHECK: () => Promise.reject(new PipelineError('CHECK', formatFailure(wrongGradient))),
  STAGE: (folder) => running(folder, { stages: ['./broken.mjs'] }),
  KERNEL: () => Promise.reject(inStage(outOfMemory(8e12), 'stages[2] gradient-step/softmax', 'pipeline.yaml:4:5')),
  PARALLEL: () => {
    const term = 'stages[4] gradient-step/softmax: eta'
    checkAgreement({ [term]: 0.2 }, { [term]: 0.1 }, 1)
  },
  SILENT: () => Promise.reject(silence('3', 30, 'step 17')),
  SYSTEM: () =>
    Promise.reject(asPipelineError(Object.assign(new Error(), { code: 'EMFILE', syscall: 'open', path: 'data.csv' }))),
  ABORTED: (folder) => running(folder, { signal: AbortSignal.abort() }),
  INTERNAL: () => Promise.reject(asPipelineError(new TypeError('x is not a function'))),
}

for (const code of Object.keys(errorCodes) as ErrorCode[])
  test(`${code} is explained, with a message that is really printed`, async (t) => {
    const { example, meaning, fix, exit } = errorCodes[code]
    t.equal(
      await printed((output) => explainCommand(code.toLowerCase(), {}, output)),
      `${code} (exit code ${exit}): ${meaning}\n\nexample:\n  ${example.replaceAll('\n', '\n  ')}\n\nfix: ${fix}\n`,
    )
    const provoke = provoked[code]
    const folder = t.testdir()
    try {
      await provoke(folder)
      t.fail('no error')
    } catch (error) {
      const { code: found, problems } = error as PipelineError
      t.equal(found, code)
      t.equal(
        problems
          .map(formatProblem)
          .join('\n')
          .replaceAll(/\S*\/(?=pipeline\.yaml|data\.csv|file\/)/g, ''),
        example,
      )
    }
  })

test('stages are explained, too, and what is neither is refused', async (t) => {
  const explained = (name: string, json = false) => printed((output) => explainCommand(name, { json }, output))
  t.match(await explained('batch/rows'), /^batch\/rows: Cuts[\s\S]*\n {2}size: a positive integer \(required\)\n/)
  t.equal(JSON.parse(await explained('batch/rows', true)).name, 'batch/rows')
  t.equal(JSON.parse(await explained('SILENT', true)).exit, 75)
  const list = await printed((output) => explainCommand(undefined, {}, output))
  t.strictSame(list.match(/^[A-Z]+/gm), Object.keys(errorCodes))
  for (const [name, message] of [
    ['diverge', 'no stage and no error code named "diverge"; did you mean "DIVERGED"?'],
    ['softmax', 'no stage and no error code named "softmax"; did you mean "gradient-step/softmax"?'],
    ['xxxxxxxxxxxxxx', /the codes are ARGUMENTS, .*; millrace stages lists the stages/],
    ['batch/row', /did you mean "batch\/rows"\?/],
  ] as const)
    await t.rejects(explained(name), { message })
})

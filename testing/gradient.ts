import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import { run } from '../index.js'
import { PipelineError } from '../pipeline/base/errors.js'
import type { Expectation } from '../pipeline/definition/tests.js'
import type { Pipeline } from '../pipeline/graph/pipeline.js'
import { formatFailure, gradientChecks } from '../stages/check/table.js'
import { checkingPipeline, GRADIENT_FILE, trainingStep } from './gradient-pipeline.js'
import { type Inserted, wayTo } from './plan.js'

/**
 * Checks the gradient of the training step against differences of the cost, with the reference kernel. Returns what is wrong, or
 * undefined. Throws the error of a pipeline that cannot be checked.
 *
 * @param from the id of the training step, if there are several
 */
export async function gradientFailure(
  pipeline: Pipeline,
  { tolerance, examples, features }: NonNullable<Expectation['gradient']>,
  from: string | undefined,
  inserted: Inserted,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const step = pipeline.graph.nodes.find(({ id }) => id === from?.split('.', 1)[0]) ?? trainingStep(pipeline)
  const { ids, sources } = wayTo(pipeline, [step], inserted)
  const part = pipeline.part({ ids, sources, more: inserted.added })
  const own = part.graph.nodes.find(({ id }) => id === step.id)!
  const checking = checkingPipeline(part, own, {
    examples,
    threshold: tolerance,
    ...(features === 'all' ? { all: true } : { features }),
  })
  const folder = mkdtempSync(join(tmpdir(), 'millrace-test-'))
  try {
    const { directory } = await run(checking, {
      out: join(folder, 'run'),
      kernel: 'reference',
      checkpoint: 'none',
      signal,
    })
    // The kernels are ours, and have tests of their own.
    const checks = gradientChecks(tableFromIPC(readFileSync(join(directory, GRADIENT_FILE)))).filter(
      ({ gradient }) => gradient === 'step',
    )
    const wrong = checks.filter(({ verdict }) => verdict === 'fail')
    if (wrong.length > 0) return `${step.id}: ${wrong.map(formatFailure).join('; ')}`
    if (checks.length > 0 && checks.every(({ verdict }) => verdict !== 'unchecked')) return undefined
    throw new PipelineError(
      'CHECK',
      `${step.title}: the gradient of its step was not checked: its parameters are float32`,
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

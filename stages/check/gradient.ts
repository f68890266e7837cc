import { type Table, tableFromIPC } from 'apache-arrow'
import {
  concat,
  concatMap,
  defer,
  EMPTY,
  filter,
  forkJoin,
  identity,
  of,
  take,
  tap,
  throwError,
  throwIfEmpty,
} from 'rxjs'
import { z } from 'zod'
import { fastKernelNames, kernelNames } from '../../kernels/index.js'
import {
  arrowFile,
  checkLearner,
  copyFromDevice,
  defineStage,
  PipelineError,
  positionOf,
  wire,
} from '../../pipeline/stage-kit.js'
import { compareGradients } from './compare.js'
import { formatFailure, gradientCheckTable } from './table.js'

const options = z.strictObject({
  step: z.int().min(2).default(2).describe('The step to check: from the parameters before it to those after it.'),
  features: z
    .union([z.int().positive(), z.literal('all')])
    .default(100)
    .describe('Number of random features whose weights are checked, in every class, or all. All of b is checked.'),
  h: z
    .array(z.number().positive())
    .min(1)
    .default([1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10])
    .describe('Step sizes of the differences.'),
  lambdas: z
    .array(z.number().nonnegative())
    .min(1)
    .optional()
    .describe("Weight decays to check the kernels with. Default: 0 and the model's own (0.1 if that is 0)."),
  threshold: z.number().positive().default(1e-6).describe('Largest absolute error against differences.'),
  kernels: z
    .array(z.enum(kernelNames).exclude(['reference']))
    .default(fastKernelNames)
    .describe('The fast kernels to compare.'),
  kernelThreshold: z
    .number()
    .positive()
    .default(1e-5)
    .describe('Largest error of a fast kernel, relative to the largest magnitude in the array.'),
  onFailure: z
    .enum(['stop', 'continue'])
    .default('stop')
    .describe('What to do if a gradient is wrong: stop the run with an error, or continue (only the table shows it).'),
})

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array)

/** `before`: the parameters before the step to check, as an Arrow file, if that step is still to come. */
const state = z.strictObject({ isChecked: z.boolean(), before: bytes.optional() })

/**
 * Checks gradients of the mean cost of a learner (for softmax: `J = mean(-log p[y]) + lambda · Σ W²`) on one batch of a
 * run. Two gradients are compared with forward and centred differences of the learner's cost:
 *
 * - the gradient of the training step, `(w_before - w_after) / eta`, computed from the parameters on the wire. This
 *   works for the training step of any stage, but needs float64 parameters. In float32 parameters rounding hides the
 *   gradient, and the table says `unchecked`;
 * - the gradient that the learner computes with the reference kernel, with and without weight decay.
 *
 * The gradients of the fast kernels are compared with those of the reference kernel. If a gradient is wrong, the stage
 * emits the table and then fails with code `CHECK`, with the array and index of each wrong gradient.
 */
export const gradient = defineStage({
  name: 'check/gradient',
  summary: 'Checks the gradients of a training step and of the kernels against differences of the cost.',
  options,
  inputs: { batches: wire.batch, parameters: wire.parameters },
  outputs: { checks: wire.gradientCheck },
  onResume: { threshold: 'rest', kernelThreshold: 'rest', onFailure: 'rest' },
  example:
    '- use: check/gradient\n  from: { batches: shuffle, parameters: model }\n' +
    '  with: { features: 50, threshold: 1.0e-6 }',
  holds: 'one batch, its logits, and the parameters before and after one step',
  asks: () => ({ parameters: { arrays: 'last' } }),
  facts: ({ inputs, problem }) => {
    checkLearner(inputs.parameters, problem)
    return {}
  },
  run:
    (options, context) =>
    ({ batches, parameters }) =>
      defer(() => {
        let isChecked = false
        let first: Table | undefined
        context.state(state, {
          snapshot: () => ({ isChecked, ...(first && !isChecked && { before: arrowFile(first) }) }),
          restore: (saved) => {
            isChecked = saved.isChecked
            first = saved.before && tableFromIPC(saved.before)
          },
        })
        const at = (step: number) => (table: Table) => positionOf(table).step === step
        const kept = (step: number) =>
          parameters.pipe(
            filter(at(step)),
            take(1),
            context.flow.concatMap((table) => {
              const copy = copyFromDevice(table)
              return copy instanceof Promise ? copy : [copy]
            }, 'parameters'),
          )
        const failed = new PipelineError('DATA', `the run ended before its step ${options.step} could be checked`)
        return forkJoin({
          batch: batches.pipe(filter(at(options.step)), take(1)),
          before: first
            ? of(first)
            : kept(options.step - 1).pipe(
                tap((table) => {
                  first = table
                }),
              ),
          after: kept(options.step),
        }).pipe(
          isChecked ? identity : throwIfEmpty(() => failed),
          tap(() => {
            isChecked = true
          }),
          context.flow.concatMap((observed) => compareGradients(observed, options, context)),
          concatMap(([position, checks]) => {
            const wrong = checks
              .filter(({ verdict }) => verdict === 'fail')
              .map((check) => ({ message: formatFailure(check) }))
            const failure = new PipelineError('CHECK', wrong)
            const isStopped = wrong.length > 0 && options.onFailure === 'stop'
            return concat(of(gradientCheckTable(position, checks)), isStopped ? throwError(() => failure) : EMPTY)
          }),
        )
      }),
})

import type { Table } from 'apache-arrow'
import { filter, map } from 'rxjs'
import {
  checkLearner,
  defineStage,
  gradientNormOf,
  isDueAt,
  type MetricInfo,
  metricsTable,
  modelOf,
  positionOf,
  type StageContext,
  toInterval,
  trainedOf,
  trainingInterval,
  widthOf,
  wire,
  z,
} from '../../pipeline/stage-kit.js'

const names = ['eta', 'gradient_norm', 'parameters_norm'] as const

type Name = (typeof names)[number]

/** No direction of them is better, and they belong to no split. */
const infos: Readonly<Record<Name, MetricInfo>> = {
  eta: { name: 'eta', title: 'learning rate eta' },
  gradient_norm: { name: 'gradient_norm', title: 'norm of the gradient' },
  parameters_norm: { name: 'parameters_norm', title: 'norm of the parameters' },
}

/**
 * Tells how steps of training go. `eta` is the learning rate of the step; `gradient_norm` the norm of its gradient, of all
 * trained arrays together, penalty included and before clipping; `parameters_norm` that of the trained arrays after the
 * step. Norms are `√Σ x²`, summed in float64.
 *
 * The gradient is that which the step used. If the kernel makes whole steps in one call, which it does without `clip` and
 * `l1`, the gradient is computed once more for a step that is measured. Measuring changes no step.
 */
export const steps = defineStage({
  name: 'evaluate/steps',
  summary: 'Tells eta and the norms of gradient and parameters every so many steps.',
  options: z.strictObject({
    every: trainingInterval
      .default('10 steps')
      .describe('How often: epoch, "5 epochs", "500 steps", { epochs: n } or { steps: n }.'),
    metrics: z
      .array(z.enum(names))
      .min(1)
      .refine((chosen) => new Set(chosen).size === chosen.length, { error: 'expected each metric once' })
      .default([...names])
      .describe('What to tell, in the order of the columns: eta, gradient_norm, parameters_norm.'),
  }),
  inputs: { parameters: wire.parameters },
  outputs: { metrics: wire.metrics },
  example:
    '- id: steps\n  use: evaluate/steps\n  from: model\n  with: { every: 10 steps, metrics: [eta, gradient_norm] }',
  onResume: { every: 'rest' },
  asks: ({ every, metrics }) => ({
    parameters: {
      ...(metrics.includes('gradient_norm') && { gradientNorm: toInterval(every) }),
      arrays: metrics.includes('parameters_norm') ? toInterval(every) : 'last',
    },
  }),
  facts: ({ options, inputs, problem }) => {
    checkLearner(inputs.parameters, problem)
    return { metrics: { splits: [], metrics: options.metrics } }
  },
  run: (options, context) => {
    const every = toInterval(options.every)
    const own = Object.fromEntries(options.metrics.map((name) => [name, infos[name]]))
    return (parameters) =>
      parameters.pipe(
        filter((table) => positionOf(table).step > 0 && isDueAt(every, positionOf(table))),
        map((table) => {
          const values = options.metrics.map((name) => [name, stepMetric(name, table, context)])
          return metricsTable(positionOf(table), Object.fromEntries(values), own)
        }),
      )
  },
})

function stepMetric(name: Name, table: Table, context: StageContext): number {
  if (name === 'eta') return modelOf(table).eta
  return name === 'gradient_norm' ? (gradientNormOf(table) ?? Number.NaN) : parametersNorm(table, context)
}

function parametersNorm(table: Table, context: StageContext): number {
  const { learner, options, shape, classes, arrays } = modelOf(table)
  const specs = context.learner(learner).arrays({ features: widthOf(shape), classes: classes.length }, options)
  const trained = new Set(trainedOf(specs).map(({ name }) => name))
  let squares = 0
  for (const { name, values } of arrays)
    if (trained.has(name)) for (let i = 0; i < values.length; i++) squares += values[i]! ** 2
  return Math.sqrt(squares)
}

import type { Table } from 'apache-arrow'
import { defer, finalize } from 'rxjs'
import { z } from 'zod'
import { type Rows, rowsPerCall, type Softmax, slices } from '../../kernels/index.js'
import {
  defineStage,
  layoutOf,
  type Parallel,
  PipelineError,
  type Position,
  parametersTables,
  positionOf,
  rowsOf,
  type StageContext,
  widthOf,
  wire,
} from '../../pipeline/stage-kit.js'
import { dividedStep } from './divided-step.js'
import { initial, initialParameters } from './initial.js'
import { etaAt, schedule } from './schedule.js'

const options = z.strictObject({
  eta: schedule.describe(
    'Learning rate: a number, or { start, factor, every } to multiply it by factor after every so many epochs.',
  ),
  lambda: z
    .number()
    .nonnegative()
    .default(0)
    .describe('Weight decay: lambda · Σ W² is added to the loss; b is not penalised.'),
  init: initial
    .default('normal')
    .describe('First parameters: zeros, normal (deviation 0.01), { normal: sigma } or xavier.'),
  onDivergence: z
    .enum(['stop', 'continue'])
    .default('stop')
    .describe('What to do when the loss is no longer a finite number.'),
})

type Options = z.output<typeof options>

const numbers = z.custom<Float32Array | Float64Array>(
  (value) => value instanceof Float32Array || value instanceof Float64Array,
)

/** The last step that was made, and what it led to. */
const state = z.strictObject({ step: z.int(), steps: z.int(), W: numbers, b: numbers })

/**
 * Trains a softmax classifier, one step of gradient descent per batch: for `p = softmax(W x + b)` the cost is
 * `J = mean(-log p[y]) + lambda · Σ W²` and a step is `W -= eta · ∂J/∂W`, `b -= eta · ∂J/∂b`.
 *
 * Emits the parameters after every step. The tables show live memory: copy what you keep (`copyParameters`).
 * Fails with code `DIVERGED` when the loss of a batch is not finite.
 */
export const softmax = defineStage({
  name: 'gradient-step/softmax',
  summary: 'Trains a softmax classifier by mini-batch gradient descent.',
  options,
  inputs: { batches: wire.batch },
  outputs: { parameters: wire.parameters },
  example: '- id: model\n  use: gradient-step/softmax\n  with: { eta: 0.001, lambda: 0.1, init: { normal: 0.01 } }',
  holds: 'the parameters and their gradient; in a divided run a gradient per shard',
  parallel: 'every',
  run: (options, context) => (batches) =>
    defer(() => {
      const trainer = makeTrainer(options, context)
      return batches.pipe(context.flow.concatMap(trainer.train), finalize(trainer.free))
    }),
})

function makeTrainer(options: Options, context: StageContext) {
  let model: Softmax | undefined
  let last: Position | undefined
  let saved: z.output<typeof state> | undefined
  let emit: ReturnType<typeof parametersTables> | undefined
  let step: ReturnType<typeof dividedStep> | undefined

  function open(batch: Table): Softmax {
    const { shape, classes } = layoutOf(batch)
    const features = widthOf(shape)
    if (classes.length < 2) throw new PipelineError('DATA', `expected at least 2 classes, found ${classes.length}`)
    const made = context.kernels.softmax(features, classes.length)
    made.load(
      saved ? fitting(saved, made) : initialParameters(options.init, features, classes.length, context.random('init')),
    )
    const { W, b } = made.parameters
    emit = parametersTables({
      model: 'softmax',
      shape,
      classes,
      lambda: options.lambda,
      arrays: [
        { name: 'W', shape: [classes.length, features], values: W },
        { name: 'b', shape: [classes.length], values: b },
      ],
    })
    return made
  }

  context.state(state, {
    snapshot: () => (model && last ? { step: last.step, steps: last.steps, ...model.parameters } : saved),
    restore: (restored) => {
      saved = restored
    },
  })

  function train(batch: Table): Table[] | Promise<Table> {
    model ??= open(batch)
    if (saved && isSeen(batch, saved)) return []
    if (context.parallel) return together(batch, model, context.parallel)
    const rows = rowsOf(batch)
    const most = rowsPerCall(context.kernels, model)
    return rows.labels.length <= most ? [stepped(batch, rows)] : inSlices(batch, rows, most)
  }

  /** A batch too large for one stretch of work: all but its last slice are accumulated first. */
  async function inSlices(batch: Table, rows: Rows, most: number): Promise<Table> {
    const pieces = [...slices(rows, most)]
    const last = pieces.pop()!
    for (const piece of pieces) {
      model!.accumulate(piece)
      await context.flow.yieldToEventLoop()
    }
    return stepped(batch, last)
  }

  function stepped(batch: Table, rows: Rows): Table {
    const position = positionOf(batch)
    const eta = etaAt(options.eta, position.epoch)
    return checked(model!.step(rows, eta, options.lambda), position, eta)
  }

  function checked(loss: number, position: Position, eta: number): Table {
    if (!Number.isFinite(loss) && options.onDivergence === 'stop') throw diverged(position, eta, loss)
    last = position
    return emit!(position, eta)
  }

  /** The same step on every rank, each with the rows of its shards. */
  async function together(batch: Table, model: Softmax, parallel: Parallel): Promise<Table> {
    const position = positionOf(batch)
    if (!step) {
      const { epochs, steps } = position
      await parallel.agree({
        ...options,
        epochs,
        steps,
        parameters: model.parameters.W.length + model.parameters.b.length,
      })
      step = dividedStep(model, parallel, context)
    }
    const eta = etaAt(options.eta, position.epoch)
    return checked(await step(batch, position, eta, options.lambda), position, eta)
  }

  return { train, free: () => model?.free() }
}

/** Restored parameters. Throws where the data has become another since. */
function fitting({ W, b }: z.output<typeof state>, model: Softmax): { W: typeof W; b: typeof b } {
  if (W.length === model.parameters.W.length && b.length === model.parameters.b.length) return { W, b }
  throw new PipelineError(
    'DATA',
    `the checkpoint has ${W.length} weights for ${b.length} classes, the data needs ${model.parameters.W.length} for ${model.parameters.b.length}`,
  )
}

/** Whether a resumed run comes past a batch that it was trained on before. */
function isSeen(batch: Table, saved: z.output<typeof state>): boolean {
  const { step, steps } = positionOf(batch)
  if (steps !== saved.steps)
    throw new PipelineError(
      'DATA',
      `the checkpoint was made with ${saved.steps} steps an epoch, now there are ${steps}`,
    )
  return step <= saved.step
}

function diverged({ epoch, step }: Position, eta: number, loss: number): PipelineError {
  return new PipelineError(
    'DIVERGED',
    `the loss is ${loss} in epoch ${epoch}, step ${step}, with eta ${eta}; a smaller eta may help (onDivergence: continue goes on)`,
  )
}

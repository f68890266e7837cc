import { PipelineError } from '../pipeline/base/errors.js'
import { listed } from '../pipeline/base/words.js'
import type { Node } from '../pipeline/graph/node.js'
import type { Pipeline } from '../pipeline/graph/pipeline.js'
import type { Ports, WireType } from '../pipeline/stage/port.js'
import { upTo } from './part-of-pipeline.js'

/** The file with the table of a check, in the run directory. */
export const GRADIENT_FILE = 'gradient-check.arrows'

/** How much is checked. */
export interface GradientOptions {
  /** Number of examples to draw. */
  readonly examples?: number
  /** Number of features whose weights are checked. */
  readonly features?: number
  /** Checks the weights of all features. */
  readonly all?: boolean
  /** The largest absolute error against differences. */
  readonly threshold?: number
}

/** The one stage that turns batches into parameters. Throws a PipelineError `ARGUMENTS` if there is none, or several. */
export function trainingStep({ name, graph }: Pipeline): Node {
  const steps = graph.nodes.filter(({ stage }) => port(stage.inputs, 'batch') && port(stage.outputs, 'parameters'))
  if (steps.length === 1) return steps[0]!
  throw new PipelineError(
    'ARGUMENTS',
    steps.length === 0
      ? `${name}: no stage turns batches into parameters: there is no gradient to check`
      : `${name}: expected one stage that turns batches into parameters, found ${listed(
          steps.map(({ id }) => id),
          'and',
        )}`,
  )
}

/**
 * The pipeline up to its training step, with a few examples instead of its batches, and the check behind it, which writes its
 * table to `GRADIENT_FILE`.
 */
export function checkingPipeline(pipeline: Pipeline, step: Node, flags: GradientOptions): Pipeline {
  const { nodes } = pipeline.graph
  const above = (node: Node): Node[] => [...node.inputs.values()].map(({ id }) => nodes.find((each) => each.id === id)!)
  const input = port(step.stage.inputs, 'batch')!
  const source = step.inputs.get(input)!
  let batching = nodes.find(({ id }) => id === source.id)!
  while (!port(batching.stage.inputs, 'examples')) {
    const next = above(batching)[0]
    if (!next)
      throw new PipelineError('ARGUMENTS', `${step.title}: expected a stage above it that cuts examples into batches`)
    batching = next
  }
  let checking = pipeline
  // A step of another rule hides its gradient, which is the same for all rules. No evaluation is left to watch.
  const { update, clip, eta, ...options } = step.options as Record<string, unknown>
  const plateau = (eta as { readonly plateau?: { readonly start: number } } | undefined)?.plateau
  if (step.stage.name.startsWith('gradient-step/') && (update !== 'sgd' || clip !== undefined || plateau))
    checking = checking.replace(step.id, step.stage.name, { ...options, eta: plateau?.start ?? eta, update: 'sgd' })
  return upTo(checking, step.id)
    .replace(batching.id, 'check/sample', {
      split: step.inputFacts[input]?.splits?.[0] ?? 'train',
      ...(flags.examples !== undefined && { examples: flags.examples }),
    })
    .insertAfter(step.id, {
      id: 'check-gradient',
      use: 'check/gradient',
      from: {
        batches: `${source.id}.${source.port}`,
        parameters: `${step.id}.${port(step.stage.outputs, 'parameters')}`,
      },
      with: {
        onFailure: 'continue',
        ...(flags.threshold !== undefined && { threshold: flags.threshold }),
        ...(flags.all ? { features: 'all' } : flags.features !== undefined && { features: flags.features }),
      },
    })
    .insertAfter('check-gradient', {
      id: 'table',
      use: 'sink/arrow',
      from: 'check-gradient',
      with: { path: GRADIENT_FILE },
    })
}

function port(side: Ports, type: WireType): string | undefined {
  return Object.keys(side).find((name) => side[name]!.type === type)
}

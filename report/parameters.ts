import { cut, show } from '../pipeline/base/words.js'
import type { RunFiles } from './read.js'
import type { Parameters } from './summary.js'

/** Finds the options that tell experiments apart by their names, whatever stage has them. */
export function parametersOf({ stages, record }: Pick<RunFiles, 'stages' | 'record'>): Parameters {
  const batching = stages.find((stage) => 'epochs' in stage.with)?.with ?? {}
  const { use, with: step } = trainingStage(stages) ?? { use: '', with: undefined }
  const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)
  // An option that was changed on the way is a text.
  const shownOf = (value: unknown): number | string | undefined => (typeof value === 'string' ? value : number(value))
  const eta = step?.eta
  const title = Object.values(record.metrics ?? {}).find(({ name }) => name === 'loss')?.title
  return {
    batchSize: number(batching.size),
    epochs: number(batching.epochs),
    lambda: step && (shownOf(step.lambda) ?? 0),
    eta: isMapping(eta) ? scheduleText(eta) : shownOf(eta),
    ...(step && { layers: layersOf(step), loss: lossOf(use, title, step), update: updateOf(step) }),
  }
}

/**
 * The options of the training stage by their names, also those inside of others: `halfCycle` of
 * `eta: { cyclical: { halfCycle } }`.
 */
export function trainingOptionsOf({ stages }: Pick<RunFiles, 'stages'>): Map<string, unknown> {
  const found = new Map<string, unknown>()
  const add = (options: Readonly<Record<string, unknown>>): void => {
    for (const [name, value] of Object.entries(options)) {
      if (!found.has(name)) found.set(name, value)
      if (isMapping(value)) add(value)
    }
  }
  add(trainingStage(stages)?.with ?? {})
  return found
}

function trainingStage(stages: RunFiles['stages']): RunFiles['stages'][number] | undefined {
  return stages.find((stage) => 'eta' in stage.with)
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

function scheduleText(eta: Readonly<Record<string, unknown>>): string {
  if (!('every' in eta)) return optionText(eta)
  return `${show(eta.start)} · ${show(eta.factor)} every ${show(eta.every)} epochs`
}

/** `50-50, batch norm, dropout 0.5`; undefined for a linear model. */
function layersOf({ hidden, batchNorm, dropout, freeze }: Readonly<Record<string, unknown>>): string | undefined {
  if (!Array.isArray(hidden)) return undefined
  const parts = [hidden.map(optionText).join('-')]
  if (batchNorm === true) parts.push('batch norm')
  if (dropout) parts.push(`dropout ${optionText(dropout)}`)
  if (freeze) parts.push(`frozen ${optionText(freeze)}`)
  return parts.join(', ')
}

/**
 * `hinge, class weights balanced`; undefined for plain cross-entropy.
 *
 * @param title of the metric, as the learner names it: `loss` by those that come with Millrace
 */
function lossOf(
  use: string,
  title: string | undefined,
  { loss, smoothing, classWeights, l1 }: Readonly<Record<string, unknown>>,
) {
  const parts = []
  if (loss === 'hinge' || use === 'gradient-step/hinge') parts.push('hinge')
  else if (title !== undefined && title !== 'loss') parts.push(cut(title))
  if (smoothing) parts.push(`smoothing ${optionText(smoothing)}`)
  if (classWeights) parts.push(`class weights ${optionText(classWeights)}`)
  if (l1) parts.push(`l1 ${optionText(l1)}`)
  return parts.length > 0 ? parts.join(', ') : undefined
}

/** `momentum 0.9, clip 1`; undefined for plain gradient descent. */
function updateOf({ update, clip, warmUp }: Readonly<Record<string, unknown>>): string | undefined {
  const parts = []
  if (update && update !== 'sgd') parts.push(optionText(update))
  if (clip) parts.push(`clip ${optionText(clip)}`)
  if (warmUp) parts.push(`warm-up ${optionText(warmUp)}`)
  return parts.length > 0 ? parts.join(', ') : undefined
}

/** An option as a short text: `cyclical (min 0, max 0.1)` for `{ cyclical: { min: 0, max: 0.1 } }`. */
function optionText(value: unknown): string {
  if (Array.isArray(value)) return value.map(optionText).join(' ')
  if (!isMapping(value)) return typeof value === 'string' ? cut(value) : show(value)
  return Object.entries(value)
    .map(([key, inner]) => `${key} ${isMapping(inner) ? `(${optionText(inner)})` : optionText(inner)}`)
    .join(', ')
}

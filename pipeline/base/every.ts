import { z } from 'zod'
import { counted, listed } from './words.js'

/** An interval of training: a number of epochs or of steps, 1 or more. */
export type TrainingInterval = { readonly epochs: number } | { readonly steps: number }

/** How often something happens: after every so many epochs or steps, or whenever so many seconds have passed. */
export type Every = TrainingInterval | { readonly seconds: number }

/** Up to 15 digits, so that every number is exact. */
const COUNT = '(?:([1-9][0-9]{0,14}) ?)?'
const intervalPattern = new RegExp(`^${COUNT}(epochs?|steps?)$`)
const everyPattern = new RegExp(`^${COUNT}(epochs?|steps?|s|m|min|h)$`)

const secondsPerUnit = new Map([
  ['s', 1],
  ['m', 60],
  ['min', 60],
  ['h', 3600],
])

const intervalExamples = ['epoch', '5 epochs', '500 steps']
const everyExamples = [...intervalExamples, '30s', '10min', '1h']

/** Examples of the texts that `parseEvery` accepts, for messages: `"epoch", "5 epochs", … or "1h"`. */
export const everyForms = listed(everyExamples.map((text) => JSON.stringify(text)))

const intervalText = z.string().regex(intervalPattern).meta({ examples: intervalExamples })
const everyText = z.string().regex(everyPattern).meta({ examples: everyExamples })
const epochs = z.strictObject({ epochs: z.int().positive().describe('Number of epochs.') })
const steps = z.strictObject({ steps: z.int().positive().describe('Number of steps.') })

/**
 * Schema of an option that names an interval of training: `epoch`, `"3 epochs"`, `"500 steps"`, `{ epochs: n }` or
 * `{ steps: n }`. It keeps the form that was written; `toInterval` makes one form of all.
 */
export const trainingInterval = z.union([intervalText, epochs, steps])

/** The interval that an option of the schema `trainingInterval` names. */
export function toInterval(value: z.output<typeof trainingInterval>): TrainingInterval {
  return typeof value === 'string' ? (parseEvery(value) as TrainingInterval) : value
}

/**
 * Schema that accepts what `trainingInterval` accepts, and time spans: `30s`, `5m`, `5min`, `1h`. Outputs an `Every`.
 */
export const every = z
  .union([everyText, epochs, steps])
  .transform((value): Every => (typeof value === 'string' ? parseEvery(value)! : value))

/** Parses the text forms, time spans included. The number 1 may be left out. Returns undefined for any other text. */
export function parseEvery(text: string): Every | undefined {
  const [, number = '1', unit] = everyPattern.exec(text) ?? []
  if (unit === undefined) return undefined
  const count = Number(number)
  const seconds = secondsPerUnit.get(unit)
  if (seconds !== undefined) return { seconds: count * seconds }
  return unit.startsWith('epoch') ? { epochs: count } : { steps: count }
}

/** Formats an interval as text that `parseEvery` reads: `epoch`, `5 epochs`, `500 steps`, `30s`, `10min`, `1h`. */
export function formatEvery(every: Every): string {
  if ('seconds' in every) {
    const { seconds } = every
    if (seconds % 3600 === 0) return `${seconds / 3600}h`
    return seconds % 60 === 0 ? `${seconds / 60}min` : `${seconds}s`
  }
  const [count, unit] = 'epochs' in every ? [every.epochs, 'epoch'] : [every.steps, 'step']
  return count === 1 ? unit : counted(count, unit)
}

/** The part of a table's position that `isDueAt` reads. */
export interface StepPosition {
  /** The current epoch, counted from 1. */
  readonly epoch: number
  /** Steps done since the run began, including the current one. */
  readonly step: number
  /** Steps of one epoch. */
  readonly steps: number
}

/** Returns true for the last step of an epoch. */
export function endsEpoch({ step, steps }: Pick<StepPosition, 'step' | 'steps'>): boolean {
  return steps > 0 && step > 0 && step % steps === 0
}

/**
 * Tells whether an interval ends at a position. `{ epochs: n }` ends at the last step of every n-th epoch. `{ steps: n
 * }` ends at every step whose number is a multiple of n, step 0 included. A time span never ends at a position.
 */
export function isDueAt(every: Every, position: StepPosition): boolean {
  if ('seconds' in every) return false
  if ('steps' in every) return position.step % every.steps === 0
  return endsEpoch(position) && position.epoch % every.epochs === 0
}

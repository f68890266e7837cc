import { z } from '../pipeline/stage-kit.js'

/** The learning rate as an option: constant, or multiplied by `factor` after every `every` epochs. */
export const schedule = z.union([
  z.number().positive(),
  z.strictObject({
    start: z.number().positive().describe('Learning rate of the first epochs.'),
    factor: z.number().positive().describe('Factor that the learning rate is multiplied by.'),
    every: z.int().positive().describe('Epochs between two changes.'),
  }),
])

/** A learning rate that may change from epoch to epoch. */
export type Schedule = z.output<typeof schedule>

/** Returns the learning rate of an epoch, counted from 1: `start * factor^floor((epoch - 1) / every)`. */
export function etaAt(eta: Schedule, epoch: number): number {
  return typeof eta === 'number' ? eta : eta.start * eta.factor ** Math.floor((epoch - 1) / eta.every)
}

import { z } from 'zod'
import type { Problem } from '../base/errors.js'
import { checkPart } from './issues.js'
import type { Value } from './value.js'

const metric = z.strictObject({
  value: z.number().describe('The published number.'),
  corrected: z.number().optional().describe('The right number, if the published one is a mistake.'),
  tolerance: z
    .number()
    .nonnegative()
    .optional()
    .describe('Largest accepted difference of a reproduction. Without it, reports give no verdict.'),
  note: z.string().optional().describe('A remark for readers of the comparison.'),
})

const setting = z.union([z.number(), z.boolean(), z.array(z.number())])

/** A published setting: the value of an option. */
export type PublishedSetting = z.output<typeof setting>

/**
 * Schema of the block `published:`: published results of the experiment, to compare runs with. Other keys are metrics.
 */
export const published = z
  .strictObject({
    source: z.string().min(1).describe('The publication.'),
    note: z.string().optional().describe('A remark on all numbers.'),
    parameters: z
      .record(z.string(), setting)
      .optional()
      .describe(
        'The published settings, such as eta: 0.001, hidden: [50, 50] or halfCycle: 500. A run with other settings gets no ' +
          'verdict.',
      ),
  })
  .catchall(metric)

/** The published value of one metric. */
export type PublishedMetric = z.output<typeof metric>

/** The block `published:`, with the metrics apart from the other keys. */
export interface Published {
  /** The publication. */
  readonly source: string
  /** A remark on all numbers. */
  readonly note?: string | undefined
  /** The published settings by name. A run with other settings gets no verdict. */
  readonly parameters?: Readonly<Record<string, PublishedSetting>> | undefined
  /** The published values by the name of the metric's column. */
  readonly metrics: Readonly<Record<string, PublishedMetric>>
}

/** Reads a `published:` block. Returns undefined if there is none or if it is wrong. */
export function publishedOf(data: unknown): Published | undefined {
  const checked = published.safeParse(data)
  if (!checked.success) return undefined
  const { source, note, parameters, ...metrics } = checked.data
  return { source, note, parameters, metrics: metrics as Record<string, PublishedMetric> }
}

/** Checks a block that a program passes. In files, `checkShape` checks it. Mistakes are added to `problems`. */
export function checkPublished(value: Value, problems: Problem[]): void {
  checkPart(published, value, 'published: ', problems, 'key')
}

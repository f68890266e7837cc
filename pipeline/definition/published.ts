import { z } from 'zod'
import type { Problem } from '../base/errors.js'
import { formatIssues } from './option-schema.js'
import { plain, type Value } from './value.js'

const metric = z.strictObject({
  value: z.number().describe('As it was printed.'),
  corrected: z.number().optional().describe('What it should have been, where what was printed is a mistake.'),
  tolerance: z
    .number()
    .nonnegative()
    .optional()
    .describe('How far a reproduction may be away. Without it: no verdict.'),
  note: z.string().optional().describe('What a reader of the comparison should know.'),
})

/** What somebody published about the experiment that a pipeline describes: numbers to hold its runs against. */
export const published = z
  .strictObject({
    source: z.string().min(1).describe('Where it was published.'),
    note: z.string().optional().describe('What holds for all of its numbers.'),
    parameters: z
      .record(z.string(), z.number())
      .optional()
      .describe('The options it was published for, such as eta: 0.001; a run with others gets no verdict.'),
  })
  .catchall(metric)

export type PublishedMetric = z.output<typeof metric>

/** The published numbers, by the names of the metrics' columns. */
export interface Published {
  readonly source: string
  readonly note?: string | undefined
  readonly parameters?: Readonly<Record<string, number>> | undefined
  readonly metrics: Readonly<Record<string, PublishedMetric>>
}

/** Sorts a `published:` block; undefined where there is none, or where it is wrong. */
export function publishedOf(data: unknown): Published | undefined {
  const checked = published.safeParse(data)
  if (!checked.success) return undefined
  const { source, note, parameters, ...metrics } = checked.data
  return { source, note, parameters, metrics: metrics as Record<string, PublishedMetric> }
}

/** Checks a block that was given in code; in files the shape of the definition covers it. */
export function checkPublished(value: Value, problems: Problem[]): void {
  const checked = published.safeParse(plain(value))
  if (!checked.success) problems.push(...formatIssues(checked.error, published, value, 'published: ', 'key'))
}

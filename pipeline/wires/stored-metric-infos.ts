import { z } from 'zod'

/** The field `metrics` of `run.json`: the metadata of each metric by the name of its column. */
export const storedMetricInfos = z.record(
  z.string(),
  z.object({
    split: z.string().exactOptional(),
    name: z.string(),
    title: z.string(),
    unit: z.string().exactOptional(),
    better: z.enum(['higher', 'lower']).exactOptional(),
  }),
)

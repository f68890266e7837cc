import { z } from 'zod'

/** Schema of the configuration of a run: its seed, and for each stage by id what it is and how it is set. */
export const configuration = z.strictObject({
  /** The seed of all random numbers. */
  seed: z.number(),
  /** The seed of the division into splits. */
  splitSeed: z.number().optional(),
  /** The stages, by id. */
  stages: z.record(
    z.string(),
    z.strictObject({
      /** The name of the stage: `batch/rows`. */
      name: z.string(),
      /** The output (`id.port`) that feeds each input, by port. */
      inputs: z.record(z.string(), z.string()),
      /** The options with their defaults, as JSON. */
      options: z.record(z.string(), z.unknown()),
    }),
  ),
})

/** What the states of a checkpoint were made with. */
export type Configuration = Readonly<z.output<typeof configuration>>

/** Schema of an option that was changed when a run was resumed. */
export const optionChange = z.strictObject({
  /** The option, with the id of its stage: `model.eta`. */
  option: z.string(),
  /** The var that the option refers to. */
  var: z.string().optional(),
  /** Its value before, as JSON; null if it was not set. */
  was: z.unknown(),
  /** Its value after, as JSON; null if it is not set any more. */
  is: z.unknown(),
  /** The first step that the new value counts for; 1 if it is as if the run had had it from the start. */
  from: z.int().positive(),
})

/** An option that was changed when a run was resumed. */
export type OptionChange = Readonly<z.output<typeof optionChange>>

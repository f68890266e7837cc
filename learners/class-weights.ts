import { didYouMean, PipelineError, someOf, z } from '../pipeline/stage-kit.js'

const weight = z.number().nonnegative()

/** The option for the weights of the classes. */
export const classWeights = z
  .union([z.literal('balanced'), z.array(weight).min(2), z.record(z.string(), weight)])
  .refine((given) => !Array.isArray(given) || given.some((w) => w > 0), 'expected a weight above 0')

/** The weights of the classes as an option. */
export type ClassWeights = z.output<typeof classWeights>

/** Returns what is wrong with weights for these classes, and the path of the wrong part in them; undefined if they fit. */
export function classWeightsProblem(
  given: ClassWeights,
  classes: readonly string[],
): { readonly path: string; readonly message: string } | undefined {
  if (given === 'balanced') return undefined
  if (Array.isArray(given))
    return given.length === classes.length
      ? undefined
      : { path: '', message: `expected a weight for each of ${classes.length} classes, got ${given.length}` }
  const unknown = Object.keys(given).find((name) => !classes.includes(name))
  if (unknown !== undefined)
    return {
      path: `.${unknown}`,
      message: `there is no class of that name${didYouMean(unknown, classes) || `; classes: ${someOf(classes)}`}`,
    }
  if (classes.every((name) => Object.hasOwn(given, name) && given[name] === 0))
    return { path: '', message: 'expected a weight above 0' }
  return undefined
}

/**
 * Returns the weight of each class. `balanced` is `n / (classes · count)` with the number of rows `n` of the split that is
 * trained on, and of each class in it; a class without rows has 0. A class that a mapping leaves out has 1. Throws a
 * PipelineError `DATA` if the weights do not fit the classes, or nobody counted the rows.
 */
export function weightsOfClasses(
  given: ClassWeights,
  { classes, counts }: { readonly classes: readonly string[]; readonly counts?: readonly number[] | undefined },
): number[] {
  const problem = classWeightsProblem(given, classes)
  if (problem) throw new PipelineError('DATA', `classWeights${problem.path}: ${problem.message}`)
  if (Array.isArray(given)) return given
  if (given !== 'balanced') return classes.map((name) => (Object.hasOwn(given, name) ? given[name]! : 1))
  if (!counts)
    throw new PipelineError(
      'DATA',
      'classWeights: balanced needs the number of rows of each class, which these batches do not tell; ' +
        'batch/rows counts them, or give the weights',
    )
  const rows = counts.reduce((sum, count) => sum + count, 0)
  return counts.map((count) => (count === 0 ? 0 : rows / (counts.length * count)))
}

import { type AnyLearner, type Model, PipelineError, widthOf } from '../pipeline/stage-kit.js'

/**
 * Throws a PipelineError `DATA` if options or arrays are not those of the learner: a file may name another learner.
 *
 * @param path the file, for messages
 */
export function checkArrays(
  { arrays, shape, classes, learner: name, options }: Model,
  learner: AnyLearner,
  path?: string,
): void {
  const place = path === undefined ? '' : `${path}: `
  const checked = learner.options.safeParse(options)
  if (!checked.success)
    throw new PipelineError(
      'DATA',
      `${place}the stored options of the learner "${name}" are damaged: ${checked.error.issues[0]?.path.join('.')}: ${checked.error.issues[0]?.message}`,
    )
  const specs = learner.arrays({ features: widthOf(shape), classes: classes.length }, options)
  for (const spec of specs) {
    const found = arrays.find((array) => array.name === spec.name)
    if (found?.shape.join() !== spec.shape.join())
      throw new PipelineError(
        'DATA',
        `${place}the model does not fit its learner "${name}": expected the array ${spec.name} of ${spec.shape.join('×')}, found ` +
          (found ? found.shape.join('×') : 'none'),
      )
  }
}

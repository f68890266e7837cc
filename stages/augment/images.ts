import { type ImageLayout, imageLayout } from '../../figures/index.js'
import { type Checking, type Facts, PipelineError } from '../../pipeline/stage-kit.js'

/** What is wrong with examples that are no images. */
function remark(shape: readonly number[]): string {
  return (
    `expected images, such as 1x28x28 or 32x32x3, found examples of the shape ${shape.join('x')}; ` +
    'give the shape where they are loaded, or leave this stage out'
  )
}

/** Reports examples that are known to be no images. Returns the facts of the input as those of the output. */
export function imageFacts({ inputs, problem }: Checking<unknown>): { batches: Facts; image: ImageLayout | undefined } {
  const batches = inputs.batches ?? {}
  const image = batches.shape && imageLayout(batches.shape)
  if (batches.shape && !image) problem('', remark(batches.shape))
  return { batches, image }
}

/** Returns the layout of images of this shape. Throws a PipelineError `DATA` if it is not that of an image. */
export function imageOf(shape: readonly number[]): ImageLayout {
  const image = imageLayout(shape)
  if (!image) throw new PipelineError('DATA', remark(shape))
  return image
}

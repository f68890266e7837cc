import { z } from 'zod'
import {
  counted,
  defineStage,
  inputPath,
  layoutOf,
  modelOf,
  PipelineError,
  readStoredModel,
  storedFile,
  widthOf,
  wire,
} from '../../pipeline/stage-kit.js'
import { standardised } from './affine.js'

/**
 * Standardises rows as those were that a model was trained on: with the map that is stored with its parameters. Rows of a
 * model that was trained without standardisation stay as they are.
 */
export const asTrained = defineStage({
  name: 'normalize/as-trained',
  summary: 'Standardises rows with the map that is stored with a trained model.',
  options: z.strictObject({
    model: inputPath('give the directory of a run, or its parameters.arrow or best.arrow').describe(
      'A run directory, or its parameters.arrow or best.arrow.',
    ),
  }),
  inputs: { examples: wire.examples },
  outputs: { examples: wire.examples },
  example: '- use: normalize/as-trained\n  with: { model: runs/digits-001 }',
  sources: ({ model }) => [storedFile(model)],
  parallel: 'every',
  run: ({ model }, context) => {
    const { table, source } = readStoredModel(model)
    context.source(source)
    const { affine } = modelOf(table)
    return context.flow.concatMap((rows) => {
      if (!affine) return [rows]
      const width = widthOf(layoutOf(rows).shape)
      if (width !== affine.mean.length)
        throw new PipelineError(
          'DATA',
          `the model was trained on ${counted(affine.mean.length, 'feature')}, the rows have ${width}`,
        )
      return standardised(rows, affine, context)
    })
  },
})

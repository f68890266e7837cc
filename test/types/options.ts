/** A user's program: options are checked if a stage object is given. It is compiled and not run. */
import { Pipeline, type PipelineSpec, type StageSpec } from 'millrace'
import type { AnyStage } from 'millrace/stage'
import { batchRows, evaluateClassification, gradientStepSoftmax, loadDigits, shuffleNone } from 'millrace/stages'

declare const someStage: AnyStage
declare const isNamed: boolean

export const pipeline = await Pipeline.define({
  name: 'typed',
  seed: 1,
  stages: [
    { use: loadDigits },
    { use: batchRows, id: 'rows', with: { size: 32, epochs: 10, dropLast: true } },
    { use: gradientStepSoftmax, with: { eta: { start: 0.1, factor: 0.9, every: 2 }, init: { normal: 0.1 } } },
    { use: 'evaluate/classification', from: { parameters: 'softmax', examples: 'digits' }, with: { splits: ['test'] } },
    { use: shuffleNone },
    { use: shuffleNone, with: {} },
    { use: 'batch/rows', with: { anything: [1, { of: 'any kind' }] } },
    { use: someStage, with: { anything: true } },
    { use: isNamed ? 'batch/rows' : batchRows, with: { size: 1, epochs: 1 } },
  ],
})

// @ts-expect-error `size` is misspelt
Pipeline.define({ name: 'wrong', stages: [{ use: batchRows, with: { szie: 1, epochs: 1 } }] })
// @ts-expect-error `dropLast` is misspelt, which is not required
Pipeline.define({ name: 'wrong', stages: [{ use: batchRows, with: { size: 1, epochs: 1, dropLst: true } }] })
// @ts-expect-error the size is a number
Pipeline.define({ name: 'wrong', stages: [{ use: batchRows, with: { size: 'x', epochs: 1 } }] })
// @ts-expect-error the size is required
Pipeline.define({ name: 'wrong', stages: [{ use: batchRows, with: { epochs: 1 } }] })
// @ts-expect-error two options are required
Pipeline.define({ name: 'wrong', stages: [{ use: batchRows }] })
// @ts-expect-error `steps` is misspelt, in an object
Pipeline.define({ name: 'wrong', stages: [{ use: evaluateClassification, with: { every: { step: 1 } } }] })
// @ts-expect-error the names of splits are strings
Pipeline.define({ name: 'wrong', stages: [{ use: evaluateClassification, with: { splits: ['train', 1] } }] })
// @ts-expect-error the stage has no options
Pipeline.define({ name: 'wrong', stages: [{ use: shuffleNone, with: { size: 1 } }] })
// @ts-expect-error `from` is misspelt
Pipeline.define({ name: 'wrong', stages: [{ use: loadDigits }, { use: 'shuffle/none', form: 'digits' }] })
// @ts-expect-error a number is not a stage
Pipeline.define({ name: 'wrong', stages: [{ use: 1 }] })
// @ts-expect-error there is no stage
Pipeline.define({ name: 'wrong', stages: [{ with: {} }] })

pipeline.insertAfter('rows', { use: batchRows, with: { size: 1, epochs: 1 } })
pipeline.insertAfter('rows', { use: 'batch/rows', with: { anything: 1 } })
pipeline.insertAfter('rows', { use: evaluateClassification })
// @ts-expect-error `size` is misspelt
pipeline.insertAfter('rows', { use: batchRows, with: { szie: 1, epochs: 1 } })
// @ts-expect-error two options are required
pipeline.insertAfter('rows', { use: batchRows })

pipeline.replace('rows', batchRows, { size: 1, epochs: 1 })
pipeline.replace('rows', 'batch/rows', { anything: 1 })
pipeline.replace('rows', 'batch/rows')
pipeline.replace('metrics', evaluateClassification)
pipeline.replace('metrics', shuffleNone)
// @ts-expect-error `size` is misspelt
pipeline.replace('rows', batchRows, { szie: 1, epochs: 1 })
// @ts-expect-error the size is a number
pipeline.replace('rows', batchRows, { size: 'x', epochs: 1 })
// @ts-expect-error two options are required
pipeline.replace('rows', batchRows)

const constant = { name: 'constant', stages: [{ use: batchRows, with: { size: 1, epochs: 1 } }] } as const
Pipeline.define(constant)
const listed: StageSpec[] = [{ use: loadDigits }, { use: 'batch/rows', with: { size: 1 } }, { use: someStage }]
const spec: PipelineSpec = { name: 'listed', stages: listed }
Pipeline.define(spec)

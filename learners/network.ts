import { arraysOfNetwork, defineLearner, type LearnerData, type NetworkShape, z } from '../pipeline/stage-kit.js'
import { dropoutMasks } from './dropout.js'
import { lossAndAccuracy } from './metrics.js'
import { costOfNetwork } from './network-cost.js'
import { openNetwork } from './open-network.js'

const share = z.number().min(0).lt(1)

const options = z
  .strictObject({
    hidden: z
      .array(z.int().positive().max(65_536))
      .min(1)
      .describe('Units of each hidden layer, from the features on.'),
    loss: z
      .enum(['cross-entropy', 'hinge'])
      .default('cross-entropy')
      .describe('The loss of the scores: cross-entropy of their softmax, or the multi-class hinge loss.'),
    batchNorm: z
      .boolean()
      .default(false)
      .describe('Whether each hidden layer is normalised by the mean and variance of the batch.'),
    dropout: z
      .union([share, z.array(share)])
      .default(0)
      .describe(
        'Share of the outputs of hidden layers that each step drops at random: one number, or one for each hidden layer. ' +
          'Evaluation drops nothing.',
      ),
    smoothing: share
      .default(0)
      .describe('Label smoothing a: steps learn from (1 - a) · onehot + a / classes. Metrics have the plain loss.'),
    freeze: z
      .array(z.int().positive())
      .optional()
      .describe('Layers that are not trained, by their numbers from 1; the last is the layer of the classes.'),
  })
  .superRefine(({ hidden, loss, dropout, smoothing, freeze = [] }, { addIssue }) => {
    const problem = (message: string, ...path: (string | number)[]) => addIssue({ code: 'custom', path, message })
    if (Array.isArray(dropout) && dropout.length !== hidden.length)
      problem(`expected a number for each hidden layer, ${hidden.length} in all`, 'dropout')
    if (loss === 'hinge' && smoothing > 0) problem('expected 0, because the loss is hinge', 'smoothing')
    const last = hidden.length + 1
    for (const [i, layer] of freeze.entries())
      if (layer > last) problem(`expected a layer from 1 to ${last}`, 'freeze', i)
    if (new Set(freeze).size === last) problem('expected a layer that is left to train', 'freeze')
  })

/**
 * A network of dense layers with ReLU between them: `h = relu(W_l h + b_l)` for hidden layers, with batch normalisation
 * `relu(gamma_l · n(W_l h + b_l) + beta_l)` if asked, and dropout of `h` in steps (N. Srivastava et al., 2014). On top is
 * cross-entropy or the multi-class hinge loss; penalty `Σ_l Σ W_l²`.
 *
 * Arrays: `W1` `[units, features]`, `b1`, `gamma1`, `beta1`, `mean1`, `variance1` `[units]` … `W2` `[units, units]` …
 * `batchesSeen` `[1]`. Mean and variance are running averages, 0.9 of the old and 0.1 of the batch, which start as the
 * first batch's; scores use them (S. Ioffe, C. Szegedy, 2015).
 */
export const network = defineLearner({
  name: 'network',
  summary: 'Dense layers with ReLU, batch normalisation and dropout, and cross-entropy or the hinge loss on top.',
  options,
  metrics: lossAndAccuracy('nats'),
  scores: 'logits',
  variant: ({ loss }) => (loss === 'hinge' ? { metrics: lossAndAccuracy(), scores: 'other' } : {}),
  weighsRows: true,
  masks: (data, given) => dropoutMasks(shapeOf(data, given)),
  templates: 'W1',
  templateRows: 'units',
  arrays: (data, given) => arraysOfNetwork(shapeOf(data, given)),
  network: shapeOf,
  open: (kernels, data, given) => openNetwork(kernels, shapeOf(data, given)),
  costAround: costOfNetwork(shapeOf),
})

function shapeOf({ features, classes, weighted }: LearnerData, given: z.output<typeof options>): NetworkShape {
  // Options that were stored before there were all of these lack some.
  const { hidden, batchNorm, smoothing, loss = 'cross-entropy', dropout = 0, freeze = [] } = given
  const layers = hidden.map((units, l) => ({
    units,
    activation: 'relu' as const,
    batchNorm,
    dropout: typeof dropout === 'number' ? dropout : dropout[l]!,
    frozen: freeze.includes(l + 1),
  }))
  const top = { units: classes, frozen: freeze.includes(hidden.length + 1) }
  return { features, layers: [...layers, top], loss, smoothing, weighted }
}

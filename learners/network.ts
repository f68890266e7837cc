import { arraysOfNetwork, defineLearner, type LearnerData, type NetworkShape, z } from '../pipeline/stage-kit.js'
import { lossAndAccuracy } from './metrics.js'
import { costOfNetwork } from './network-cost.js'
import { openNetwork } from './open-network.js'

const options = z.strictObject({
  hidden: z.array(z.int().positive().max(65_536)).min(1).describe('Units of each hidden layer, from the features on.'),
  batchNorm: z
    .boolean()
    .default(false)
    .describe('Whether each hidden layer is normalised by the mean and variance of the batch.'),
  smoothing: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe('Label smoothing a: steps learn from (1 - a) · onehot + a / classes. Metrics have the plain loss.'),
})

/**
 * A network of dense layers with ReLU between them and cross-entropy on top: `h = relu(W_l h + b_l)` for hidden layers,
 * with batch normalisation `relu(gamma_l · n(W_l h + b_l) + beta_l)` if asked; penalty `Σ_l Σ W_l²`.
 *
 * Arrays: `W1` `[units, features]`, `b1`, `gamma1`, `beta1`, `mean1`, `variance1` `[units]` … `W2` `[units, units]` …
 * `batchesSeen` `[1]`. Mean and variance are running averages, 0.9 of the old and 0.1 of the batch, which start as the
 * first batch's; scores use them (S. Ioffe, C. Szegedy, 2015).
 */
export const network = defineLearner({
  name: 'network',
  summary: 'Dense layers with ReLU and cross-entropy, with batch normalisation if asked.',
  options,
  metrics: lossAndAccuracy('nats'),
  scores: 'logits',
  templates: 'W1',
  templateRows: 'units',
  arrays: (data, given) => arraysOfNetwork(shapeOf(data, given)),
  open: (kernels, data, given) => openNetwork(kernels, shapeOf(data, given)),
  costAround: costOfNetwork(shapeOf),
})

function shapeOf({ features, classes }: LearnerData, given: z.output<typeof options>): NetworkShape {
  const { hidden, batchNorm, smoothing } = given
  const layers = hidden.map((units) => ({ units, activation: 'relu' as const, batchNorm }))
  return { features, layers: [...layers, { units: classes }], loss: 'cross-entropy', smoothing }
}

/** The training stage and its options, by the name of the case. @type {Readonly<Record<string, string>>} */
export const cases = {
  momentum: 'softmax, eta: 0.001, lambda: 0.1, init: zeros, update: { momentum: 0.9 }',
  nesterov: 'softmax, eta: 0.001, lambda: 0.1, init: zeros, update: nesterov',
  adam: 'softmax, eta: 0.001, lambda: 0.01, init: zeros, update: adam',
  adamw: 'softmax, eta: 0.001, lambda: 0, init: zeros, update: { adamw: { decay: 0.01 } }',
  cosine: 'softmax, eta: { cosine: { start: 0.01 } }, lambda: 0.1, init: zeros',
  hinge: 'hinge, eta: 0.001, lambda: 0.1, init: zeros',
  'two-layer-cyclical':
    'network, hidden: [20], lambda: 0.01, eta: { cyclical: { min: 0.00001, max: 0.1, halfCycle: 50 } }, init: FILE',
  'three-layer-batch-norm': 'network, hidden: [20, 15], batchNorm: true, eta: 0.05, lambda: 0.005, init: FILE',
  'label-smoothing': 'network, hidden: [20], smoothing: 0.1, eta: 0.05, lambda: 0.001, init: FILE',
  clip: 'network, hidden: [20], eta: 0.1, lambda: 0.01, clip: 0.5, init: FILE',
  'warm-up': 'softmax, eta: 0.01, warmUp: 25, lambda: 0.1, init: zeros',
}

/**
 * The epochs up to which single precision can keep the values. With eta near 0.1 this training is chaotic: in float64 too,
 * first parameters that are rounded to float32 move the loss of epoch 5 by 0.002 (NumPy in float32: by 0.3). Its steps are
 * compared one by one in test/kernels/networks.ts.
 *
 * @type {Readonly<Record<string, number>>}
 */
export const singleUntil = { 'two-layer-cyclical': 2 }

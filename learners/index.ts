/**
 * The learners that come with Millrace, and the parts that a training stage combines with them: initial values,
 * schedules of the learning rate, and update rules.
 */

import type { AnyLearner } from '../pipeline/stage-kit.js'
import { hinge } from './hinge.js'
import { network } from './network.js'
import { softmax } from './softmax.js'

export { type ClassWeights, classWeights, classWeightsProblem, weightsOfClasses } from './class-weights.js'
export { type Classified, classify } from './classify.js'
export { type FoldedLayer, foldedLayers, rowScorer } from './folded-layers.js'
export { type Drawn, type Initial, initial, initialArrays } from './initial.js'
export { exportOnnx } from './onnx.js'
export { addPenalty, type Penalties, sumOfMagnitudes } from './penalty.js'
export { accumulate, mostInStep, piecesInFile, piecesOf } from './pieces.js'
export { predict } from './predict.js'
export { etaAt, type PlateauSchedule, type Schedule, schedule } from './schedules.js'
export { openScorer, type Scorer } from './scorer.js'
export { type StepRows, stepRows } from './step-rows.js'
export { sgd, type Update, type UpdateRule, type UpdateStep, update, updateRule } from './update-rules.js'
export { hinge, network, softmax }

/** The learners whose models can be loaded without a stage that declares them. */
export const builtInLearners: readonly AnyLearner[] = [softmax, hinge, network]

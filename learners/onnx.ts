import type { Table } from 'apache-arrow'
import {
  type Affine,
  type AnyLearner,
  isFoldable,
  type Model,
  messageOf,
  modelOf,
  PipelineError,
  positionOf,
  widthOf,
} from '../pipeline/stage-kit.js'
import { type FoldedLayer, foldedLayers } from './folded-layers.js'
import { OnnxGraph, onnxTypes } from './onnx-graph.js'
import { addInputs } from './onnx-inputs.js'

/** Protocol buffers have lengths of 31 bits. */
const MOST_BYTES = 2 ** 31 - 1

/**
 * Encodes a `parameters` table as an ONNX model. The same table gives the same bytes.
 *
 * The input `features` is `[rows, features]`, as the rows were loaded: uint8 if the model was trained on bytes, else float32.
 * A model of columns with texts has an input for each column instead, `[rows, 1]`, texts or float32. Numbers from which the model
 * subtracts an offset are float64. Encoding of texts, fill values, standardisation and batch normalisation are part of the model. The outputs are `label` (int64, an index into the
 * classes) and `probability` (float32, `[rows, classes]`), or `score` if the scores are no logits. A row that Millrace would
 * refuse has the label -1, and NaN. The metadata has `classes`, `names`, `columns`, `inputs`, `shape`, `learner` and
 * `millrace`, texts or JSON.
 *
 * Throws a PipelineError `DATA` if the learner is no network of dense layers, or if the model is too large for the format.
 *
 * @param learner as its options make it
 * @param millrace the version that trained the parameters
 */
export function exportOnnx(table: Table, learner: AnyLearner, millrace?: string): Uint8Array {
  const model = modelOf(table)
  const data = { features: widthOf(model.shape), classes: model.classes.length }
  if (!learner.network)
    throw new PipelineError(
      'DATA',
      `the learner "${learner.name}" is no network of dense layers, so it cannot be written as ONNX`,
    )
  const { affine } = model
  const folded = affine && isFoldable(affine) ? affine : undefined
  const layers = foldedLayers(model, learner.network(data, model.options), folded)
  const numbers = layers.reduce((sum, { weights, bias }) => sum + weights.length + bias.length, 0)
  if (4 * numbers > MOST_BYTES - (1 << 24))
    throw new PipelineError('DATA', `the model has ${numbers} numbers, an ONNX file has ${MOST_BYTES} bytes at most`)
  try {
    return encoded(model, layers, folded ? undefined : affine, learner.scores === 'logits', positionOf(table), millrace)
  } catch (error) {
    throw new PipelineError('DATA', `the parameters cannot be written as onnx: ${messageOf(error)}`, { cause: error })
  }
}

function encoded(
  model: Model,
  layers: readonly FoldedLayer[],
  affine: Affine | undefined,
  isLogits: boolean,
  { epoch, step }: { readonly epoch: number; readonly step: number },
  millrace: string | undefined,
): Uint8Array {
  const result = isLogits ? 'probability' : 'score'
  const graph = new OnnxGraph(['label', result])
  const { features, areBytes, names } = addInputs(graph, model)
  let at = features
  const add = (operator: string, inputs: readonly string[], wanted: string, attributes = {}): void => {
    at = graph.node(operator, [at, ...inputs], wanted, attributes)
  }
  if (affine) {
    const { mean, scale } = affine
    // In float64, because a mean may be large against its deviation.
    add('Cast', [], 'doubles', { to: onnxTypes.double })
    add('Sub', [graph.constant('mean', 'double', [mean.length], mean)], 'centred')
    add('Mul', [graph.constant('scale', 'double', [scale.length], scale)], 'standardised')
    add('Cast', [], 'inputs', { to: onnxTypes.float })
  } else if (areBytes) add('Cast', [], 'inputs', { to: onnxTypes.float })
  for (const [l, { inputs, units, weights, bias, relu }] of layers.entries()) {
    const W = graph.constant(`W${l + 1}`, 'float', [units, inputs], Float32Array.from(weights))
    const b = graph.constant(`b${l + 1}`, 'float', [units], Float32Array.from(bias))
    add('Gemm', [W, b], `outputs${l + 1}`, { transB: 1 })
    if (relu) add('Relu', [], `activations${l + 1}`)
  }
  const isValid = areBytes ? undefined : nothing(graph, features)
  addLabel(graph, at, isValid)
  const shape = ['rows', model.classes.length]
  const values = isLogits ? graph.node('Softmax', [at], 'softmax', { axis: 1 }) : at
  if (isValid) graph.output('Add', [values, isValid], result, 'float', shape)
  else graph.output('Identity', [values], result, 'float', shape)
  return graph.encoded(
    {
      classes: JSON.stringify(model.classes),
      names: model.names && JSON.stringify(model.names),
      columns: model.columns && JSON.stringify(model.columns),
      inputs: JSON.stringify(names),
      shape: model.shape.join('x'),
      learner: model.learner,
      epoch: String(epoch),
      step: String(step),
      millrace,
    },
    millrace,
  )
}

/** A number per row, `[rows, 1]`: 0, or NaN if a feature is no finite number, for which some operators give any result. */
function nothing(graph: OnnxGraph, features: string): string {
  const axes = graph.constant('feature_axis', 'int64', [1], BigInt64Array.of(1n))
  return graph.node('ReduceSum', [graph.node('Sub', [features, features], 'nothing'), axes], 'valid', { keepdims: 1 })
}

/** The index of the largest score of each row, the first of equals; -1 for a row with a feature that is no number. */
function addLabel(graph: OnnxGraph, scores: string, isValid: string | undefined): void {
  const argMax = { axis: 1, keepdims: isValid ? 1 : 0 }
  if (!isValid) {
    graph.output('ArgMax', [scores], 'label', 'int64', ['rows'], argMax)
    return
  }
  const none = graph.constant('no_class', 'int64', [1], BigInt64Array.of(-1n))
  const best = graph.node('ArgMax', [scores], 'best', argMax)
  const label = graph.node('Where', [graph.node('IsNaN', [isValid], 'is_refused'), none, best], 'labels')
  const axes = graph.constant('class_axis', 'int64', [1], BigInt64Array.of(1n))
  graph.output('Squeeze', [label, axes], 'label', 'int64', ['rows'])
}

import type { Table } from 'apache-arrow'
import {
  type Affine,
  type AnyLearner,
  isFoldable,
  type Model,
  messageOf,
  modelOf,
  PipelineError,
  type ProtoField,
  positionOf,
  protobuf,
  widthOf,
} from '../pipeline/stage-kit.js'
import { type FoldedLayer, foldedLayers } from './folded-layers.js'

/** Versions of the format and of its operators, which every runtime of the last years reads. */
const IR_VERSION = 8
const OPERATORS = 13

/** Codes of number types. */
const FLOAT = 1
const UINT8 = 2
const INT64 = 7
const DOUBLE = 11

/** Code of an attribute that is a whole number. */
const INT_ATTRIBUTE = 2

/** Protocol buffers have lengths of 31 bits. */
const MOST_BYTES = 2 ** 31 - 1

/**
 * Encodes a `parameters` table as an ONNX model. The same table gives the same bytes.
 *
 * The input `features` is `[rows, features]`, as the rows were loaded: uint8 if the model was trained on bytes, else float32.
 * Standardisation and batch normalisation are part of the model. The outputs are `label` (int64, an index into the classes)
 * and `probability` (float32, `[rows, classes]`), or `score` if the scores are no logits. The metadata has `classes`,
 * `names`, `columns`, `shape`, `learner` and `millrace`, texts or JSON.
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
  const nodes: ProtoField[] = []
  const tensors: ProtoField[] = []
  let at = 'features'
  const add = (operator: string, inputs: readonly string[], output: string, attributes: readonly ProtoField[] = []) => {
    nodes.push(node(operator, [at, ...inputs], output, attributes))
    at = output
  }
  if (affine) {
    // In float64, because a mean may be large against its deviation.
    add('Cast', [], 'doubles', [attribute('to', DOUBLE)])
    tensors.push(tensor('mean', DOUBLE, [affine.mean.length], affine.mean))
    tensors.push(tensor('scale', DOUBLE, [affine.scale.length], affine.scale))
    add('Sub', ['mean'], 'centred')
    add('Mul', ['scale'], 'standardised')
    add('Cast', [], 'inputs', [attribute('to', FLOAT)])
  } else if (model.type === 'uint8') add('Cast', [], 'inputs', [attribute('to', FLOAT)])
  for (const [l, { inputs, units, weights, bias, relu }] of layers.entries()) {
    const [W, b] = [`W${l + 1}`, `b${l + 1}`]
    tensors.push(tensor(W, FLOAT, [units, inputs], Float32Array.from(weights)))
    tensors.push(tensor(b, FLOAT, [units], Float32Array.from(bias)))
    add('Gemm', [W, b], `outputs${l + 1}`, [attribute('transB', 1)])
    if (relu) add('Relu', [], `activations${l + 1}`)
  }
  const scores = at
  const result = isLogits ? 'probability' : 'score'
  if (isLogits) add('Softmax', [], result, [attribute('axis', 1)])
  else add('Identity', [], result)
  nodes.push(node('ArgMax', [scores], 'label', [attribute('axis', 1), attribute('keepdims', 0)]))
  const [features, classes] = [widthOf(model.shape), model.classes.length]
  const graph: ProtoField[] = [
    ...nodes,
    [2, 'classifier'],
    ...tensors,
    [11, value('features', model.type === 'uint8' ? UINT8 : FLOAT, ['rows', features])],
    [12, value('label', INT64, ['rows'])],
    [12, value(result, FLOAT, ['rows', classes])],
  ]
  const about: Readonly<Record<string, string | undefined>> = {
    classes: JSON.stringify(model.classes),
    names: model.names && JSON.stringify(model.names),
    columns: model.columns && JSON.stringify(model.columns),
    shape: model.shape.join('x'),
    learner: model.learner,
    epoch: String(epoch),
    step: String(step),
    millrace,
  }
  return protobuf([
    [1, IR_VERSION],
    [2, 'millrace'],
    ...(millrace === undefined ? [] : [[3, millrace] as const]),
    [7, graph],
    [8, [[2, OPERATORS]]],
    ...Object.entries(about).flatMap(([key, text]): ProtoField[] =>
      text === undefined
        ? []
        : [
            [
              14,
              [
                [1, key],
                [2, text],
              ],
            ],
          ],
    ),
  ])
}

function node(
  operator: string,
  inputs: readonly string[],
  output: string,
  attributes: readonly ProtoField[],
): ProtoField {
  return [1, [...inputs.map((name): ProtoField => [1, name]), [2, output], [3, output], [4, operator], ...attributes]]
}

function attribute(name: string, value: number): ProtoField {
  return [
    5,
    [
      [1, name],
      [3, value],
      [20, INT_ATTRIBUTE],
    ],
  ]
}

/** A constant; its numbers are little-endian, as all machines are that run Node. */
function tensor(name: string, type: number, shape: readonly number[], values: Float32Array | Float64Array): ProtoField {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  return [5, [...shape.map((extent): ProtoField => [1, extent]), [2, type], [8, name], [9, bytes]]]
}

/** The name and type of an input or output; an extent that is a text is open. */
function value(name: string, type: number, shape: readonly (number | string)[]): readonly ProtoField[] {
  const extents = shape.map((extent): ProtoField => [1, [typeof extent === 'string' ? [2, extent] : [1, extent]]])
  return [
    [1, name],
    [
      2,
      [
        [
          1,
          [
            [1, type],
            [2, extents],
          ],
        ],
      ],
    ],
  ]
}

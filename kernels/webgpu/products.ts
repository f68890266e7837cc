import { EPSILON } from '../network-shape.js'
import { type Form, matmulSource, partsSource, type TileName, tiles } from './matmul.js'
import { ruleSource } from './rules.js'
import { type Binding, type Shader, shaderOf } from './shader.js'

/** Inputs of a layer: bytes of rows, which are standardised as they are read, or float32. */
export type Values = 'bytes' | 'floats'

const parameters: Binding = { name: 'parameters', type: 'vec4f' }
const parts: Binding = { name: 'parts', type: 'vec4f', isWritten: true }
const slopes: Binding = { name: 'slopes', type: 'vec4f' }
const uploads: Binding = { name: 'uploads', type: 'u32' }

/** Mean and scale of each group of four features, one after the other. */
const inputs: Readonly<Record<Values, { readonly bindings: readonly Binding[]; readonly code: string }>> = {
  bytes: {
    bindings: [
      { name: 'values', type: 'u32' },
      { name: 'affine', type: 'vec4f' },
    ],
    code: `fn x4(row: u32, j: u32) -> vec4f {
  let four = values[p.x + row * p.inputs4 + j];
  let x = vec4f((vec4u(four) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(255u));
  return (x - affine[2u * j]) * affine[2u * j + 1u];
}`,
  },
  floats: {
    bindings: [{ name: 'values', type: 'vec4f' }],
    code: 'fn x4(row: u32, j: u32) -> vec4f { return values[p.x + row * p.inputs4 + j]; }',
  },
}

const w4 = 'fn w4(row: u32, j: u32) -> vec4f { return parameters[p.at + row * p.inputs4 + j]; }'
const s4 = 'fn s4(row: u32, j: u32) -> vec4f { return slopes[row * p.units4 + j]; }'

/** Compilers may assume that there is no NaN, so signs and zeros are read from the bits. A NaN stays. */
export const activationSource = `
fn relu(y: vec4f) -> vec4f {
  let bits = bitcast<vec4u>(y);
  return select(y, vec4f(), (bits >= vec4u(0x80000000u)) & (bits <= vec4u(0xff800000u)));
}
/** Which of the four outputs from this one on stay. */
fn stay(first: u32) -> vec4<bool> {
  var found: vec4<bool>;
  for (var c = 0u; c < 4u; c++) {
    let i = first + c;
    found[c] = ((uploads[p.masks + i / 4u] >> (8u * (i % 4u))) & 255u) != 0u;
  }
  return found;
}
fn activated(y: vec4f, row: u32, column4: u32) -> vec4f {
  var out = y;
  if (is_relu()) { out = relu(out); }
  if (is_dropout()) { out = select(vec4f(), out * p.factor, stay(row * p.units + 4u * column4)); }
  return out;
}
/** A slope by an activated output, as slope by what it was before: an output of 0 has none. */
fn passed(slope: vec4f, output: vec4f, first: u32) -> vec4f {
  let whole = slope * p.factor;
  if (is_relu()) { return select(whole, vec4f(), (bitcast<vec4u>(output) << vec4u(1u)) == vec4u()); }
  if (is_dropout()) { return select(vec4f(), whole, stay(first)); }
  return whole;
}
`

/** Outputs of a layer. In `evaluate` they are normalised by the running averages at once. */
const forwardFinish = `${activationSource}
fn finish(row: u32, column4: u32, sum: vec4f) {
  var y = sum + parameters[p.bias + column4];
  if (is_normalised()) {
    let inverse = 1.0 / sqrt(parameters[p.variance + column4] + ${EPSILON});
    y = parameters[p.gamma + column4] * ((y - parameters[p.mean + column4]) * inverse) + parameters[p.beta + column4];
  }
  outputs[row * p.units4 + column4] = activated(y, row, column4);
}
`

/** Slopes by the outputs of the layer below, through its dropout and its ReLU. */
const backFinish = `${activationSource}
fn finish(row: u32, column4: u32, sum: vec4f) {
  let i = row * p.inputs4 + column4;
  slopes_below[i] = passed(sum, below[i], row * p.inputs + 4u * column4);
}
`

const weightsFinish = `${ruleSource}
fn finish(row: u32, column4: u32, sum: vec4f) { take(p.at + row * p.inputs4 + column4, sum); }
`

/** The arrays that an update rule changes. */
export const ruleBindings: readonly Binding[] = [
  { name: 'parameters', type: 'vec4f', isWritten: true },
  { name: 'sums', type: 'vec4f', isWritten: true },
  { name: 'first', type: 'vec4f', isWritten: true },
  { name: 'second', type: 'vec4f', isWritten: true },
]

/**
 * What the shaders of a product have in common: the one that computes it, and the one that adds the parts if its sum is
 * divided. `back` has the flags and the factor of the layer below.
 */
function partsOf(form: Form, values: Values): Omit<Shader, 'label'> {
  const { bindings: own, code } = inputs[values]
  if (form === 'forward')
    return {
      bindings: [...own, parameters, { name: 'outputs', type: 'vec4f', isWritten: true }, uploads, parts],
      code: `${code}\n${w4}\n${forwardFinish}`,
    }
  if (form === 'back')
    return {
      bindings: [
        slopes,
        parameters,
        { name: 'below', type: 'vec4f' },
        { name: 'slopes_below', type: 'vec4f', isWritten: true },
        uploads,
        parts,
      ],
      code: `${s4}\n${w4}\n${backFinish}`,
    }
  return { bindings: [...own, slopes, ...ruleBindings, parts], code: `${code}\n${s4}\n${weightsFinish}` }
}

/** The shader that computes a product in tiles. */
export function productShader(form: Form, values: Values, tile: TileName): Shader {
  return shaderOf(`${form} ${values} ${tile}`, () => {
    const { bindings, code } = partsOf(form, values)
    return { bindings, code: code + matmulSource(form, tiles[tile]) }
  })
}

/** The shader that adds the parts of a product. */
export function partsShader(form: Form, values: Values): Shader {
  return shaderOf(`${form} ${values} parts`, () => {
    const { bindings, code } = partsOf(form, values)
    return { bindings, code: code + partsSource(form) }
  })
}

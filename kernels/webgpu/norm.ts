import { EPSILON } from '../network-shape.js'
import { activationSource, ruleBindings } from './products.js'
import { ruleSource } from './rules.js'
import type { Shader } from './shader.js'

/* Batch normalisation. A workgroup has four groups of four units, and 64 threads for the rows of each. */

/** Units of a workgroup, in groups of four. */
export const NORM_COLUMNS4 = 4

const LANES = 64

/** Sums `value` over the threads of a column, always in the same order. Every thread gets the sum. */
const columnSum = `
var<workgroup> shared_sums: array<vec4f, ${NORM_COLUMNS4 * LANES}>;
fn column_sum(value: vec4f, t: u32) -> vec4f {
  workgroupBarrier();
  shared_sums[t] = value;
  for (var half = ${LANES / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (t / ${NORM_COLUMNS4}u < half) { shared_sums[t] += shared_sums[t + half * ${NORM_COLUMNS4}u]; }
  }
  workgroupBarrier();
  return shared_sums[t % ${NORM_COLUMNS4}u];
}
`

const begin = `
@compute @workgroup_size(${NORM_COLUMNS4 * LANES})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) t: u32) {
  let column4 = group_of(id) * ${NORM_COLUMNS4}u + t % ${NORM_COLUMNS4}u;
  let lane = t / ${NORM_COLUMNS4}u;
  let is_inside = column4 < p.units4;
  // Threads behind the last column have no rows. All take part in the barriers.
  let rows = select(0u, p.rows, is_inside);
`

/** Normalises outputs by the batch in place, and takes its mean and variance into the running averages. */
export const normalise: Shader = {
  label: 'normalise',
  bindings: [
    { name: 'outputs', type: 'vec4f', isWritten: true },
    { name: 'normal', type: 'vec4f', isWritten: true },
    { name: 'inverses', type: 'vec4f', isWritten: true },
    { name: 'parameters', type: 'vec4f', isWritten: true },
    { name: 'uploads', type: 'u32' },
  ],
  code: `${activationSource}${columnSum}${begin}
  var sum = vec4f();
  for (var i = lane; i < rows; i += ${LANES}u) { sum += outputs[i * p.units4 + column4]; }
  let mean = column_sum(sum, t) * p.inverse;
  sum = vec4f();
  for (var i = lane; i < rows; i += ${LANES}u) {
    let off = outputs[i * p.units4 + column4] - mean;
    sum += off * off;
  }
  let variance = column_sum(sum, t) * p.inverse;
  if (!is_inside) { return; }
  let inverse = 1.0 / sqrt(variance + ${EPSILON});
  if (lane == 0u) {
    parameters[p.mean + column4] = p.kept * parameters[p.mean + column4] + (1.0 - p.kept) * mean;
    parameters[p.variance + column4] = p.kept * parameters[p.variance + column4] + (1.0 - p.kept) * variance;
    inverses[column4] = inverse;
  }
  let gamma = parameters[p.gamma + column4];
  let beta = parameters[p.beta + column4];
  for (var i = lane; i < rows; i += ${LANES}u) {
    let at = i * p.units4 + column4;
    let n = (outputs[at] - mean) * inverse;
    normal[at] = n;
    outputs[at] = activated(gamma * n + beta, i, column4);
  }
}
`,
}

/** Turns slopes by the normalised outputs into slopes by the plain ones, in place; steps gamma and beta. */
export const normaliseBack: Shader = {
  label: 'normalise back',
  bindings: [
    { name: 'slopes', type: 'vec4f', isWritten: true },
    { name: 'normal', type: 'vec4f' },
    { name: 'inverses', type: 'vec4f' },
    ...ruleBindings,
  ],
  code: `${ruleSource}${columnSum}${begin}
  let gamma = parameters[p.gamma + min(column4, p.units4 - 1u)];
  var sum = vec4f();
  var sum_along = vec4f();
  for (var i = lane; i < rows; i += ${LANES}u) {
    let at = i * p.units4 + column4;
    sum += slopes[at];
    sum_along += slopes[at] * normal[at];
  }
  let plain = column_sum(sum, t);
  let along = column_sum(sum_along, t);
  if (!is_inside) { return; }
  if (lane == 0u) {
    take(p.gamma + column4, along);
    take(p.beta + column4, plain);
  }
  let outer = gamma * inverses[column4];
  // The mean and the variance of the batch depend on every row.
  let n = 1.0 / f32(p.rows);
  for (var i = lane; i < rows; i += ${LANES}u) {
    let at = i * p.units4 + column4;
    slopes[at] = outer * (slopes[at] - plain * n - normal[at] * (along * n));
  }
}
`,
}

import { ruleBindings } from './products.js'
import { ruleSource } from './rules.js'
import type { Binding, Shader } from './shader.js'

/** The factor of a clipped gradient, and behind it the sums of the squares of its parts, plain and of small numbers. */
const norms: Binding = { name: 'norms', type: 'vec2f', isWritten: true }

/** Units of a workgroup of `biases`, in groups of four. */
export const BIAS_COLUMNS4 = 4

/** The gradient by the biases: the sum of the slopes over the rows. */
export const biases: Shader = {
  label: 'biases',
  bindings: [{ name: 'slopes', type: 'vec4f' }, ...ruleBindings],
  code: `${ruleSource}
var<workgroup> shared_sums: array<vec4f, 256>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) t: u32) {
  let column4 = group_of(id) * ${BIAS_COLUMNS4}u + t % ${BIAS_COLUMNS4}u;
  let lane = t / ${BIAS_COLUMNS4}u;
  var sum = vec4f();
  if (column4 < p.units4) { for (var i = lane; i < p.rows; i += 64u) { sum += slopes[i * p.units4 + column4]; } }
  shared_sums[t] = sum;
  for (var half = 32u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { shared_sums[t] += shared_sums[t + half * ${BIAS_COLUMNS4}u]; }
  }
  if (lane == 0u && column4 < p.units4) { take(p.bias + column4, shared_sums[t]); }
}
`,
}

/**
 * Adds the losses and the numbers of correct rows, as `lossShader` wrote them, and writes both to `slot`; with `carried` it
 * adds them to the loss that stands there. Losses are not negative, so the largest bits of those that are not finite are the
 * result: NaN before infinity.
 * The sum is multiplied by `inverse`.
 */
export const total: Shader = {
  label: 'total',
  bindings: [
    { name: 'losses', type: 'vec2u' },
    { name: 'results', type: 'u32', isWritten: true },
  ],
  code: `
var<workgroup> shared_sums: array<f32, 256>;
var<workgroup> shared_counts: array<vec2u, 256>;
@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) t: u32) {
  var sum = 0.0;
  var worst = 0u;
  var correct = 0u;
  for (var i = t; i < p.rows; i += 256u) {
    let found = losses[i];
    if (is_finite(found.x)) { sum += bitcast<f32>(found.x); } else { worst = max(worst, found.x); }
    correct += found.y;
  }
  shared_sums[t] = sum;
  shared_counts[t] = vec2u(worst, correct);
  for (var half = 128u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (t < half) {
      shared_sums[t] += shared_sums[t + half];
      let there = shared_counts[t + half];
      shared_counts[t] = vec2u(max(shared_counts[t].x, there.x), shared_counts[t].y + there.y);
    }
  }
  if (t != 0u) { return; }
  worst = shared_counts[0].x;
  sum = shared_sums[0];
  if (is_carried()) {
    let before = results[p.at];
    if (is_finite(before)) { sum += bitcast<f32>(before); } else { worst = max(worst, before); }
  }
  results[p.slot] = select(bitcast<u32>(sum * p.inverse), worst, worst != 0u);
  if (p.mode == 1u) { results[p.slot + 1u] = shared_counts[0].y; }
}
`,
}

/**
 * Takes the accumulated sums of an array: makes a step of them, or writes the mean gradient over them (`mode` 1). With `clipped`
 * the sums are the mean gradient already, and a step multiplies it by the factor that `limit` found.
 */
export const takeSums: Shader = {
  label: 'take sums',
  bindings: [...ruleBindings, norms],
  code: `${ruleSource}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) t: u32) {
  let i = p.at + group_of(id) * 64u + t;
  if (i >= p.at + p.length4) { return; }
  if (is_clipped()) { change(i, sums[i] * norms[0].x); return; }
  let g = penalised(i, sums[i] * p.inverse);
  if (p.mode == 0u) { change(i, g); } else { sums[i] = g; }
}
`,
}

/** The threads of a workgroup of `squares`, and the most workgroups. */
const SQUARES = { threads: 256, groups: 256 }

/** The workgroups of `squares` for an array of so many groups of four numbers. */
export function squaresGroups(length4: number): number {
  return Math.min(SQUARES.groups, Math.ceil(length4 / SQUARES.threads))
}

const sumOfAll = `
var<workgroup> shared_sums: array<vec2f, ${SQUARES.threads}>;
fn sum_of_all(sum: vec2f, t: u32) -> vec2f {
  shared_sums[t] = sum;
  for (var half = ${SQUARES.threads / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (t < half) { shared_sums[t] += shared_sums[t + half]; }
  }
  return shared_sums[0];
}
`

/**
 * Writes the mean gradient of an array, with its penalties, over its sums, and the sum of its squares from `slot` on. The squares
 * of large numbers are infinite, so there is a second sum, of numbers divided by 2^64.
 */
export const squares: Shader = {
  label: 'squares',
  bindings: [...ruleBindings, norms],
  code: `${ruleSource}${sumOfAll}
@compute @workgroup_size(${SQUARES.threads})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) t: u32) {
  let group = group_of(id);
  var sum = vec2f();
  for (var i = group * ${SQUARES.threads}u + t; i < p.length4; i += p.groups * ${SQUARES.threads}u) {
    let g = penalised(p.at + i, sums[p.at + i] * p.inverse);
    sums[p.at + i] = g;
    let small = g * 0x1p-64f;
    sum += vec2f(dot(g, g), dot(small, small));
  }
  sum = sum_of_all(sum, t);
  if (t == 0u) { norms[p.slot + group] = sum; }
}
`,
}

/** Finds what the gradient is multiplied by, from the sums that `squares` wrote; `rows` is their number. */
export const limit: Shader = {
  label: 'limit',
  bindings: [norms],
  code: `${sumOfAll}
@compute @workgroup_size(${SQUARES.threads})
fn main(@builtin(local_invocation_index) t: u32) {
  var sum = vec2f();
  for (var i = t; i < p.rows; i += ${SQUARES.threads}u) { sum += norms[1u + i]; }
  sum = sum_of_all(sum, t);
  if (t != 0u) { return; }
  var factor = p.clip / (sqrt(sum.x) + 1e-6);
  if (!is_finite(bitcast<u32>(sum.x))) { factor = p.clip * 0x1p-64f / sqrt(sum.y); }
  norms[0] = vec2f(min(factor, 1.0), 0.0);
}
`,
}

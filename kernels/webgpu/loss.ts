import { activationSource } from './products.js'
import { type Shader, shaderOf } from './shader.js'

/** The threads of a row of scores; a workgroup of 64 has as many rows as fit. */
export function lanesFor(classes: number): number {
  return classes <= 4 ? 4 : classes <= 16 ? 16 : 64
}

/** `log(1 + x)` for x >= 0, without the loss of digits that `log` has near 1: the series of artanh up to 1. */
const log1p = `
fn log1p(x: f32) -> f32 {
  if (x > 1.0) { return log(1.0 + x); }
  let z = x / (2.0 + x);
  let s = z * z;
  return 2.0 * z * (1.0 + s * (1.0 / 3.0 + s * (1.0 / 5.0 + s * (1.0 / 7.0 + s * (1.0 / 9.0 + s * (1.0 / 11.0 + s * (1.0 / 13.0 + s / 15.0)))))));
}
`

/** Sums four numbers over the threads of a row, always in the same order. */
const rowSum = (lanes: number): string => `
fn row_sum(value: vec4f, t: u32) -> vec4f {
  workgroupBarrier();
  shared_sums[t] = value;
  for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (t % ${lanes}u < half) { shared_sums[t] += shared_sums[t + half]; }
  }
  workgroupBarrier();
  return shared_sums[t - t % ${lanes}u];
}
`

/**
 * The loss of each row, and whether its label has the largest score. With `isStep` it is the loss that training minimises, and
 * the slopes by the scores are written. `kernels/loss.ts` has the formulas.
 *
 * Each row gives the bits of its loss: compilers may assume that all numbers are finite, so scores are looked at as bits, and
 * a row with one that is not finite gives the bits of NaN.
 */
export function lossShader(lanes: number, isStep: boolean): Shader {
  return shaderOf(`loss ${lanes} ${isStep ? 'step' : 'evaluate'}`, () => lossSource(lanes, isStep))
}

function lossSource(lanes: number, isStep: boolean): Omit<Shader, 'label'> {
  const rows = 64 / lanes
  return {
    bindings: [
      { name: 'scores', type: 'f32' },
      { name: 'uploads', type: 'u32' },
      { name: 'losses', type: 'vec2u', isWritten: true },
      ...(isStep ? [{ name: 'slopes', type: 'f32', isWritten: true } as const] : []),
    ],
    code: `
var<workgroup> shared_sums: array<vec4f, 64>;
var<workgroup> shared_tops: array<f32, 64>;
var<workgroup> shared_places: array<u32, 64>;
var<workgroup> shared_bad: array<u32, 64>;
${log1p}${rowSum(lanes)}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) t: u32) {
  let lane = t % ${lanes}u;
  let row = group_of(id) * ${rows}u + t / ${lanes}u;
  // Threads behind the last row have no classes. All take part in the barriers.
  let is_inside = row < p.rows;
  let classes = select(0u, p.units, is_inside);
  let start = row * p.units4 * 4u;
  let label = uploads[p.labels + min(row, p.rows - 1u)];
  var top = -3.4028e38;
  var place = 0xffffffffu;
  var bad = 0u;
  for (var k = lane; k < classes; k += ${lanes}u) {
    let s = scores[start + k];
    if (!is_finite(bitcast<u32>(s))) { bad = 1u; }
    if (s > top || place == 0xffffffffu) { top = s; place = k; }
  }
  shared_tops[t] = top;
  shared_places[t] = place;
  shared_bad[t] = bad;
  for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      let other = shared_tops[t + half];
      let there = shared_places[t + half];
      if (other > shared_tops[t] || (other == shared_tops[t] && there < shared_places[t])) {
        shared_tops[t] = other;
        shared_places[t] = there;
      }
      shared_bad[t] |= shared_bad[t + half];
    }
  }
  workgroupBarrier();
  top = shared_tops[t - lane];
  place = shared_places[t - lane];
  let own = scores[start + label];
  var parts = vec4f();
  for (var k = lane; k < classes; k += ${lanes}u) {
    let s = scores[start + k];
    if (is_hinge()) {
      let excess = s - own + 1.0;
      if (k != label && excess > 0.0) { parts += vec4f(excess, 1.0, 0.0, 0.0); }
    } else {
      let e = exp(s - top);
      parts += vec4f(select(e, 0.0, k == place), select(e, 0.0, k == label), top - s, 0.0);
    }
  }
  parts = row_sum(parts, t);
  if (!is_inside) { return; }
  var loss = parts.x;
  if (!is_hinge()) {
    ${
      isStep
        ? 'loss = log1p(parts.x) + (1.0 - p.smoothing) * (top - own) + p.smoothing / f32(p.units) * parts.z;'
        : 'loss = log1p(parts.x) + (top - own);'
    }
  }
  ${isStep ? steps(lanes) : ''}
  if (lane == 0u) {
    losses[row] = vec2u(select(bitcast<u32>(loss), 0x7fc00000u, shared_bad[t] != 0u), select(0u, 1u, place == label));
  }
}
`,
  }
}

const steps = (lanes: number): string => `
  var weight = 1.0;
  if (is_weighted()) { weight = bitcast<f32>(uploads[p.weights + row]); }
  loss *= weight;
  let total = parts.y + exp(own - top);
  let each = p.smoothing / f32(p.units);
  for (var k = lane; k < classes; k += ${lanes}u) {
    let s = scores[start + k];
    var slope = 0.0;
    if (is_hinge()) {
      if (k == label) { slope = -parts.y; } else if (s - own + 1.0 > 0.0) { slope = 1.0; }
    } else if (k == label) {
      slope = p.smoothing - each - parts.y / total;
    } else {
      slope = exp(s - top) / total - each;
    }
    slopes[start + k] = slope * weight;
  }
`

/** Passes the slopes by the outputs of the last layer through its dropout and its ReLU, if it has them. */
export const gate: Shader = {
  label: 'gate',
  bindings: [
    { name: 'outputs', type: 'vec4f' },
    { name: 'slopes', type: 'vec4f', isWritten: true },
    { name: 'uploads', type: 'u32' },
  ],
  code: `${activationSource}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) t: u32) {
  let i = group_of(id) * 64u + t;
  if (i >= p.length4) { return; }
  slopes[i] = passed(slopes[i], outputs[i], (i / p.units4) * p.units + 4u * (i % p.units4));
}
`,
}

/**
 * What every dispatch is told, as one struct in a uniform buffer. A field that a shader does not read is 0. Places in
 * buffers count in elements of their binding.
 */
const fields = {
  /** Rows of the pass. */
  rows: 'u32',
  /** Outputs of the layer, and groups of four of them. */
  units: 'u32',
  units4: 'u32',
  /** Inputs of the layer, and groups of four of them. */
  inputs: 'u32',
  inputs4: 'u32',
  /** Workgroups that have something to do. */
  groups: 'u32',
  /** Tiles of a product along its rows and columns, parts of its sum, and the groups of four terms of a part. */
  tilesM: 'u32',
  tilesN: 'u32',
  splits: 'u32',
  slice: 'u32',
  /** Where the arrays of the layer begin in the parameters. */
  at: 'u32',
  bias: 'u32',
  gamma: 'u32',
  beta: 'u32',
  mean: 'u32',
  variance: 'u32',
  /** How many groups of four numbers an array has. */
  length4: 'u32',
  /** Where the rows begin in the buffer of values. */
  x: 'u32',
  /** Where labels, weights of rows and masks begin in the buffer of uploads. */
  labels: 'u32',
  weights: 'u32',
  masks: 'u32',
  /** Bits of `flag`. */
  flags: 'u32',
  /** What happens to a gradient, see `mode`. */
  mode: 'u32',
  /** The number of the update rule, see `ruleOf`. */
  rule: 'u32',
  /** Where a sum goes. */
  slot: 'u32',
  eta: 'f32',
  /** What is added to the gradient: `decay · w`. */
  decay: 'f32',
  /** What is added to the gradient by weights: `l1 · sign(w)`. */
  l1: 'f32',
  /** The largest norm of the gradient. */
  clip: 'f32',
  /** What the old parameter is multiplied by: 1, or `1 - eta · decay` of AdamW. */
  keep: 'f32',
  /** 1 / number of rows of the step. */
  inverse: 'f32',
  /** What outputs that stay are multiplied by. */
  factor: 'f32',
  /** What stays of a running average. */
  kept: 'f32',
  /** Label smoothing. */
  smoothing: 'f32',
  /** Numbers of the update rules, see `ruleOf`. */
  mu: 'f32',
  gain1: 'f32',
  gain2: 'f32',
  rate: 'f32',
  root: 'f32',
  epsilon: 'f32',
} as const

/** The values of a dispatch; what is left out is 0. */
export type Params = { [K in keyof typeof fields]?: number }

/** Bytes from one struct to the next: the least alignment that every adapter allows. */
export const PARAMS_BYTES = 256

const entries = Object.entries(fields)
const places = new Map(entries.map(([name, type], i) => [name, { i, isFloat: type === 'f32' }]))

/** The bits of `Params.flags`. */
export const flag = { relu: 1, dropout: 2, normalised: 4, weighted: 8, hinge: 16, carried: 32, clipped: 64 } as const

/** What happens to a gradient: the parameters are changed, or it is written to, or added to, the sums. */
export const mode = { update: 0, write: 1, add: 2, none: 3 } as const

/** The WGSL of the struct, of its binding and of the names of the bits. */
export const paramsSource = `
struct Params { ${entries.map(([name, type]) => `${name}: ${type}`).join(', ')} }
@group(0) @binding(0) var<uniform> p: Params;
${Object.entries(flag)
  .map(([name, bit]) => `fn is_${name}() -> bool { return (p.flags & ${bit}u) != 0u; }`)
  .join('\n')}
`

/**
 * Writes the values of a dispatch to slot `slot`, over what was there.
 *
 * @param floats the same memory as `words`
 */
export function writeParams(words: Uint32Array, floats: Float32Array, slot: number, values: Params): void {
  const from = (slot * PARAMS_BYTES) / 4
  words.fill(0, from, from + entries.length)
  for (const name in values) {
    const { i, isFloat } = places.get(name)!
    const value = values[name as keyof Params]!
    if (isFloat) floats[from + i] = value
    else words[from + i] = value
  }
}

import type { Params } from './params.js'

/** The size of the tile of a product that one workgroup computes. */
export interface Tile {
  /** Rows of the product. */
  readonly rows: number
  /** Columns of the product. */
  readonly columns: number
  /** Rows of each thread, four or eight. Each has four columns. */
  readonly perThread: number
}

/** The terms of the sum that a tile takes from memory at a time, in groups of four. */
const DEPTH4 = 4

/** Tiles for products of any size, of few columns, of few rows, and for large ones. */
export const tiles = {
  square: { rows: 64, columns: 64, perThread: 4 },
  narrow: { rows: 64, columns: 16, perThread: 4 },
  flat: { rows: 16, columns: 64, perThread: 4 },
  large: { rows: 128, columns: 64, perThread: 8 },
} as const satisfies Record<string, Tile>

/** The name of a tile. */
export type TileName = keyof typeof tiles

/**
 * The products of a dense layer, with `X` its inputs `[rows, inputs]`, `W` `[units, inputs]`, and `S` the slopes by its
 * outputs `[rows, units]`: `X Wᵀ`, `S W` and `Sᵀ X`.
 */
export type Form = 'forward' | 'back' | 'weights'

/**
 * The functions of the shader that read four numbers of each operand, the size of the product, and the length of its sums:
 * in groups of four, or rows.
 */
const forms = {
  forward: { a: 'x4', b: 'w4', rows: 'p.rows', columns4: 'p.units4', depth: 'p.inputs4' },
  back: { a: 's4', b: 'w4', rows: 'p.rows', columns4: 'p.inputs4', depth: 'p.units4' },
  weights: { a: 's4', b: 'x4', rows: 'p.units', columns4: 'p.inputs4', depth: 'p.rows' },
} as const

/**
 * The WGSL of a tiled product: tiles of both operands go through the memory of the workgroup, and each thread sums
 * `perThread` times four numbers in registers. The code around it has the functions of the form, which take a row and a
 * group of four columns, and `finish(row, column4, sum)`. A part of a divided sum goes to `parts`.
 *
 * Vectors lie along the summed dimension where the operand does so in memory: such tiles have a fifth, empty, vector in each
 * row, so that neighbouring threads read from different banks.
 */
export function matmulSource(form: Form, tile: Tile): string {
  const { rows, columns, perThread } = tile
  const across = columns / 4
  const threads = (rows / perThread) * across
  const { rows: m, columns4, depth } = forms[form]
  const { aSize, bSize, load, sum } = form === 'weights' ? outer(tile, threads) : inner(form, tile, threads)
  return `
var<workgroup> tile_a: array<vec4f, ${aSize}>;
var<workgroup> tile_b: array<vec4f, ${bSize}>;
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) t: u32) {
  let group = group_of(id);
  if (group >= p.groups) { return; }
  let column_tile = group % p.tilesN;
  let row_tile = (group / p.tilesN) % p.tilesM;
  let part = group / (p.tilesN * p.tilesM);
  let first_row = row_tile * ${rows}u;
  let first_column4 = column_tile * ${across}u;
  let tx = t % ${across}u;
  let ty = t / ${across}u;
  let end = min(${depth}, (part + 1u) * p.slice);
  var sums_of: array<vec4f, ${perThread}>;
  for (var k = part * p.slice; k < end; k += ${form === 'weights' ? 4 * DEPTH4 : DEPTH4}u) {
    ${load}
    workgroupBarrier();
    ${sum}
    workgroupBarrier();
  }
  let column4 = first_column4 + tx;
  if (column4 >= ${columns4}) { return; }
  let row = first_row + ty * ${perThread}u;
  ${repeated(perThread, (i) => `keep(part, row + ${i}, column4, sums_of[${i}]);`)}
}
fn keep(part: u32, row: u32, column4: u32, sum: vec4f) {
  if (row >= ${m}) { return; }
  if (p.splits == 1u) { finish(row, column4, sum); }
  else { parts[(part * ${m} + row) * ${columns4} + column4] = sum; }
}
`
}

/** A line for each of `count` numbers: registers need constant indices. */
function repeated(count: number, line: (i: string) => string): string {
  return Array.from({ length: count }, (_, i) => line(`${i}u`)).join('\n')
}

/** `a` has vectors along the summed dimension; `b` too (`forward`), or along the columns (`back`). */
function inner(form: 'forward' | 'back', { rows, columns, perThread }: Tile, threads: number) {
  const across = columns / 4
  const pitch = DEPTH4 + 1
  const { a, b } = forms[form]
  const isForward = form === 'forward'
  const load = `
    for (var i = t; i < ${rows * DEPTH4}u; i += ${threads}u) {
      let row = i / ${DEPTH4}u;
      let j = i % ${DEPTH4}u;
      var v = vec4f();
      if (first_row + row < p.rows && k + j < end) { v = ${a}(first_row + row, k + j); }
      tile_a[row * ${pitch}u + j] = v;
    }
    for (var i = t; i < ${columns * DEPTH4}u; i += ${threads}u) {
      ${
        isForward
          ? `let column = i / ${DEPTH4}u;
      let j = i % ${DEPTH4}u;
      var v = vec4f();
      if (first_column4 * 4u + column < p.units && k + j < end) { v = ${b}(first_column4 * 4u + column, k + j); }
      tile_b[((column % 4u) * ${across}u + column / 4u) * ${pitch}u + j] = v;`
          : `let j = i / ${across}u;
      let column4 = i % ${across}u;
      var v = vec4f();
      if (k * 4u + j < min(p.units, end * 4u) && first_column4 + column4 < p.inputs4) {
        v = ${b}(k * 4u + j, first_column4 + column4);
      }
      tile_b[j * ${across}u + column4] = v;`
      }
    }`
  const fromB = [0, 1, 2, 3]
    .map((c) =>
      isForward
        ? `let b${c} = tile_b[(${c}u * ${across}u + tx) * ${pitch}u + j];`
        : `let b${c} = tile_b[(j * 4u + ${c}u) * ${across}u + tx];`,
    )
    .join('\n')
  const add = repeated(
    perThread,
    (i) => `{
      let a = tile_a[(ty * ${perThread}u + ${i}) * ${pitch}u + j];
      sums_of[${i}] += ${isForward ? 'vec4f(dot(a, b0), dot(a, b1), dot(a, b2), dot(a, b3))' : 'a.x * b0 + a.y * b1 + a.z * b2 + a.w * b3'};
    }`,
  )
  const sum = `for (var j = 0u; j < ${DEPTH4}u; j++) { ${fromB}\n${add} }`
  return { aSize: rows * pitch, bSize: isForward ? columns * pitch : 4 * DEPTH4 * across, load, sum }
}

/** `a` and `b` have vectors along rows and columns of the product. The sum is over rows of both. */
function outer({ rows, columns, perThread }: Tile, threads: number) {
  const [down, across] = [rows / 4, columns / 4]
  const depth = 4 * DEPTH4
  const { a, b } = forms.weights
  const load = `
    for (var i = t; i < ${depth * down}u; i += ${threads}u) {
      let j = i / ${down}u;
      let row4 = first_row / 4u + i % ${down}u;
      var v = vec4f();
      if (k + j < end && row4 < p.units4) { v = ${a}(k + j, row4); }
      tile_a[i] = v;
    }
    for (var i = t; i < ${depth * across}u; i += ${threads}u) {
      let j = i / ${across}u;
      let column4 = first_column4 + i % ${across}u;
      var v = vec4f();
      if (k + j < end && column4 < p.inputs4) { v = ${b}(k + j, column4); }
      tile_b[i] = v;
    }`
  const add = repeated(
    perThread / 4,
    (q) => `{
      let a = tile_a[j * ${down}u + ty * ${perThread / 4}u + ${q}];
      ${repeated(4, (c) => `sums_of[4u * ${q} + ${c}] += a[${c}] * b;`)}
    }`,
  )
  const sum = `for (var j = 0u; j < ${depth}u; j++) { let b = tile_b[j * ${across}u + tx];\n${add} }`
  return { aSize: depth * down, bSize: depth * across, load, sum }
}

/** The WGSL that adds the parts of a divided sum, always in the same order, and calls `finish`. */
export function partsSource(form: Form): string {
  const { rows, columns4 } = forms[form]
  return `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) t: u32) {
  let i = group_of(id) * 64u + t;
  let size = ${rows} * ${columns4};
  if (i >= size) { return; }
  var sum = parts[i];
  for (var part = 1u; part < p.splits; part++) { sum += parts[part * size + i]; }
  finish(i / ${columns4}, i % ${columns4}, sum);
}
`
}

/** How a product is divided among workgroups. */
export interface Division {
  /** The tile of each workgroup. */
  readonly tile: TileName
  /** What the shader is told: tiles down and across, the length of a part of the sum, the parts, and all workgroups. */
  readonly params: Params & { readonly groups: number; readonly splits: number }
}

/**
 * Divides a product `[rows, 4 · columns4]`. A product with fewer tiles than `busy`, the workgroups that keep the device
 * busy, has its sum divided too. It depends on these sizes alone, so that sums keep their order.
 *
 * @param depth length of the sum, in steps of the loop of `matmulSource`: groups of four, or rows for `weights`
 * @param tile default: by these sizes
 */
export function divide(
  form: Form,
  rows: number,
  columns4: number,
  depth: number,
  busy: number,
  tile = tileFor(rows, columns4, busy),
): Division {
  const { rows: high, columns: wide } = tiles[tile]
  const tilesM = Math.ceil(rows / high)
  const tilesN = Math.ceil((columns4 * 4) / wide)
  const step = form === 'weights' ? 4 * DEPTH4 : DEPTH4
  const steps = Math.ceil(depth / step)
  // A part that is shorter costs more to add than it saves.
  const most = Math.max(1, Math.floor(steps / 4))
  const wanted = Math.max(1, Math.min(most, Math.floor(busy / (tilesM * tilesN))))
  const slice = Math.ceil(steps / wanted) * step
  const splits = Math.max(1, Math.ceil(depth / slice))
  return { tile, params: { tilesM, tilesN, slice, splits, groups: tilesM * tilesN * splits } }
}

function tileFor(rows: number, columns4: number, busy: number): TileName {
  if (columns4 <= 8) return 'narrow'
  if (rows <= 32) return 'flat'
  const { rows: high, columns: wide } = tiles.large
  return Math.floor(rows / high) * Math.floor((columns4 * 4) / wide) >= busy / 2 ? 'large' : 'square'
}
